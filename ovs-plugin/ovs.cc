// SPDX-License-Identifier: Apache-2.0
// The ovs plugin: its five operations, each a short list of steps.
#include <sys/random.h>

#include <algorithm>
#include <array>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/kernel/announce.h"
#include "core/kernel/veth.h"
#include "core/log.h"
#include "core/rollback.h"
#include "ovs-plugin/check.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/plugins.h"
#include "ovs-plugin/port.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/undo.h"

namespace barewire {

namespace ovs {

namespace {

using kernel::Link;
using kernel::NlSocket;

constexpr int kPodPosition = 1;  ///< in the result: the node's end, then the pod's

std::string random_veth_name() {
  std::uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number))
    throw sys_error("asking the kernel for a random name");
  return fmt::format("veth{:08x}", number);
}

/// One ADD at work.
struct Work {
  Work(const cni::Request& from, Node& on)
      : request(from),
        node(on),
        config(OvsConfig::parse(from)),
        store(on.run_dir),
        attachment(state::make_attachment(from, kPlugin)),
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

void clear_leftover(Work& work) {
  const auto existing = work.store.find(work.attachment.id);
  if (!existing) return;
  if (!is_leftover(*existing))
    throw Error(Error::Code::held, fmt::format("attachment {} exists since {}", existing->id.text(), existing->since),
                "DEL it before it is ADDed again");
  log_warning("undoing what an earlier ADD of attachment {} has left", existing->id.text());
  detach(work.store, *existing, work.request.environment.path, work.node);
}

void require_free_name(Work& work) {
  if (kernel::find_link(work.inside, work.request.ifname))
    throw Error(Error::Code::held,
                fmt::format("interface {} exists already in {}", work.request.ifname, work.request.netns),
                "every network of a pod needs an interface name of its own");
}

/// From here on a killed ADD can be DELeted.
void claim(Work& work, const Bridge& bridge) {
  work.record = {work.config.endpoint, bridge.name, random_veth_name(), false};
  work.save();
}

Link connect(Work& work) {
  const kernel::VethPair pair{.host = {work.record.host_interface, std::nullopt},
                              .pod = {work.request.ifname, work.config.mac},
                              .mtu = work.config.mtu};
  const Link host_end = kernel::create_veth(work.host, work.pod, pair);
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
  wanted.port.set("external_ids", ovsdb::Value(ids));
  wanted.interface = work.config.interface_columns();
  const AddedPort port = add_port(connection, wanted, soon());
  require_ofport(work, wait_for_port(connection, port, soon()));
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

cni::Result address(Work& work) {
  if (work.request.conf.ipam_type.empty()) return {};
  work.record.addressed = true;
  work.save();
  cni::Result result = cni::ipam_add(work.request, work.node);
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

cni::Result build(Work& work, Connection& connection, const Bridge& bridge) {
  connect(work);
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

/// Attaches a port. Throws cni::LackError when the switch or its bridge is not there.
cni::Result attach_port(const cni::Request& request, Node& node) {
  Work work(request, node);
  cni::require_ipam(request);
  const state::FileLock lock = work.store.lock_attachment(work.attachment.id);
  clear_leftover(work);
  require_free_name(work);
  Connection connection = with_switch([&] { return Connection::open(work.config.endpoint, soon()); });
  const Bridge bridge = with_switch([&] { return require_bridge(connection, work.config.bridge); });
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

cni::Result add(const cni::Request& request, Node& node) {
  cni::require_fallback(request);
  try {
    return attach_port(request, node);
  } catch (const cni::LackError& lack) {
    return cni::add_by_fallback(request, node, kPlugin, lack);
  }
}

void del(const cni::Request& request, Node& node) {
  const state::Store store(node.run_dir);
  const state::AttachmentId id = state::attachment_id(request, kPlugin);
  const state::FileLock lock = store.lock_attachment(id);
  if (const auto attachment = store.find(id)) return detach(store, *attachment, request.environment.path, node);
  detach_unrecorded(request, node);
}

void check(const cni::Request& request, Node& node) {
  const auto attachment = state::Store(node.run_dir).find(state::attachment_id(request, kPlugin));
  if (attachment && cni::is_by_fallback(*attachment)) return cni::check_fallback(*attachment, request, node);
  cni::ipam_check(request, node);
  check_attachment(request);
}

void collect_records(const cni::Request& request, Node& node) {
  const state::Store store(node.run_dir);
  const auto& valid = request.conf.valid_attachments;
  Collector undo;
  for (const state::Attachment& seen : store.list(request.conf.name)) {
    const cni::ValidAttachment own{seen.id.container_id, seen.id.ifname};
    if (seen.id.plugin != kPlugin || std::find(valid.begin(), valid.end(), own) != valid.end()) continue;
    undo.run("undoing attachment " + seen.id.text(), [&] {
      const state::FileLock lock = store.lock_attachment(seen.id);
      if (const auto attachment = store.find(seen.id)) detach(store, *attachment, request.environment.path, node);
    });
  }
  undo.finish();
}

void gc(const cni::Request& request, Node& node) {
  Collector undo;
  if (request.conf.has_valid_attachments) {
    undo.run("collecting attachments", [&] { collect_records(request, node); });
    undo.run("collecting ports", [&] { collect_ports(request); });
  }
  undo.run("GC of the IPAM plugin", [&] { cni::ipam_gc(request, node); });
  undo.run("GC of the fallback", [&] { cni::gc_fallback(request, node); });
  undo.finish();
}

void status(const cni::Request& request, Node& node) {
  const OvsConfig config = OvsConfig::parse(request);
  try {
    require_switch(config.endpoint, config.bridge);
  } catch (const cni::LackError& lack) {
    return cni::status_by_fallback(request, node, lack);
  }
  cni::ipam_status(request, node);
}

}  // namespace

}  // namespace ovs

const cni::Plugin kOvs{.name = ovs::kPlugin,
                       .about = "puts a pod on an Open vSwitch bridge",
                       .add = ovs::add,
                       .del = ovs::del,
                       .check = ovs::check,
                       .gc = ovs::gc,
                       .status = ovs::status};

}  // namespace barewire
