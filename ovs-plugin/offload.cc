// SPDX-License-Identifier: Apache-2.0
// From the VF to its representor to the bridge that holds the uplink; each step has drivers that answer differently.
#include "ovs-plugin/offload.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/rollback.h"
#include "core/vf/dpdk_report.h"
#include "core/vf/representor.h"
#include "core/vf/restore.h"
#include "ovs-plugin/fake_bridge.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

using kernel::Sysfs;
using ovsdb::Transaction;
using ovsdb::Where;

[[noreturn]] void lack(cni::Lack what, const std::string& text, const std::string& hint) {
  throw cni::LackError(what, Error(Error::Code::device, text, hint));
}

/// Old drivers have a switch and no devlink: then the uplink's own word counts, which has a switch in that mode alone.
bool is_in_switchdev(const Sysfs& sysfs, const std::string& pf, const std::string& uplink) {
  if (const auto mode = kernel::find_eswitch_mode({"pci", pf})) return *mode == kernel::EswitchMode::switchdev;
  const auto id = sysfs.read(fmt::format("class/net/{}/phys_switch_id", uplink));
  return id && !id->empty();
}

/// The function of "0000:01:00.1": the PF's number on its switch.
std::uint16_t function_of(const std::string& pf) {
  // One digit: a PCI device has eight functions.
  return static_cast<std::uint16_t>(pf.back() - '0');
}

std::string require_representor(const Sysfs& sysfs, const vf::VfOfPf& target, const std::string& uplink) {
  const std::string& pf = target.pf.pci.address;
  const auto found = vf::find_representor(sysfs, {"pci", pf}, uplink, function_of(pf), target.vf.id);
  if (found) return found->netdev;
  lack(cni::Lack::unsupported,
       fmt::format("VF {} (vf {} of {}) has no representor that can be told from others", target.vf.pci.address,
                   target.vf.id, uplink),
       "`devlink port show` and /sys/class/net/*/phys_port_name tell what the driver says; `barewire doctor` examines "
       "the chain");
}

/// Of a switch's own, "ovs-system", a netdev may be a part: its database tells whose.
void require_no_master(vf::Host& host, const std::string& representor) {
  const auto link = kernel::find_link(host.socket, representor);
  if (!link) lack(cni::Lack::unsupported, fmt::format("representor {} is not in the host's netns", representor), {});
  const auto master = link->master != 0 ? kernel::find_link(host.socket, link->master) : std::nullopt;
  if (!master || master->kind == "openvswitch") return;
  throw Error(Error::Code::held, fmt::format("representor {} is part of {}", representor, master->name),
              fmt::format("`ip link set {} nomaster` takes it out", representor));
}

std::optional<Bridge> find_bridge_of_interface(Connection& connection, const Where& where) {
  Transaction transaction;
  const auto selected = transaction.select("Interface", where, {"_uuid"});
  const auto outcome = transact(connection, transaction, soon(), "looking for the uplink's interface");
  if (outcome.rows(selected).empty()) return std::nullopt;
  const Uuid interface = outcome.rows(selected).front().get<Uuid>("_uuid");
  Transaction ports;
  const auto holders = ports.select("Port", {{"interfaces", "includes", interface}}, {"name"});
  const auto found = transact(connection, ports, soon(), "looking for the uplink's port");
  if (found.rows(holders).empty()) return std::nullopt;
  return find_bridge_of_port(connection, found.rows(holders).front().get<std::string>("name"), soon());
}

std::string address_of(const Sysfs& sysfs, const std::string& netdev) {
  return sysfs.link_name(fmt::format("class/net/{}/device", netdev)).value_or("");
}

void restore_representor(vf::Host& host, const OffloadRecord& record) {
  const auto link = kernel::find_link(host.socket, record.representor);
  if (!link) return;  // it went with its VF, or with the PF's mode
  if (link->mtu != record.mtu && record.mtu != 0) kernel::set_mtu(host.socket, *link, record.mtu);
  if (link->is_up() && !record.up) kernel::set_down(host.socket, *link);
}

}  // namespace

Vdpa require_vdpa(const Sysfs& sysfs, const std::string& vf) {
  std::vector<Vdpa> found;
  for (const std::string& name : sysfs.list("bus/vdpa/devices")) {
    // A vDPA device is a child of its VF; the bus lists those of all VFs.
    if (!sysfs.exists(fmt::format("bus/pci/devices/{}/{}", vf, name))) continue;
    for (const std::string& child : sysfs.list("bus/vdpa/devices/" + name))
      if (child.starts_with("vhost-vdpa-")) found.push_back({name, "/dev/" + child});
  }
  // With two, which of them the pod was meant to have cannot be told.
  if (found.size() == 1) return found.front();
  throw Error(Error::Code::device,
              fmt::format("VF {} has {} vDPA devices on driver vhost_vdpa; expected one", vf, found.size()),
              fmt::format("`vdpa dev show` lists them; `vdpa dev add name vdpa:{0} mgmtdev pci/{0}` makes one", vf));
}

Offload find_offload(vf::Host& host, const vf::VfOfPf& target) {
  const std::string& pf = target.pf.pci.address;
  if (!target.pf.link)
    lack(cni::Lack::unsupported, fmt::format("PF {} has no netdev on the host", pf), "bind the PF's driver");
  const std::string& uplink = target.pf.link->name;
  if (!is_in_switchdev(host.sysfs, pf, uplink))
    lack(
        cni::Lack::unsupported,
        fmt::format("PF {} ({}) is not in switchdev mode: VF {} has no representor", uplink, pf, target.vf.pci.address),
        fmt::format("`devlink dev eswitch set pci/{} mode switchdev`, while no pod has one of its VFs", pf));
  Offload offload{uplink, require_representor(host.sysfs, target, uplink)};
  require_no_master(host, offload.representor);
  return offload;
}

std::vector<std::string> list_uplinks(const Sysfs& sysfs, const std::string& uplink) {
  std::vector<std::string> uplinks{uplink};
  // Two PFs of one card in a bond share one switch, and then the bond is the bridge's port instead of the uplink.
  const auto master = sysfs.link_name(fmt::format("class/net/{}/master", uplink));
  const auto members = master ? sysfs.read(fmt::format("class/net/{}/bonding/slaves", *master)) : std::nullopt;
  if (!members) return uplinks;
  uplinks.push_back(*master);
  std::istringstream words(*members);
  for (std::string member; words >> member;)
    if (member != uplink) uplinks.push_back(member);
  return uplinks;
}

Bridge choose_bridge(Connection& connection, const std::vector<std::string>& uplinks, const std::string& pf) {
  for (const std::string& uplink : uplinks)
    if (auto bridge = find_bridge_of_interface(connection, {{"name", "==", uplink}})) return *std::move(bridge);
  // DPDK drives the PF itself there: its port has any name, and the PCI address among its options.
  const ovsdb::StringMap by_dpdk{{"dpdk-devargs", pf}};
  if (auto bridge = find_bridge_of_interface(connection, {{"options", "includes", ovsdb::Value(by_dpdk)}}))
    return *std::move(bridge);
  lack(
      cni::Lack::bridge,
      fmt::format("no bridge in the database at {} holds {}", connection.endpoint().text(), fmt::join(uplinks, " or ")),
      fmt::format("`ovs-vsctl add-port BRIDGE {}`, or give the key \"bridge\"", uplinks.front()));
}

Bridge find_target_bridge(Connection& connection, const OvsConfig& config, const Sysfs& sysfs, const Offload& offload,
                          const std::string& pf) {
  return config.bridge.empty() ? choose_bridge(connection, list_uplinks(sysfs, offload.uplink), pf)
                               : require_bridge_or_parent(connection, config.bridge);
}

bool is_by_dpdk(const OvsConfig& config, const Bridge& bridge) {
  return config.interface_type == kDpdk || (config.interface_type.empty() && bridge.datapath_type == "netdev");
}

void require_drivable(const Node& node, const std::string& pf) {
  const auto report = vf::find_dpdk_report(node, pf);
  if (!report) return;
  const std::string hint = fmt::format("`barewire-dpdk-probe {}` asks anew", pf);
  if (!report->usable)
    lack(cni::Lack::unsupported, fmt::format("DPDK cannot drive PF {}: {}", pf, report->problem), hint);
  if (!report->switch_domain)
    lack(cni::Lack::unsupported, fmt::format("DPDK's {} makes no representors of PF {}", report->driver, pf), hint);
}

void require_offload(const OvsConfig& config, Node& node) {
  answering_status([&] {
    vf::Host host(node);
    const vf::VfOfPf target = vf::require_vf(host, *config.device);
    const Offload offload = find_offload(host, target);
    Connection connection = Connection::open(config.endpoint, soon());
    const Bridge bridge = find_target_bridge(connection, config, host.sysfs, offload, target.pf.pci.address);
    if (!is_by_dpdk(config, bridge)) return;
    require_drivable(node, target.pf.pci.address);
    require_dpdk(connection, bridge, kPortsOfDpdk);
  });
}

std::string representor_devargs(const Sysfs& sysfs, const Offload& offload, const std::string& pf, std::uint32_t vf) {
  std::vector<std::string> addresses;
  for (const std::string& uplink : list_uplinks(sysfs, offload.uplink))
    if (std::string address = address_of(sysfs, uplink); !address.empty()) addresses.push_back(std::move(address));
  // A bond is one device to DPDK, that of its first PF, so the VF's own PF is named in addition. Source: DPDK's
  // programmer's guide, device argument "representor".
  if (addresses.size() < 2) return fmt::format("{},representor=vf{}", pf, vf);
  return fmt::format("{},representor=pf{}vf{}", *std::min_element(addresses.begin(), addresses.end()), function_of(pf),
                     vf);
}

boost::json::object to_json(const OffloadRecord& record) {
  boost::json::object json{
      {"vf", vf::to_json(record.vf)}, {"representor", record.representor}, {"mtu", record.mtu}, {"up", record.up},
      {"devargs", record.devargs},    {"deviceInfo", record.device_info}};
  if (record.vdpa) json["vdpa"] = boost::json::object{{"name", record.vdpa->name}, {"path", record.vdpa->path}};
  if (record.device_info_before) json["deviceInfoBefore"] = *record.device_info_before;
  return json;
}

OffloadRecord parse_offload_record(const JsonView& record, const std::string& subject) {
  constexpr std::int64_t kLargestMtu = 0xffffffff;
  OffloadRecord parsed;
  const JsonView vf = record.at("vf");
  if (!vf.is_object()) vf.reject("an object");
  parsed.vf = vf::parse_vf_record(vf.value().get_object(), subject);
  parsed.representor = record.at("representor").string();
  parsed.mtu = static_cast<std::uint32_t>(record.integer_or("mtu", 0, kLargestMtu, "an MTU", 0));
  parsed.up = record.boolean_or("up", false);
  parsed.devargs = record.string_or("devargs", "");
  if (const auto vdpa = record.find("vdpa")) parsed.vdpa = Vdpa{vdpa->at("name").string(), vdpa->at("path").string()};
  parsed.device_info = record.string_or("deviceInfo", "");
  if (const auto before = record.find("deviceInfoBefore")) parsed.device_info_before = before->string();
  return parsed;
}

void give_back(const state::Attachment& attachment, const OffloadRecord& record, Node& node) {
  vf::Host host(node);
  const std::string& device = record.vf.device;
  // A late DEL must not take the VF from the pod that has it by now.
  if (host.store.holder(device) != attachment.id) return;
  if (is_of_this_boot(attachment)) {
    Collector undo;
    undo.run("restoring representor " + record.representor, [&] { restore_representor(host, record); });
    undo.run("restoring VF " + device, [&] {
      vf::restore_vf(host, record.vf, {attachment.netns, attachment.netns_id}, attachment.id.ifname,
                     hw::find_habits(node, host, record.vf.pf));
    });
    undo.finish();
  }
  // Last, and not where a step failed: a VF that is not as it was must not be given to the next pod.
  host.store.release(device, attachment.id);
}

}  // namespace barewire::ovs
