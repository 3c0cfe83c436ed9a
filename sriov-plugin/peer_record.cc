// SPDX-License-Identifier: Apache-2.0
// What the Go sriov-cni keeps of an attachment, read in its terms and turned into ours.
#include <dirent.h>

#include <algorithm>

#include "core/directory.h"
#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/regular_file.h"
#include "core/vf/restore.h"
#include "sriov-plugin/detach.h"
#include "sriov-plugin/preflight.h"

namespace barewire::sriov {

namespace {

/// A MAC as Go prints it; an unset one is empty.
std::optional<MacAddress> find_mac(const JsonView& json, std::string_view key) {
  return MacAddress::parse(json.string_or(key, ""));
}

std::uint32_t number(const JsonView& json, std::string_view key) {
  return static_cast<std::uint32_t>(json.integer_or(key, 0, 0xffff'ffff, "a number", 0));
}

kernel::VfInfo admin_state(const JsonView& state, std::uint32_t id, const kernel::VfInfo& now) {
  kernel::VfInfo info = now;  // what older versions did not record stays as it is
  info.id = id;
  if (const auto mac = find_mac(state, "AdminMAC")) info.mac = mac;
  info.vlan = static_cast<std::uint16_t>(number(state, "Vlan"));
  info.qos = static_cast<std::uint8_t>(number(state, "VlanQoS"));
  if (state.has("VlanProto"))
    info.vlan_proto = number(state, "VlanProto") == 0x88a8 ? kernel::VlanProto::dot1ad : kernel::VlanProto::dot1q;
  if (info.spoof_check) info.spoof_check = state.boolean_or("SpoofChk", *info.spoof_check);
  if (info.trust) info.trust = state.boolean_or("Trust", *info.trust);
  info.min_tx_rate = number(state, "MinTxRate");
  info.max_tx_rate = number(state, "MaxTxRate");
  if (info.link_state && state.has("LinkState"))
    // The kernel's IFLA_VF_LINK_STATE_* end at 2; the number is out of a file and may be any.
    info.link_state = static_cast<kernel::VfLinkState>(std::min(number(state, "LinkState"), 2U));
  return info;
}

vf::NetdevState netdev_state(const JsonView& state) {
  vf::NetdevState netdev;
  netdev.name = state.string_or("HostIFName", "");
  netdev.mac = find_mac(state, "EffectiveMAC");
  netdev.perm_mac = netdev.mac;
  netdev.mtu = number(state, "MTU");
  netdev.mac_is_own = true;  // sriov-cni does not tell; a VF is free to keep what it had
  return netdev;
}

/// nullopt when the VF, or its place, is gone.
std::optional<vf::VfRecord> vf_record(vf::Host& host, const JsonView& cache, const std::string& device) {
  const auto target = vf::find_vf(host.sysfs, host.socket, device);
  if (!target) return std::nullopt;
  const auto state = cache.find("OrigVfState");
  vf::VfRecord record;
  record.device = device;
  record.pf = target->pf.pci.address;
  record.pf_name = cache.string_or("Master", record.pf);
  record.id = target->vf.id;
  record.driver = target->vf.pci.driver;
  record.userspace = kernel::is_userspace_driver(record.driver);
  // Nothing to put back, and the netdev's name unknown: what is left is to let go of the VF.
  if (!state) return record;
  if (target->vf.info) record.admin = admin_state(*state, record.id, *target->vf.info);
  if (!state->string_or("HostIFName", "").empty()) record.netdev = netdev_state(*state);
  record.settings.mac = find_mac(cache, "MAC");
  return record;
}

bool is_recorded_elsewhere(const vf::Host& host, const std::string& own, const std::string& device) {
  const auto entries = try_list_entries(host.peer_state_dir);
  if (!entries) return false;
  for (const auto& [name, type] : *entries) {
    // Some file systems do not tell the type while listing; reading decides then.
    if ((type != DT_REG && type != DT_UNKNOWN) || name == own) continue;
    const auto bytes = read_roots_file(host.peer_state_dir + "/" + name);
    if (bytes && bytes->find('"' + device + '"') != std::string::npos) return true;
  }
  return false;
}

/// Is the VF still what sriov-cni left? Another attachment may have it by now: one of ours, or another of sriov-cni's.
bool is_still_theirs(const vf::Host& host, const cni::Request& request, const std::string& cache_name,
                     const std::string& device) {
  // By the claim and not by the file's age: runtimes repeat a DEL, and the VF may have gone to another pod in between.
  if (host.store.holder(device)) return false;
  const auto netns = read_roots_file(fmt::format("{}/pci/{}", host.peer_state_dir, device));
  if (!netns || *netns == request.netns || !kernel::NetNs::try_open(*netns)) return true;
  return request.netns.empty() && !is_recorded_elsewhere(host, cache_name, device);
}

vf::PodNetns pod_netns(const vf::Host& host, const cni::Request& request, const std::string& device) {
  if (!request.netns.empty()) return {request.netns, std::nullopt};
  return {read_roots_file(fmt::format("{}/pci/{}", host.peer_state_dir, device)).value_or(""), std::nullopt};
}

}  // namespace

bool detach_peer(vf::Host& host, const cni::Request& request, Node& node) {
  const std::string name = fmt::format("{}-{}", request.container_id, request.ifname);
  const std::string path = fmt::format("{}/{}", host.peer_state_dir, name);
  const auto bytes = read_roots_file(path);
  if (!bytes) return false;
  const auto document = parse_json(*bytes, "record " + path);
  const JsonView cache(document, fmt::format("record {}: key", path), Error::Code::state);
  const auto device = kernel::normalise_pci_address(cache.string_or("deviceID", ""));
  if (device && is_still_theirs(host, request, name, *device)) {
    log_info("attachment {}/{} was made with sriov-cni; restoring VF {}", request.container_id, request.ifname,
             *device);
    if (const auto record = vf_record(host, cache, *device))
      vf::restore_vf(host, *record, pod_netns(host, request, *device), request.ifname,
                     hw::find_habits(node, host, record->pf));
    remove_file(fmt::format("{}/pci/{}", host.peer_state_dir, *device));
  }
  // Last: while it is there, a DEL that was killed here is repeated from it.
  remove_file(path);
  return true;
}

}  // namespace barewire::sriov
