// SPDX-License-Identifier: Apache-2.0
// DEL of an attachment whose record was lost: what can be known without it.
#include "core/cni/life.h"
#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/vf/restore.h"
#include "sriov-plugin/config.h"
#include "sriov-plugin/detach.h"
#include "sriov-plugin/preflight.h"

namespace barewire::sriov {

namespace {

using kernel::VfInfo;

/// The VF's netdev under the attachment's name in its netns: nothing else proves that the VF is this attachment's.
std::optional<kernel::Link> find_in_pod(const vf::Host& host, const cni::Request& request) {
  const auto pod = find_unclaimed_netns(request, host.store, request.ifname);
  if (!pod) return std::nullopt;
  kernel::NlSocket socket = kernel::NlSocket::in(*pod);
  return kernel::find_link(socket, request.ifname);
}

/// A configuration that has become wrong asks for nothing.
vf::Settings settings_of(const cni::Request& request, const std::string& device) {
  try {
    return Config::parse(request, device).settings;
  } catch (const Error& error) {
    log_warning("the configuration of {}/{} is wrong, ignoring: {}", request.container_id, request.ifname,
                error.what());
    return {};
  }
}

/// What the configuration asks for, and the VF has, goes back to what drivers begin with; the rest stays. Source:
/// ip-link(8), "vf".
VfInfo without(const vf::Settings& settings, VfInfo info) {
  // Zero takes the admin MAC away: the VF chooses its own again.
  if (settings.mac && info.mac == settings.mac) info.mac = MacAddress();
  if (settings.vlan && info.vlan == settings.vlan->id) {
    info.vlan = 0;
    info.qos = 0;
    info.vlan_proto = kernel::VlanProto::dot1q;
  }
  if (settings.spoof_check && info.spoof_check) info.spoof_check = true;
  if (settings.trust && info.trust) info.trust = false;
  if (settings.min_tx_rate) info.min_tx_rate = 0;
  if (settings.max_tx_rate) info.max_tx_rate = 0;
  if (settings.link_state && info.link_state) info.link_state = kernel::VfLinkState::automatic;
  return info;
}

/// Named as systemd names VFs, after the PF. Source: systemd.net-naming-scheme(7), "v<slot>".
vf::NetdevState netdev_state(const kernel::Link& link, const vf::Settings& settings, const std::string& pf,
                             std::uint32_t id) {
  constexpr std::uint32_t kEthernetMtu = 1500;
  vf::NetdevState netdev;
  netdev.name = fmt::format("{}v{}", pf, id);
  if (netdev.name.size() > 15) netdev.name = link.name;  // IFNAMSIZ - 1
  // An MTU of the configuration's goes; one that nobody asked for was there before.
  netdev.mtu = settings.mtu ? kEthernetMtu : link.mtu;
  netdev.tx_queue_length = link.tx_queue_length;
  return netdev;
}

vf::VfRecord make_record(const vf::VfOfPf& target, const kernel::Link& link, const vf::Settings& settings) {
  vf::VfRecord record;
  record.device = target.vf.pci.address;
  record.pf = target.pf.pci.address;
  record.pf_name = target.pf.link ? target.pf.link->name : record.pf;
  record.id = target.vf.id;
  record.driver = target.vf.pci.driver;
  record.settings = settings;
  record.pod_index = link.index;
  record.netdev = netdev_state(link, settings, record.pf_name, record.id);
  if (target.vf.info) record.admin = without(settings, *target.vf.info);
  return record;
}

}  // namespace

bool detach_unrecorded(vf::Host& host, const cni::Request& request, Node& node) {
  const auto link = find_in_pod(host, request);
  if (!link) return false;
  const auto device = kernel::normalise_pci_address(link->parent_device);
  // A VF that somebody's record claims is theirs, wherever its netdev is.
  if (!device || host.store.holder(*device)) return false;
  const auto target = vf::find_vf(host.sysfs, host.socket, *device);
  if (!target) return false;
  log_warning("attachment {}/{} has no record; bringing VF {} home without the settings its configuration asks for",
              request.container_id, request.ifname, *device);
  const vf::VfRecord record = make_record(*target, *link, settings_of(request, *device));
  vf::restore_vf(host, record, {request.netns, std::nullopt}, request.ifname, hw::find_habits(node, host, record.pf));
  return true;
}

}  // namespace barewire::sriov
