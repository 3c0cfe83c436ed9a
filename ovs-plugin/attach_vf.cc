// SPDX-License-Identifier: Apache-2.0
// ADD of a port that hardware switches: the VF for the pod, its representor for the bridge.
#include "core/cni/device_info.h"
#include "core/cni/life.h"
#include "core/rollback.h"
#include "core/vf/apply.h"
#include "core/vf/device_info.h"
#include "ovs-plugin/fake_bridge.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/work.h"

namespace barewire::ovs {

namespace {

using kernel::Link;

/// What was found before anything is touched.
struct Plan {
  Offload offload;
  vf::Habits habits;
  Bridge bridge;
};

void clear_dead_holder(Work& work, const vf::Host& host) {
  const auto holder = host.store.holder(*work.config.device);
  if (!holder || *holder == work.attachment.id) return;
  undo_if_dead(*holder, work.store, kPlugin, [&](const state::Attachment& dead) {
    detach(work.store, dead, work.request.environment.path, work.node);
  });
}

vf::Settings settings_of(const Work& work, bool has_netdev) {
  vf::Settings settings;
  settings.mac = work.config.mac;
  // Without a netdev, as on vfio-pci, there is no MTU that the kernel could set.
  if (has_netdev) settings.mtu = work.config.mtu;
  return settings;
}

/// A pod that drives the VF itself gets its address through the PF alone.
void require_mac(const Work& work, const vf::VfOfPf& target, const std::optional<Vdpa>& vdpa) {
  if (!work.config.mac) return;
  if (vdpa)
    throw Error(Error::Code::config,
                fmt::format("a MAC address is given, but vDPA device {} of VF {} has its own", vdpa->name,
                            target.vf.pci.address),
                fmt::format("`vdpa dev add name {} mgmtdev pci/{} mac {}` gives it", vdpa->name, target.vf.pci.address,
                            work.config.mac->text()));
  // Through the PF, or through the netdev in the pod: one of them is enough.
  if (target.vf.info || target.vf.link) return;
  throw cni::LackError(cni::Lack::unsupported,
                       Error(Error::Code::unsupported_by_nic,
                             fmt::format("setting the MAC of VF {} is not supported: PF {} tells nothing of its VFs",
                                         target.vf.pci.address, target.pf.pci.address),
                             "leave the address to the program that drives the VF"));
}

/// Multus copies what the device plugin wrote into the file before it calls us.
bool wants_vdpa(const std::optional<std::string>& device_info, const std::string& path) {
  const auto info = cni::parse_device_info(path, device_info);
  const auto* type = info.if_contains("type");
  return type != nullptr && type->is_string() && type->get_string() == "vdpa";
}

/// The VF is claimed by none, so a port of ours on its representor is a leftover; one of the peer is when its pod is
/// dead. Throws Error{held} for anybody else's.
std::optional<Port> find_stale_port(Connection& connection, const std::string& name) {
  const auto port = find_port(connection, name, soon());
  if (!port) return std::nullopt;
  // Replaced in the transaction that adds ours, so that the representor is never without a port in between.
  if (is_of_us(port->external_ids) || is_of_dead_peer(port->external_ids)) return port;
  throw Error(Error::Code::held, fmt::format("representor {} is a port of a bridge already, and not ours", name),
              fmt::format("`ovs-vsctl list Port {}` shows whose it is", name));
}

void choose_driver(Work& work, Connection& connection, vf::Host& host, const Plan& plan, const vf::VfOfPf& target) {
  if (!is_by_dpdk(work.config, plan.bridge)) return;
  require_drivable(work.node, target.pf.pci.address);
  work.config.use_dpdk(work.request,
                       representor_devargs(host.sysfs, plan.offload, target.pf.pci.address, target.vf.id));
  require_dpdk(connection, plan.bridge, work.config.dpdk_ports());
}

OffloadRecord make_record(const Work& work, vf::Host& host, const Plan& plan, const vf::VfOfPf& target) {
  OffloadRecord record;
  record.device_info = work.config.device_info_file;
  if (!record.device_info.empty()) record.device_info_before = cni::read_device_info(record.device_info);
  if (wants_vdpa(record.device_info_before, record.device_info))
    record.vdpa = require_vdpa(host.sysfs, target.vf.pci.address);
  require_mac(work, target, record.vdpa);
  record.vf = vf::capture(host, target, settings_of(work, target.vf.link.has_value()));
  if (record.vdpa) record.vf.netdev.reset();  // the pod gets the vDPA device; the VF's netdev stays where it is
  const Link representor = kernel::get_link(host.socket, plan.offload.representor);
  record.representor = representor.name;
  record.mtu = representor.mtu;
  // What the representor was like, for DEL: it outlives the pod, unlike a veth.
  record.up = representor.is_up();
  record.devargs = work.config.devargs;
  return record;
}

Plan make_plan(Work& work, Connection& connection, vf::Host& host, const vf::VfOfPf& target) {
  vf::require_available(target);
  Plan plan{find_offload(host, target), hw::find_nic(work.node, target.pf).habits, {}};
  plan.bridge = with_switch(
      [&] { return find_target_bridge(connection, work.config, host.sysfs, plan.offload, target.pf.pci.address); });
  // The bridge named is a VLAN of another one ("fake bridge"): bridge_for turns the configuration into that VLAN.
  if (!work.config.bridge.empty() && work.config.bridge != plan.bridge.name)
    with_switch([&] { return bridge_for(connection, work.config); });
  choose_driver(work, connection, host, plan, target);
  work.record = {work.config.endpoint, plan.bridge.name, plan.offload.representor, false, {}, {}};
  if (work.config.devargs.empty())
    work.replaces = find_stale_port(connection, plan.offload.representor);
  else
    work.record.host_interface = random_name("rep");  // the netdev keeps its name beside DPDK's port
  work.record.offload = make_record(work, host, plan, target);
  return plan;
}

/// The kernel's netdev carries the first packets of each flow, until hardware has learnt it.
void prepare_representor(Work& work) {
  if (!work.config.devargs.empty()) return;
  const Link link = kernel::get_link(work.host, work.record.offload->representor);
  if (work.config.mtu && *work.config.mtu != link.mtu) kernel::set_mtu(work.host, link, *work.config.mtu);
  // Before the port is added: ovs-vswitchd tells the link's state as it finds it.
  if (!link.is_up()) kernel::set_up(work.host, link);
}

cni::Interface describe_pod(const Work& work, const std::optional<Link>& link) {
  const vf::VfRecord& vf = work.record.offload->vf;
  cni::Interface pod;
  if (link) pod = interface_of(*link, work.request.netns);
  pod.name = work.request.ifname;
  pod.sandbox = work.request.netns;
  pod.pci_id = vf.device;
  if (link) return pod;
  pod.mtu = work.config.mtu.value_or(work.record.offload->mtu);
  const auto mac = vf.settings.mac ? vf.settings.mac : vf.admin ? vf.admin->mac : std::nullopt;
  if (mac && !mac->is_zero()) pod.mac = mac->text();
  return pod;
}

cni::Interface describe_representor(Work& work) {
  const auto link = kernel::find_link(work.host, work.record.offload->representor);
  cni::Interface node_end;
  if (link) node_end = interface_of(*link, "");
  node_end.name = work.record.host_interface;
  return node_end;
}

void tell_vdpa(const OffloadRecord& record) {
  boost::json::object info = cni::parse_device_info(record.device_info, record.device_info_before);
  info["version"] = "1.1.0";
  boost::json::value& vdpa = info["vdpa"];
  if (!vdpa.is_object()) vdpa = boost::json::object();
  boost::json::object& device = vdpa.get_object();
  if (!device.contains("parent-device")) device["parent-device"] = record.vdpa->name;
  device["driver"] = "vhost";
  device["path"] = record.vdpa->path;
  device["pci-address"] = record.vf.device;
  device["pf-pci-address"] = record.vf.pf;
  device["representor-device"] = record.representor;
  cni::write_device_info(record.device_info, info);
}

void tell_device(const vf::Host& host, const OffloadRecord& record) {
  if (record.device_info.empty()) return;
  if (record.vdpa) return tell_vdpa(record);
  vf::write_device_info(host.sysfs, record.device_info, record.device_info_before, record.vf, record.representor);
}

cni::Result build(Work& work, Connection& connection, vf::Host& host, const Plan& plan) {
  prepare_representor(work);
  const AddedPort port = with_switch([&] { return plug(work, connection, plan.bridge); });
  OffloadRecord& record = *work.record.offload;
  // The port first: as soon as the VF is up in the pod, its first packet meets a switch that knows it.
  const auto link = vf::enter_pod(host, record.vf, work.pod, work.request.ifname, plan.habits);
  work.save();
  cni::Result result = ask_ipam(work);
  describe(work, result, describe_representor(work), describe_pod(work, link));
  if (link) configure_and_announce(work, connection, port, result);
  tell_device(host, record);
  return result;
}

}  // namespace

cni::Result attach_vf(Work& work) {
  vf::Host host(work.node);
  clear_dead_holder(work, host);
  Connection connection = with_switch([&] { return Connection::open(work.config.endpoint, soon()); });
  sweep_dead_ports(connection, soon());
  Rollback rollback;
  Plan plan;
  {
    const vf::Reservation reservation = vf::reserve_device(host, *work.config.device);
    plan = make_plan(work, connection, host, reservation.target);
    rollback.add("attachment",
                 [&work] { detach(work.store, work.attachment, work.request.environment.path, work.node); });
    work.save();
    // The lock of the PF ends with this block: the switch may take its time, and the PF's other VFs must not wait for
    // it.
    vf::claim(host, work.attachment, *work.config.device);
    vf::configure_vf(host, work.record.offload->vf, plan.habits);
  }
  const cni::Result result = build(work, connection, host, plan);
  work.save(&result);
  rollback.keep();
  return result;
}

}  // namespace barewire::ovs
