// SPDX-License-Identifier: Apache-2.0
// The plugins ovs-mirror-producer and ovs-mirror-consumer, chained after ovs: they put the pod's port into mirrors of
// its bridge and take it out again. One set of operations, told apart by what the port is to the mirrors.
#include <algorithm>

#include "core/cni/life.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/state/store.h"
#include "ovs-plugin/mirror.h"
#include "ovs-plugin/mirror_config.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/plugins.h"
#include "ovs-plugin/port.h"
#include "ovs-plugin/ready.h"
#include "ovs-plugin/undo.h"

namespace barewire {

namespace ovs {

namespace {

const cni::Result& require_previous(const cni::Request& request) {
  if (!request.conf.previous)
    throw Error(Error::Code::config, "config key \"prevResult\" is missing",
                "a mirror plugin is chained after the plugin that makes the port");
  return *request.conf.previous;
}

/// The port that the ovs plugin, or the peer's, made for this attachment.
std::optional<Port> find_own_port(Connection& connection, const cni::Request& request) {
  auto ports = find_ports(connection, owner_of(state::attachment_id(request, kPlugin)), soon());
  // The peer's mark has the netns for a key: without it every port without one would match.
  if (ports.empty() && !request.netns.empty()) ports = find_ports(connection, peer_owner_of(request), soon());
  if (ports.empty()) return std::nullopt;
  return std::move(ports.front());
}

/// It must be on the bridge of the mirrors.
Port require_port(Connection& connection, const cni::Request& request, const Bridge& bridge) {
  auto port = find_own_port(connection, request);
  if (!port)
    throw Error(Error::Code::device, fmt::format("failed to find the port of {} in {}", request.ifname, request.netns),
                "the plugin ovs comes before this one in the chain");
  const auto holder = find_bridge_of_port(connection, port->name, soon());
  if (!holder || holder->row != bridge.row)
    throw Error(Error::Code::config,
                fmt::format("config key \"bridge\" is \"{}\"; expected {}, the bridge that port {} is on", bridge.name,
                            holder ? holder->name : "none", port->name));
  return *std::move(port);
}

MirrorRequest request_for(const Bridge& bridge, const Uuid& port, const Membership& membership) {
  return {bridge, membership.mirror, port, membership.role, our_mark()};
}

boost::json::object record_of(const MirrorConfig& config, const Uuid& port) {
  boost::json::array mirrors;
  for (const Membership& membership : config.memberships) mirrors.emplace_back(membership.mirror);
  boost::json::object record = to_json(config.endpoint);
  record["bridge"] = config.bridge;
  record["port"] = port.text;
  record["mirrors"] = std::move(mirrors);
  return record;
}

/// Takes the port out of the mirrors on record; with the bridge gone its mirrors are gone too.
void detach_mirrors(const state::Store& store, const state::Attachment& attachment) {
  const boost::json::value data(attachment.data);
  const JsonView view(data, fmt::format("record of attachment {}: key", attachment.id.text()), Error::Code::state);
  const ovsdb::Deadline deadline = soon();
  Connection connection = Connection::open(parse_endpoint_of(view), deadline);
  if (const auto bridge = find_bridge(connection, view.at("bridge").string(), deadline)) {
    const Uuid port{view.at("port").string()};
    Collector undo;
    for (const std::string& mirror : view.at("mirrors").strings())
      undo.run("leaving mirror " + mirror, [&] {
        leave_mirror(connection, request_for(*bridge, port, {mirror, {}}), deadline);
      });
    undo.finish();
  }
  state::Store(store).remove(attachment.id);
}

/// Whether the port is in the mirror as this plugin would have put it there.
bool holds(const Mirror& mirror, const Uuid& port, std::string_view plugin) {
  const auto has = [&](const std::vector<Uuid>& ports) {
    return std::find(ports.begin(), ports.end(), port) != ports.end();
  };
  if (plugin == kConsumer) return mirror.output_port == port;
  return has(mirror.select_src_port) || has(mirror.select_dst_port);
}

/// Without a record: out of every mirror of its bridge, ours and the peer's, as long as the port is there to be found.
void leave_every_mirror(Connection& connection, const cni::Request& request, std::string_view plugin) {
  const auto port = find_own_port(connection, request);
  if (!port) return;
  const auto bridge = find_bridge_of_port(connection, port->name, soon());
  if (!bridge) return;
  for (const Mirror& mirror : find_mirrors(connection, *bridge, soon())) {
    if (!holds(mirror, port->row, plugin)) continue;
    MirrorRequest leaving = request_for(*bridge, port->row, {mirror.name, {}});
    if (is_of_peer(mirror.external_ids)) leaving.owner = mirror.external_ids;
    leave_mirror(connection, leaving, soon());
  }
}

/// The database may be gone for good, and nothing may have been made there: that must not keep a pod from going.
void detach_unrecorded_mirrors(const cni::Request& request, std::string_view plugin) {
  try {
    Connection connection = Connection::open(endpoint_leniently(request), soon());
    leave_every_mirror(connection, request, plugin);
  } catch (const Error& error) {
    log_warning("nothing is on record, and mirrors cannot be left, ignoring: {}", error.what());
  }
}

void join(Connection& connection, const MirrorConfig& config, const Bridge& bridge, const Uuid& port) {
  Change change;
  for (const Membership& membership : config.memberships)
    change = join_mirror(connection, request_for(bridge, port, membership), soon());
  // Of the last change: ovs-vswitchd carries them out in order, so the earlier ones are in force too.
  wait_until_carried_out(connection, change, soon());
}

cni::Result add(const cni::Request& request, Node& node, std::string_view plugin) {
  const MirrorConfig config = MirrorConfig::parse(request, plugin);
  cni::Result result = require_previous(request);
  state::Store store(node.run_dir);
  state::Attachment attachment = state::make_attachment(request, plugin);
  const state::FileLock lock = store.lock_attachment(attachment.id);
  clear_leftover(store, attachment.id, [&](const state::Attachment& earlier) { detach_mirrors(store, earlier); });
  Connection connection = Connection::open(config.endpoint, soon());
  const Bridge bridge = require_bridge(connection, config.bridge);
  const Port port = require_port(connection, request, bridge);
  // By the port's UUID: its name may be another port's when DEL comes.
  attachment.data = record_of(config, port.row);
  Rollback rollback;
  rollback.add("mirrors", [&store, &attachment] { detach_mirrors(store, attachment); });
  store.save(attachment);
  join(connection, config, bridge, port.row);
  // A chained plugin hands on what it got; CHECK needs none of it, but `barewire show` does.
  attachment.data["result"] = result.to_json(cni::kLatestVersion);
  store.save(attachment);
  rollback.keep();
  return result;
}

void del(const cni::Request& request, Node& node, std::string_view plugin) {
  const state::Store store(node.run_dir);
  const state::AttachmentId id = state::attachment_id(request, plugin);
  const state::FileLock lock = store.lock_attachment(id);
  const auto attachment = store.find(id);
  if (attachment) return detach_mirrors(store, *attachment);
  detach_unrecorded_mirrors(request, plugin);
  const char* suffix = plugin == kProducer ? "prod" : "cons";  // what the peer remembers of the same
  remove_file(fmt::format("{}/ovs-cni/cache/{}-{}_{}", node.cni_state_dir, id.container_id, id.ifname, suffix));
}

std::string missing_role(const Mirror& mirror, const Uuid& port, const MirrorRole& role) {
  const auto has = [&](const std::vector<Uuid>& ports) {
    return std::find(ports.begin(), ports.end(), port) != ports.end();
  };
  if (role.source && !has(mirror.select_src_port)) return "what the pod sends is not copied";
  if (role.destination && !has(mirror.select_dst_port)) return "what the pod receives is not copied";
  if (role.output && mirror.output_port != port) return "copies do not go to the pod";
  return {};
}

void check(const cni::Request& request, Node&, std::string_view plugin) {
  const MirrorConfig config = MirrorConfig::parse(request, plugin);
  require_previous(request);
  Connection connection = Connection::open(config.endpoint, soon());
  const Bridge bridge = require_bridge(connection, config.bridge);
  const Port port = require_port(connection, request, bridge);
  for (const Membership& membership : config.memberships) {
    const auto mirror = find_mirror(connection, bridge, membership.mirror, soon());
    const std::string difference = mirror ? missing_role(*mirror, port.row, membership.role) : "it is gone";
    if (difference.empty()) continue;
    throw Error(
        Error::Code::drift,
        fmt::format("{}: mirror {} of bridge {}: {}", request.ifname, membership.mirror, bridge.name, difference),
        "DEL and ADD make it as configured");
  }
}

void gc(const cni::Request& request, Node& node, std::string_view plugin) {
  const state::Store store(node.run_dir);
  collect_unlisted(request, store, plugin,
                   [&](const state::Attachment& attachment) { detach_mirrors(store, attachment); });
}

void status(const cni::Request& request, Node&, std::string_view plugin) {
  const MirrorConfig config = MirrorConfig::parse(request, plugin);
  require_switch(config.endpoint, config.bridge);
}

}  // namespace

}  // namespace ovs

const cni::Plugin kOvsMirrorConsumer{
    .name = ovs::kConsumer,
    .about = "hands a pod on an Open vSwitch bridge the copies of a mirror",
    .add = [](const cni::Request& request, Node& node) { return ovs::add(request, node, ovs::kConsumer); },
    .del = [](const cni::Request& request, Node& node) { ovs::del(request, node, ovs::kConsumer); },
    .check = [](const cni::Request& request, Node& node) { ovs::check(request, node, ovs::kConsumer); },
    .gc = [](const cni::Request& request, Node& node) { ovs::gc(request, node, ovs::kConsumer); },
    .status = [](const cni::Request& request, Node& node) { ovs::status(request, node, ovs::kConsumer); },
    .validate = [](const cni::Request& request) { ovs::MirrorConfig::parse(request, ovs::kConsumer); }};

const cni::Plugin kOvsMirrorProducer{
    .name = ovs::kProducer,
    .about = "copies what a pod on an Open vSwitch bridge sends or receives",
    .add = [](const cni::Request& request, Node& node) { return ovs::add(request, node, ovs::kProducer); },
    .del = [](const cni::Request& request, Node& node) { ovs::del(request, node, ovs::kProducer); },
    .check = [](const cni::Request& request, Node& node) { ovs::check(request, node, ovs::kProducer); },
    .gc = [](const cni::Request& request, Node& node) { ovs::gc(request, node, ovs::kProducer); },
    .status = [](const cni::Request& request, Node& node) { ovs::status(request, node, ovs::kProducer); },
    .validate = [](const cni::Request& request) { ovs::MirrorConfig::parse(request, ovs::kProducer); }};

}  // namespace barewire
