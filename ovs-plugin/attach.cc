// SPDX-License-Identifier: Apache-2.0
// ADD of the plugins ovs and userspace, step by step.
#include "ovs-plugin/attach.h"

#include <sys/random.h>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/kernel/announce.h"
#include "core/kernel/ethtool.h"
#include "core/kernel/veth.h"
#include "core/log.h"
#include "core/rollback.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/port.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

using kernel::Link;
using kernel::NlSocket;

constexpr int kPodPosition = 1;  ///< in the result: the node's end, then the pod's

std::string random_name(std::string_view prefix) {
  std::uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number))
    throw sys_error("asking the kernel for a random name");
  return fmt::format("{}{:08x}", prefix, number);
}

/// One ADD at work.
struct Work {
  Work(const cni::Request& from, Node& on, std::string_view plugin)
      : request(from),
        node(on),
        config(OvsConfig::parse(from, plugin)),
        store(on.run_dir),
        attachment(state::make_attachment(from, plugin)),
        pod(kernel::NetNs::open(from.netns)),
        inside(NlSocket::in(pod)) {}

  const cni::Request& request;
  Node& node;
  const OvsConfig config;
  state::Store store;
  state::Attachment attachment;
  kernel::NetNs pod;
  NlSocket inside;
  NlSocket host;
  OvsRecord record;

  void save(const cni::Result* result = nullptr) {
    attachment.data = to_json(record);
    if (result != nullptr) attachment.data["result"] = result->to_json(cni::kLatestVersion);
    store.save(attachment);
  }
};

void require_free_name(Work& work) {
  if (kernel::find_link(work.inside, work.request.ifname))
    throw Error(Error::Code::held,
                fmt::format("interface {} exists already in {}", work.request.ifname, work.request.netns),
                "every network of a pod needs an interface name of its own");
}

/// From here on a killed ADD can be DELeted.
void claim(Work& work, const Bridge& bridge) {
  work.record = {work.config.endpoint, bridge.name, random_name(work.config.vhost ? "vhu" : "veth"), false, {}};
  if (work.config.vhost) work.record.vhost = plan(*work.config.vhost, work.record.host_interface);
  work.save();
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
  kernel::set_up(work.inside, kernel::get_link(work.inside, work.request.ifname));
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

AddedPort plug(Work& work, Connection& connection, const Bridge& bridge) {
  PortRequest wanted;
  wanted.bridge = bridge;
  wanted.name = work.record.host_interface;
  wanted.port = work.config.port_columns();
  ovsdb::StringMap ids = work.config.external_ids;
  ids.merge(external_ids_of(work.attachment));
  ids.merge(references_to(work.config.tunnels, bridge.name));
  wanted.port.set("external_ids", ovsdb::Value(ids));
  wanted.interface = work.config.interface_columns();
  wanted.qos = work.config.qos.shaping;
  const AddedPort port = add_port(connection, wanted, soon());
  require_ofport(work, wait_for_port(connection, port, soon()));
  ensure_tunnels(connection, bridge, work.config.tunnels);
  return port;
}

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

cni::Result ask_ipam(Work& work) {
  if (work.request.conf.ipam_type.empty()) return {};
  work.record.addressed = true;
  work.save();
  return cni::ipam_add(work.request, work.node);
}

cni::Result address(Work& work) {
  cni::Result result = ask_ipam(work);
  const Link link = kernel::get_link(work.inside, work.request.ifname);
  if (const auto mac = mac_for(result); mac && !work.config.mac) kernel::set_mac(work.inside, link, *mac);
  return result;
}

cni::Interface interface_of(const Link& link, const std::string& sandbox) {
  cni::Interface interface;
  interface.name = link.name;
  interface.mac = link.hardware_address;
  interface.mtu = link.mtu;
  interface.sandbox = sandbox;
  return interface;
}

/// Read again, since the switch may have changed the node's end.
void describe(Work& work, cni::Result& result) {
  const Link host_end = kernel::get_link(work.host, work.record.host_interface);
  const Link pod_end = kernel::get_link(work.inside, work.request.ifname);
  result.interfaces = {interface_of(host_end, ""), interface_of(pod_end, work.request.netns)};
  if (!work.request.conf.dns.empty()) result.dns = work.request.conf.dns;
  cni::assign_addresses_to(result, kPodPosition);
}

/// The neighbours learn only what the switch lets through, so its port must be up first.
void announce(Work& work, Connection& connection, const AddedPort& port, const cni::Result& result) {
  if (!wait_for_link(connection, port, ovsdb::Clock::now() + work.config.link_patience))
    throw Error(Error::Code::try_again,
                fmt::format("waiting for port {} to come up failed: ovs-vswitchd does not see its link up in {} ms",
                            port.name, work.config.link_patience.count()),
                "link_state_check_retries and link_state_check_interval give it more time");
  const Link link = kernel::get_link(work.inside, work.request.ifname);
  std::vector<IpAddress> addresses;
  for (const cni::IpConfig& ip : result.ips) addresses.push_back(ip.address.address);
  if (link.mac) kernel::announce(work.pod, link.index, *link.mac, addresses);
}

/// What is down is code 11 with every request of the database.
template <typename Step>
auto with_switch(const Step& step) -> decltype(step()) {
  return cni::lacking(cni::Lack::vswitch, Error::Code::try_again, step);
}

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
  result.interfaces = {port, pod};
  if (!work.request.conf.dns.empty()) result.dns = work.request.conf.dns;
  cni::assign_addresses_to(result, kPodPosition);
  return result;
}

cni::Result build_vhost(Work& work, Connection& connection, const Bridge& bridge) {
  prepare(*work.config.vhost, *work.record.vhost);
  with_switch([&] { return plug(work, connection, bridge); });
  publish(*work.config.vhost, *work.record.vhost, work.record.host_interface);
  return describe_vhost(work);
}

cni::Result build(Work& work, Connection& connection, const Bridge& bridge) {
  if (work.config.vhost) return build_vhost(work, connection, bridge);
  connect(work, bridge);
  const AddedPort port = with_switch([&] { return plug(work, connection, bridge); });
  cni::Result result = address(work);
  describe(work, result);
  if (!result.ips.empty()) {
    const Link link = kernel::get_link(work.inside, work.request.ifname);
    cni::configure_interface(work.pod, work.inside, link, result, kPodPosition);
    announce(work, connection, port, result);
  }
  return result;
}

}  // namespace

cni::Result attach_port(const cni::Request& request, Node& node, std::string_view plugin) {
  Work work(request, node, plugin);
  cni::require_ipam(request);
  const state::FileLock lock = work.store.lock_attachment(work.attachment.id);
  clear_leftover(work.store, work.attachment.id, [&](const state::Attachment& earlier) {
    detach(work.store, earlier, work.request.environment.path, work.node);
  });
  require_free_name(work);
  Connection connection = with_switch([&] { return Connection::open(work.config.endpoint, soon()); });
  const Bridge bridge = with_switch([&] { return require_bridge(connection, work.config.bridge); });
  if (work.config.vhost) require_dpdk(connection, bridge);
  sweep_earlier_boots(connection);
  Rollback rollback;
  rollback.add("attachment",
               [&work] { detach(work.store, work.attachment, work.request.environment.path, work.node); });
  claim(work, bridge);
  const cni::Result result = build(work, connection, bridge);
  work.save(&result);
  rollback.keep();
  return result;
}

}  // namespace barewire::ovs
