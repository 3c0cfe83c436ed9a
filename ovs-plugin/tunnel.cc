// SPDX-License-Identifier: Apache-2.0
// A bridge's tunnels belong to all pods of the network. They are counted by references in the pods' own rows, which
// vanish with them, so that no counter can be wrong after a crash.
#include "ovs-plugin/tunnel.h"

#include <algorithm>
#include <limits>

#include "core/ip.h"
#include "core/kernel/address.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

using ovsdb::Transaction;

constexpr const char* kReference = "tunnel-";
constexpr std::int64_t kLargestVni = (1 << 24) - 1;  // RFC 7348 section 5, RFC 8926 section 3.4
constexpr std::int64_t kLargestPort = 65535;

const StringMap& tunnel_mark() {
  static const StringMap mark{{"owner", "barewire-tunnel"}};  // not the owner of pods' ports: boots do not end it
  return mark;
}

/// Whether an interface of this node has the address. That one can be bound to tells nothing: with
/// net.ipv4.ip_nonlocal_bind every address can.
bool is_of_this_node(const IpAddress& address) {
  kernel::NlSocket socket;
  const auto all = kernel::list_addresses(socket, 0, address.family());
  return std::any_of(all.begin(), all.end(), [&](const kernel::AddressInfo& one) {
    const bool loopback = one.prefix.address.is_v4() && one.prefix.address.is_loopback();
    return one.prefix.address == address || (loopback && address.is_loopback());
  });
}

IpAddress parse_address(const JsonView& key) {
  const auto address = IpAddress::parse(key.string());
  if (!address) key.reject("an IP address of a node");
  return *address;
}

StringMap parse_options(const JsonView& tunnel, const std::string& type) {
  StringMap options;
  const std::int64_t largest = type == "gre" ? std::numeric_limits<std::uint32_t>::max() : kLargestVni;
  if (const auto key = tunnel.find("key"))
    options["key"] = std::to_string(key->integer(0, largest, "the tunnel's number (VNI)"));
  if (const auto local = tunnel.find("local")) options["local_ip"] = parse_address(*local).text();
  const auto port = tunnel.find("dst_port");
  if (port && type == "gre") port->reject("no such key, since GRE has no ports");
  if (port) options["dst_port"] = std::to_string(port->integer(1, kLargestPort, "a UDP port"));
  return options;
}

/// FNV-1a: the same on every node and in every version, short enough for a port's name.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

bool is_tunnel_of_ours(const Port& port) {
  const auto owner = port.external_ids.find("owner");
  return owner != port.external_ids.end() && owner->second == tunnel_mark().at("owner");
}

/// False when it is there already, or appeared meanwhile.
bool add(Connection& connection, const Bridge& bridge, const Tunnel& tunnel) {
  PortRequest wanted;
  wanted.bridge = bridge;
  wanted.name = tunnel.name(bridge.name);
  wanted.port = {{"external_ids", ovsdb::Value(tunnel_mark())},
                 {"protected", true}};  // what comes out of one must not go into another: with three nodes, a loop
  wanted.interface = {{"type", tunnel.type}, {"options", ovsdb::Value(tunnel.options)}};
  // The name holds a hash of all options, so a port of that name and of ours is the very same tunnel.
  const auto existing = find_port(connection, wanted.name, soon());
  if (existing && is_tunnel_of_ours(*existing)) return false;
  try {
    wait_for_port(connection, add_port(connection, wanted, soon()), soon());
    return true;
  } catch (const Error& error) {
    const auto now = find_port(connection, wanted.name, soon());
    // Another ADD of the network was faster: the tunnel is the same.
    if (error.is(Error::Code::held) && now && is_tunnel_of_ours(*now)) return false;
    throw;
  }
}

StringMap reference_to(const std::string& tunnel) {
  return {{kReference + tunnel, "1"}};
}

/// Refused by the guard when a port that refers to it came meanwhile: then it stays.
void drop_if_unused(Connection& connection, const Port& tunnel, ovsdb::Deadline deadline) {
  Transaction transaction;
  transaction.comment("barewire: delete tunnel " + tunnel.name);
  const std::size_t guard =
      transaction.wait("Port", {{"external_ids", "includes", ovsdb::Value(reference_to(tunnel.name))}}, {"name"},
                       Transaction::Until::equal, {});
  transaction.mutate("Bridge", {{"ports", "includes", tunnel.row}}, {{"ports", "delete", tunnel.row}});
  count_change(transaction);
  const auto result = try_transact(connection, transaction, deadline);
  const auto* refusal = std::get_if<ovsdb::Refusal>(&result);
  if (refusal != nullptr && refusal->operation != guard) throw_refused(*refusal, "deleting tunnel " + tunnel.name);
}

}  // namespace

std::string Tunnel::name(const std::string& bridge) const {
  return fmt::format("bw{}{:08x}", type.substr(0, 2), hash_of(bridge + type + ovsdb::Value(options).text()));
}

std::vector<Tunnel> parse_tunnels(const LayeredConfig& config) {
  const auto key = config.find("tunnel");
  if (!key) return {};
  const JsonView type = key->at("type"), remotes = key->at("remotes");
  const std::string kind = type.string();
  if (kind != "vxlan" && kind != "geneve" && kind != "gre") type.reject("vxlan, geneve or gre");
  const StringMap common = parse_options(*key, kind);
  std::vector<Tunnel> tunnels;
  for (const JsonView& remote : remotes.array("a list of nodes' IP addresses")) {
    const IpAddress address = parse_address(remote);
    // The same list of all nodes goes to every node, and none has a tunnel to itself.
    if (is_of_this_node(address)) continue;
    Tunnel tunnel{kind, common};
    tunnel.options["remote_ip"] = address.text();
    tunnels.push_back(std::move(tunnel));
  }
  return tunnels;
}

StringMap references_to(const std::vector<Tunnel>& tunnels, const std::string& bridge) {
  StringMap references;
  for (const Tunnel& tunnel : tunnels) references.merge(reference_to(tunnel.name(bridge)));
  return references;
}

bool is_reference_key(std::string_view key) {
  return key.starts_with(kReference);
}

bool refers_to_tunnel(const StringMap& external_ids) {
  return std::any_of(external_ids.begin(), external_ids.end(),
                     [](const auto& id) { return is_reference_key(id.first); });
}

void ensure_tunnels(Connection& connection, const Bridge& bridge, const std::vector<Tunnel>& tunnels) {
  for (const Tunnel& tunnel : tunnels) add(connection, bridge, tunnel);
}

void drop_unused_tunnels(Connection& connection, ovsdb::Deadline deadline) {
  for (const Port& tunnel : find_ports(connection, tunnel_mark(), deadline))
    drop_if_unused(connection, tunnel, deadline);
}

std::vector<std::string> compare_tunnels(Connection& connection, const std::string& bridge,
                                         const std::vector<Tunnel>& tunnels) {
  std::vector<std::string> clauses;
  for (const Tunnel& tunnel : tunnels) {
    const std::string name = tunnel.name(bridge), to = tunnel.options.at("remote_ip");
    const auto port = find_port(connection, name, soon());
    const auto interface =
        port && !port->interfaces.empty() ? find_interface(connection, port->interfaces.front(), soon()) : std::nullopt;
    if (!interface) {
      clauses.push_back(fmt::format("tunnel {} to {} is missing", name, to));
    } else if (interface->type != tunnel.type || interface->options != tunnel.options) {
      clauses.push_back(fmt::format("tunnel {} to {} has other options", name, to));
    } else if (!interface->error.empty()) {
      clauses.push_back(fmt::format("tunnel {} to {}: ovs-vswitchd reports: {}", name, to, interface->error));
    }
  }
  return clauses;
}

}  // namespace barewire::ovs
