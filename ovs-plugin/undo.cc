// SPDX-License-Identifier: Apache-2.0
// Works from the record alone: by then the netns, the bridge or the database may be gone.
#include "ovs-plugin/undo.h"

#include <algorithm>

#include "core/boot_id.h"
#include "core/cni/delegate.h"
#include "core/cni/device_info.h"
#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/kernel/link.h"
#include "core/log.h"
#include "core/rollback.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/peer_cache.h"
#include "ovs-plugin/port.h"
#include "ovs-plugin/tunnel.h"

namespace barewire::ovs {

namespace {

using ovsdb::Connection;
using ovsdb::StringMap;

void remove_veth(const std::string& name) {
  if (name.empty()) return;
  kernel::NlSocket host;
  const auto link = kernel::find_link(host, name);
  // Only a veth: the name may belong to something else by now.
  if (link && link->kind == "veth") kernel::delete_link(host, link->index, "removing " + link->name);
}

/// A port is named as its veth. Both go, whether or not the veth is still there.
void remove_ports(Connection& connection, const std::vector<Port>& ports, ovsdb::Deadline deadline) {
  Collector undo;
  for (const Port& port : ports) {
    undo.run("deleting port " + port.name, [&] { delete_port(connection, port, deadline); });
    undo.run("removing " + port.name, [&] { remove_veth(port.name); });
  }
  // A switch has tunnels only where networks ask for them; the others are spared the question.
  const auto refers = [](const Port& port) { return refers_to_tunnel(port.external_ids); };
  if (std::any_of(ports.begin(), ports.end(), refers))
    undo.run("deleting tunnels", [&] { drop_unused_tunnels(connection, deadline); });
  undo.finish();
}

/// Of pods the peer's plugin made. Without a netns path the owner is not sure, so the port stays for the peer.
void remove_peer_ports(Connection& connection, const cni::Request& request, ovsdb::Deadline deadline) {
  if (request.netns.empty()) return;
  std::vector<Port> ports = find_ports(connection, peer_owner_of(request), deadline);
  std::erase_if(ports, [&](const Port& port) { return is_of_another_pod(port.external_ids, request); });
  remove_ports(connection, ports, deadline);
}

/// By name and type: a port that somebody else has made under that name since is not touched.
void remove_userspace_port(Connection& connection, const std::string& name, ovsdb::Deadline deadline) {
  const auto port = name.empty() ? std::nullopt : find_port(connection, name, deadline);
  if (!port || is_of_us(port->external_ids) || port->interfaces.empty()) return;
  const auto interface = find_interface(connection, port->interfaces.front(), deadline);
  if (!interface || !interface->type.starts_with(kVhostServer)) return;
  delete_port(connection, *port, deadline);
}

/// nullopt when nothing can be asked. What no record tells of may not exist at all, and a pod must not wait for ever
/// for a switch that is gone: a port that is left is swept later.
std::optional<Connection> try_connect(const ovsdb::Endpoint& endpoint, ovsdb::Deadline deadline) {
  try {
    return Connection::open(endpoint, deadline);
  } catch (const Error& error) {
    log_warning("nothing is on record, and the database cannot be asked, ignoring: {}", error.what());
    return std::nullopt;
  }
}

bool is_listed(const cni::Request& request, const StringMap& ids) {
  const auto value = [&](const char* key) {
    const auto found = ids.find(key);
    return found == ids.end() ? std::string() : found->second;
  };
  const cni::ValidAttachment own{value(kContainerKey), value(kInterfaceKey)};
  const auto& valid = request.conf.valid_attachments;
  return std::find(valid.begin(), valid.end(), own) != valid.end();
}

}  // namespace

ovsdb::Deadline soon() {
  return ovsdb::Clock::now() + kPatience;
}

boost::json::object to_json(const ovsdb::Endpoint& endpoint) {
  return {{"socket", endpoint.text()},
          {"privateKey", endpoint.tls.private_key},
          {"certificate", endpoint.tls.certificate},
          {"caCertificate", endpoint.tls.ca_certificate}};
}

ovsdb::Endpoint parse_endpoint_of(const JsonView& record) {
  return ovsdb::parse_endpoint(
      record.at("socket").string(), "socket",
      {record.string_or("privateKey", ""), record.string_or("certificate", ""), record.string_or("caCertificate", "")});
}

boost::json::object to_json(const OvsRecord& record) {
  boost::json::object json = to_json(record.endpoint);
  json["bridge"] = record.bridge;
  json["hostInterface"] = record.host_interface;
  json["addressed"] = record.addressed;
  if (record.vhost) json["vhostUser"] = to_json(*record.vhost);
  if (record.offload) json["offload"] = to_json(*record.offload);
  return json;
}

OvsRecord parse_record(const state::Attachment& attachment) {
  const boost::json::value data(attachment.data);
  const std::string subject = fmt::format("record of attachment {}: key", attachment.id.text());
  const JsonView view(data, subject, Error::Code::state);
  OvsRecord record;
  record.endpoint = parse_endpoint_of(view);
  record.bridge = view.at("bridge").string();
  record.host_interface = view.at("hostInterface").string();
  record.addressed = view.boolean_or("addressed", true);
  if (const auto vhost = view.find("vhostUser")) record.vhost = parse_vhost_record(*vhost);
  if (const auto offload = view.find("offload")) record.offload = parse_offload_record(*offload, subject);
  return record;
}

void detach(const state::Store& store, const state::Attachment& attachment, const std::string& cni_path, Node& node) {
  if (cni::is_by_fallback(attachment)) return cni::undo_fallback(attachment, cni_path, node);
  const OvsRecord record = parse_record(attachment);
  Collector undo;
  // Before the interface goes: a DHCP server is told through it.
  undo.run("releasing addresses", [&] {
    if (record.addressed) release_addresses(attachment, cni_path, node);
  });
  undo.run("deleting the port", [&] {
    const ovsdb::Deadline deadline = soon();
    Connection connection = Connection::open(record.endpoint, deadline);
    remove_ports(connection, find_ports(connection, owner_of(attachment.id), deadline), deadline);
  });
  undo.run("giving the VF back", [&] {
    if (record.offload) give_back(attachment, *record.offload, node);
  });
  undo.run("removing the veth", [&] {
    if (is_of_this_boot(attachment)) remove_veth(record.host_interface);
  });
  undo.run("removing the vhost-user socket", [&] {
    if (record.vhost) withdraw(*record.vhost, vhost_others(store, attachment.id), attachment.netns_id);
  });
  undo.run("restoring the device-info file", [&] {
    const auto& offload = record.offload;
    if (offload && !offload->device_info.empty())
      cni::undo_device_info(offload->device_info, offload->device_info_before);
  });
  undo.finish();
  // finish() has thrown where a step failed, so the record goes only after all of them.
  state::Store(store).remove(attachment.id);
}

void detach_unrecorded(const cni::Request& request, Node& node) {
  Collector undo;
  const auto cached = find_peer_cache(request, node);
  const auto userspace = find_userspace_cache(request, node);
  const ovsdb::Endpoint endpoint = cached ? cached->endpoint : endpoint_leniently(request);
  const ovsdb::Deadline deadline = soon();
  if (auto connection = try_connect(endpoint, deadline)) {
    undo.run("deleting the port", [&] {
      const StringMap owner = owner_of(state::attachment_id(request, kPlugin));
      remove_ports(*connection, find_ports(*connection, owner, deadline), deadline);
    });
    undo.run("deleting the peer's port", [&] {
      remove_peer_ports(*connection, request, deadline);
      if (userspace) remove_userspace_port(*connection, userspace->port, deadline);
    });
  } else if (cached || userspace) {
    // A peer's record proves that a port was made: a database that cannot be asked is an error here, and DEL is
    // repeated.
    undo.run("asking the database", [&] { Connection::open(endpoint, deadline); });
  }
  if (cached) undo.run("bringing back what ovs-cni attached", [&] { undo_peer_link(request, *cached, node); });
  if (userspace) undo.run("removing the files of userspace-cni", [&] { undo_shared_directory(request); });
  undo.run("releasing addresses", [&] { cni::ipam_del(request, node); });
  undo.finish();
  // After finish(), which throws where something failed: the peer's record is all that tells of what is left.
  if (cached) remove_file(cached->path);
  if (userspace) remove_file(userspace->path);
}

/// A container may show a boot_id of its own: another one is a reason to look, not a proof.
bool is_certain_to_be_of_no_pod(const Port& port) {
  const auto attachment = attachment_of(port.external_ids);
  return attachment && is_dead(*attachment).is_yes();
}

void sweep_dead_ports(Connection& connection, ovsdb::Deadline deadline) {
  const std::string boot_id = current_boot_id();
  if (boot_id.empty()) return log_warning("the node's boot_id cannot be read; ports of pods that are gone stay");
  const Suspects suspects = find_suspects(connection, our_mark(), {{kBootKey, boot_id}}, deadline);
  bool referred = false;
  // Another call may be at the same: what it took, or took over, is no reason for this pod not to start.
  const auto sweep = [&](const Port& port, std::string_view why) {
    log_warning("port {} {}; deleting it", port.name, why);
    try {
      delete_port(connection, port, deadline);
    } catch (const Error& error) {
      log_warning("port {} stays: {}", port.name, error.what());
    }
    referred = referred || refers_to_tunnel(port.external_ids);
  };
  for (const Port& port : suspects.of_earlier_boots)
    if (is_certain_to_be_of_no_pod(port)) sweep(port, "was made before the last boot");
  // As ovs-cni's ADD does. The error alone proves nothing: a VF that takes long to come up shows one for a while. Ours
  // have records, from which the node's daemon knows better than a path whether the pod is gone.
  for (const Port& port : suspects.failed)
    if (is_of_dead_peer(port.external_ids)) sweep(port, "has lost its interface and its pod");
  if (referred) drop_unused_tunnels(connection, deadline);
}

void collect_ports(const cni::Request& request) {
  const ovsdb::Deadline deadline = soon();
  Connection connection = Connection::open(parse_socket(LayeredConfig::read(request)), deadline);
  std::vector<Port> unlisted = find_ports(connection, network_mark(request.conf.name), deadline);
  // By what the ports themselves carry: an attachment whose record was lost is collected too.
  std::erase_if(unlisted, [&](const Port& port) { return is_listed(request, port.external_ids); });
  remove_ports(connection, unlisted, deadline);
  sweep_dead_ports(connection, deadline);
  drop_unused_tunnels(connection, deadline);
}

VhostOthers vhost_others(const state::Store& store, const state::AttachmentId& own) {
  VhostOthers others;
  std::vector<std::pair<std::string, std::string>> unreadable;
  for (const state::Attachment& other : store.list(&unreadable)) {
    if (other.id == own || (other.id.plugin != kPlugin && other.id.plugin != kUserspacePlugin)) continue;
    if (!other.data.contains("vhostUser")) continue;
    others.records.push_back(parse_record(other).vhost.value());
  }
  others.all_read = unreadable.empty();
  return others;
}

}  // namespace barewire::ovs
