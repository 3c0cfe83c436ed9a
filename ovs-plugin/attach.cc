// SPDX-License-Identifier: Apache-2.0
// ADD of the plugins ovs and userspace, step by step.
// The order is: look, write down what will be made, make it. What the switch refuses is found out before a veth is
// there, and a call that is killed later left a record that DEL works from.
#include "ovs-plugin/attach.h"

#include <sys/random.h>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/life.h"
#include "core/cni/zero_values.h"
#include "core/kernel/ethtool.h"
#include "core/kernel/veth.h"
#include "core/rollback.h"
#include "ovs-plugin/fake_bridge.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/work.h"

namespace barewire::ovs {

using kernel::Link;

Work::Work(const cni::Request& from, Node& on, std::string_view plugin)
    : request(from),
      node(on),
      config(OvsConfig::parse(from, plugin)),
      store(on.run_dir),
      attachment(state::make_attachment(from, plugin)),
      pod(from.pod_netns().again()),
      inside(kernel::NlSocket::in(pod)) {}

void Work::save(const cni::Result* result) {
  attachment.data = to_json(record);
  if (result != nullptr) attachment.data["result"] = result->to_json(cni::kLatestVersion);
  store.save(attachment);
}

std::string random_name(std::string_view prefix) {
  std::uint32_t number = 0;
  // Random and not derived from the pod: a name that is used again would meet the port of the pod that had it last.
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number))
    throw sys_error("asking the kernel for a random name");
  return fmt::format("{}{:08x}", prefix, number);
}

namespace {

void require_free_name(Work& work) {
  if (kernel::find_link(work.inside, work.request.ifname))
    throw Error(Error::Code::held,
                fmt::format("interface {} exists already in {}", work.request.ifname, work.request.netns),
                "every network of a pod needs an interface name of its own");
}

/// Touches nothing; refuses a socket that is another's.
void plan_record(Work& work, const Bridge& bridge) {
  work.record = {work.config.endpoint, bridge.name, random_name(work.config.vhost ? "vhu" : "veth"), false, {}, {}};
  if (!work.config.vhost) return;
  // Read once and used for both the plan and the making: what others have on record decides which file may be replaced.
  work.others = vhost_others(work.store, work.attachment.id);
  work.record.vhost = plan(*work.config.vhost, work.record.host_interface, work.others);
}

/// The userspace datapath reads packets as the pod's kernel sent them, and hands them on without the checksum that a
/// device would have put in: TCP and UDP between two pods would be dropped.
void make_checksums(const Work& work, const Bridge& bridge) {
  if (bridge.datapath_type == "netdev") work.pod.run([&] { kernel::set_tx_checksum(work.request.ifname, false); });
}

Link connect(Work& work, const Bridge& bridge) {
  const kernel::VethPair pair{.host = {work.record.host_interface, std::nullopt},
                              .pod = {work.request.ifname, work.config.mac},
                              .mtu = work.config.mtu};
  const Link host_end = kernel::create_veth(work.host, work.pod, pair);
  make_checksums(work, bridge);
  const Link pod_end = kernel::get_link(work.inside, work.request.ifname);
  // The userspace datapath reads a veth's packets before the kernel would police them, so what the pod may send is
  // limited at its own end.
  if (const auto rate = work.config.pod_rate(bridge.datapath_type))
    kernel::set_token_bucket(work.inside, pod_end.index, *rate);
  kernel::set_up(work.inside, pod_end);
  return host_end;
}

void require_ofport(const Work& work, std::int64_t ofport) {
  if (!work.config.ofport_request || *work.config.ofport_request == ofport) return;
  throw Error(
      Error::Code::held,
      fmt::format("giving port {} the OpenFlow port number {} on bridge {} failed: another port has it",
                  work.record.host_interface, *work.config.ofport_request, work.record.bridge),
      fmt::format("`ovs-vsctl --columns=name find Interface ofport={}` lists who", *work.config.ofport_request));
}

}  // namespace

AddedPort plug(Work& work, Connection& connection, const Bridge& bridge) {
  PortRequest wanted;
  wanted.bridge = bridge;
  wanted.name = work.record.host_interface;
  wanted.port = work.config.port_columns();
  ovsdb::StringMap ids = work.config.external_ids;
  ids.merge(external_ids_of(work.attachment));
  ids.merge(references_to(work.config.tunnels, bridge.name));
  wanted.port.set("external_ids", ovsdb::Value(ids));
  wanted.interface = work.config.interface_columns(wanted.name);
  wanted.replaces = work.replaces;
  wanted.qos = work.config.qos.shaping;
  const AddedPort port = add_port(connection, wanted, soon());
  // A port that has no number yet is in the database alone: no packet passes before ovs-vswitchd has taken it.
  require_ofport(work, wait_for_port(connection, port, soon()));
  // After the port, whose external_ids refer to them: a DEL of another pod in between finds the reference and leaves
  // them.
  ensure_tunnels(connection, bridge, work.config.tunnels);
  return port;
}

namespace {

/// An address that comes back with the IPv4 address keeps the caches of neighbours right. Source: ovs-cni, and OVN
/// before it, put 0a:58 before the address.
std::optional<MacAddress> mac_for(const cni::Result& result) {
  for (const cni::IpConfig& ip : result.ips) {
    if (!ip.address.address.is_v4()) continue;
    const std::uint8_t* bytes = ip.address.address.data();
    return MacAddress({0x0a, 0x58, bytes[0], bytes[1], bytes[2], bytes[3]});
  }
  return std::nullopt;
}

}  // namespace

cni::Result ask_ipam(Work& work) {
  if (work.request.conf.ipam_type.empty()) return {};
  // On record before IPAM is asked: a call that is killed while it waits for the answer may have got an address.
  work.record.addressed = true;
  work.save();
  return cni::ipam_add(work.request, work.node);
}

cni::Interface interface_of(const Link& link, const std::string& sandbox) {
  cni::Interface interface;
  interface.name = link.name;
  interface.mac = link.hardware_address;
  interface.mtu = link.mtu;
  interface.sandbox = sandbox;
  return interface;
}

void describe(Work& work, cni::Result& result, const cni::Interface& node_end, const cni::Interface& pod_end) {
  result.interfaces = {node_end, pod_end};
  if (cni::overrides_dns(work.request)) result.dns = work.request.conf.dns;
  cni::assign_addresses_to(result, kPodPosition);
}

namespace {

/// The neighbours learn only what the switch lets through, so its port must be up first.
void announce(Work& work, Connection& connection, const AddedPort& port, const cni::Result& result) {
  if (!wait_for_link(connection, port, ovsdb::Clock::now() + work.config.link_patience))
    throw Error(Error::Code::try_again,
                fmt::format("waiting for port {} to come up failed: ovs-vswitchd does not see its link up in {} ms",
                            port.name, work.config.link_patience.count()),
                "link_state_check_retries and link_state_check_interval give it more time");
  const Link link = kernel::get_link(work.inside, work.request.ifname);
  cni::announce_addresses(work.pod, work.inside, link, result, kPodPosition);
}

}  // namespace

void configure_and_announce(Work& work, Connection& connection, const AddedPort& port, const cni::Result& result) {
  if (result.ips.empty()) return;
  const Link link = kernel::get_link(work.inside, work.request.ifname);
  cni::configure_interface(work.pod, work.inside, link, result, kPodPosition);
  announce(work, connection, port, result);
}

namespace {

/// The addresses are for the program behind the socket: no interface of the kernel has them.
cni::Result describe_vhost(Work& work) {
  cni::Result result = ask_ipam(work);
  cni::Interface port, pod;
  port.name = work.record.host_interface;
  pod.name = work.request.ifname;
  pod.sandbox = work.request.netns;
  pod.socket_path = work.record.vhost->socket;
  if (work.config.mac) pod.mac = work.config.mac->text();
  port.mtu = pod.mtu = work.config.mtu.value_or(0);
  describe(work, result, port, pod);
  return result;
}

cni::Result build_vhost(Work& work, Connection& connection, const Bridge& bridge) {
  prepare(*work.config.vhost, *work.record.vhost, work.others);
  with_switch([&] { return plug(work, connection, bridge); });
  publish(*work.config.vhost, *work.record.vhost, work.record.host_interface);
  return describe_vhost(work);
}

cni::Result build(Work& work, Connection& connection, const Bridge& bridge) {
  if (work.config.vhost) return build_vhost(work, connection, bridge);
  connect(work, bridge);
  const AddedPort port = with_switch([&] { return plug(work, connection, bridge); });
  cni::Result result = ask_ipam(work);
  const Link link = kernel::get_link(work.inside, work.request.ifname);
  // Before the result is made up and before anything is announced: both tell the address that the pod keeps.
  if (const auto mac = mac_for(result); mac && !work.config.mac) kernel::set_mac(work.inside, link, *mac);
  // Read again, since the switch may have changed the node's end.
  describe(work, result, interface_of(kernel::get_link(work.host, work.record.host_interface), ""),
           interface_of(kernel::get_link(work.inside, work.request.ifname), work.request.netns));
  configure_and_announce(work, connection, port, result);
  return result;
}

/// What the switch must have for the port, before anything is made.
void require_datapath(Work& work, Connection& connection, const Bridge& bridge) {
  if (const auto ports = work.config.dpdk_ports(); !ports.empty()) require_dpdk(connection, bridge, ports);
  if (work.config.interface_type != kAfXdp) return;
  require_userspace(bridge, "afxdp ports");
  require_interface_type(connection, kAfXdp);
}

/// `other_config:vhost-sock-dir`, where the switch makes its sockets below its own directory. A path that leads out of
/// that the switch passes over. Source: Open vSwitch, lib/dpdk.c.
void use_socket_directory(Work& work, Connection& connection) {
  if (!work.config.vhost || work.config.vhost->pod_listens) return;
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("Open_vSwitch", {}, {"other_config"});
  const auto outcome = transact(connection, transaction, soon(), "asking where the switch makes its sockets");
  if (outcome.rows(selected).empty()) return;
  const auto options = outcome.rows(selected).front().string_map("other_config");
  const auto found = options.find("vhost-sock-dir");
  if (found == options.end() || found->second.empty() || found->second.find("..") != std::string::npos) return;
  std::string& directory = work.config.vhost->switch_directory;
  // "ovs_run_dir" may name the very directory.
  while (directory.ends_with('/')) directory.pop_back();
  if (!directory.ends_with("/" + found->second)) directory += "/" + found->second;
}

cni::Result attach_without_device(Work& work) {
  Connection connection = with_switch([&] { return Connection::open(work.config.endpoint, soon()); });
  const Bridge bridge = with_switch([&] { return bridge_for(connection, work.config); });
  use_socket_directory(work, connection);
  require_datapath(work, connection, bridge);
  // The database outlives a reboot, and with it the ports of pods that are gone; here somebody has it open anyway.
  sweep_dead_ports(connection, soon());
  plan_record(work, bridge);
  Rollback rollback;
  rollback.add("attachment",
               [&work] { detach(work.store, work.attachment, work.request.environment.path, work.node); });
  work.save();  // from here on a killed ADD can be DELeted
  const cni::Result result = build(work, connection, bridge);
  work.save(&result);
  rollback.keep();
  return result;
}

}  // namespace

cni::Result attach_port(const cni::Request& request, Node& node, std::string_view plugin) {
  Work work(request, node, plugin);
  cni::require_ipam(request, node);
  const state::FileLock lock = work.store.lock_attachment(work.attachment.id);
  clear_leftover(work.store, work.attachment.id, [&](const state::Attachment& earlier) {
    detach(work.store, earlier, work.request.environment.path, work.node);
  });
  require_free_name(work);
  return work.config.device ? attach_vf(work) : attach_without_device(work);
}

}  // namespace barewire::ovs
