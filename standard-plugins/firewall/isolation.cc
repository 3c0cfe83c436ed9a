// SPDX-License-Identifier: Apache-2.0
/// Per node one chain with the pods' addresses in sets, per bridge one that drops what would leave it for them, and in
/// family bridge one with the ports of isolated pods. A pod is elements of those.
#include "standard-plugins/firewall/isolation.h"

#include <arpa/inet.h>  // before the kernel's headers, which define the same types anew
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <boost/json/array.hpp>

#include "core/kernel/nftables.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace nft = kernel::nft;
namespace json = boost::json;

namespace {

// The priorities by number: nft resolves their names in the command, not in the kernel.
constexpr int kFilterPriority = 0;           // "filter", nft(8)
constexpr int kBridgeFilterPriority = -200;  // "filter" of family bridge
constexpr std::uint32_t kBridgeForward = 2;  // NF_BR_FORWARD, whose header does not go with <netinet/in.h>
constexpr std::uint32_t kNameSlots = 4;      // an interface name fills four registers
constexpr const char* kPorts = "isolated_ports";

std::string set_of(const char* what, bool v4) {
  return fmt::format("firewall_{}_v{}", what, v4 ? 4 : 6);
}
nft::Type type_of(bool v4) {
  return v4 ? nft::Type::ipv4_addr : nft::Type::ipv6_addr;
}

/// Packets that go back into the bridge of an isolated pod they are to, or from.
nft::Rule drop_isolated(bool v4, bool from_pod) {
  nft::Rule rule;
  rule.family_is(v4).meta(NFT_META_IIFNAME, 0).meta(NFT_META_OIFNAME, kNameSlots);
  return rule.load_address(v4, from_pod, 2 * kNameSlots).in_set(set_of("isolated", v4), 0).drop();
}

/// Of all pods with a policy.
nft::Fixture node_fixture() {
  nft::Chain chain{.name = "firewall",
                   .hook = nft::Chain::Hook{"filter", NF_INET_FORWARD, kFilterPriority},
                   .comment = "pods isolated from others of their bridge",
                   .rules = {}};
  nft::Fixture fixture{.table = {nft::Family::inet, "barewire"}, .sets = {}, .chains = {}};
  for (const bool v4 : {true, false}) {
    fixture.sets.push_back({.name = set_of("protected", v4), .key = {type_of(v4)}, .data = {}, .comment = {}});
    fixture.sets.push_back({.name = set_of("isolated", v4),
                            .key = {nft::Type::ifname, nft::Type::ifname, type_of(v4)},
                            .data = {},
                            .comment = {}});
    for (const bool from_pod : {true, false}) chain.rules.push_back(drop_isolated(v4, from_pod));
  }
  fixture.chains.push_back(chain);
  return fixture;
}

std::string bridge_set(const std::string& bridge, bool v4) {
  return fmt::format("firewall_{}_v{}", hash_name(bridge), v4 ? 4 : 6);
}

/// Of one bridge: what comes from it goes to no pod with a policy elsewhere. Its own pods are in its sets so that it is
/// there as long as one of them.
nft::Fixture bridge_fixture(const std::string& bridge) {
  nft::Chain chain{.name = "firewall_" + hash_name(bridge),
                   .hook = nft::Chain::Hook{"filter", NF_INET_FORWARD, kFilterPriority},
                   .comment = "from " + bridge + " to pods of other bridges",
                   .rules = {}};
  nft::Fixture fixture{.table = {nft::Family::inet, "barewire"}, .sets = {}, .chains = {}};
  for (const bool v4 : {true, false}) {
    fixture.sets.push_back({.name = bridge_set(bridge, v4), .key = {type_of(v4)}, .data = {}, .comment = {}});
    nft::Rule rule;
    rule.family_is(v4).interface_is(true, bridge).interface_is(false, bridge, false);
    chain.rules.push_back(rule.load_address(v4, false, 0).in_set(set_of("protected", v4), 0).drop());
  }
  fixture.chains.push_back(chain);
  return fixture;
}

/// Of the frames that a bridge forwards between two ports; what the node itself sends or receives is no such frame.
nft::Fixture port_fixture() {
  nft::Chain chain{.name = "isolation",
                   .hook = nft::Chain::Hook{"filter", kBridgeForward, kBridgeFilterPriority},
                   .comment = "pods isolated from others of their bridge",
                   .rules = {}};
  for (const auto key : {NFT_META_IIFNAME, NFT_META_OIFNAME}) {
    nft::Rule rule;
    chain.rules.push_back(rule.meta(key, 0).in_set(kPorts, 0).drop());
  }
  return {.table = {nft::Family::bridge, "barewire"},
          .sets = {{.name = kPorts, .key = {nft::Type::ifname}, .data = {}, .comment = {}}},
          .chains = {chain}};
}

nft::Element element(std::string set, const nft::Key& key, const state::AttachmentId& id) {
  return {.set = std::move(set), .key = key, .data = {}, .comment = owner_text(id)};
}

/// A bridge's rules look into the node's sets, which are therefore before it.
std::vector<nft::Part> parts_of(const state::AttachmentId& id, const Isolation& isolation) {
  const bool isolated = isolation.policy == IngressPolicy::isolated;
  nft::Part node{.fixture = node_fixture(), .elements = {}, .replaced = {}};
  nft::Part bridge{.fixture = bridge_fixture(isolation.bridge), .elements = {}, .replaced = {}};
  for (const IpAddress& address : isolation.addresses) {
    const bool v4 = address.is_v4();
    node.elements.push_back(element(set_of("protected", v4), nft::Key().address(address), id));
    bridge.elements.push_back(element(bridge_set(isolation.bridge, v4), nft::Key().address(address), id));
    if (!isolated) continue;
    nft::Key both_ways;
    both_ways.interface_name(isolation.bridge).interface_name(isolation.bridge).address(address);
    node.elements.push_back(element(set_of("isolated", v4), both_ways, id));
  }
  std::vector<nft::Part> parts = {std::move(node), std::move(bridge)};
  if (isolated) {
    parts.push_back({.fixture = port_fixture(), .elements = {}, .replaced = {}});
    parts.back().elements.push_back(element(kPorts, nft::Key().interface_name(isolation.port), id));
  }
  return parts;
}

}  // namespace

std::optional<Isolation> Isolation::from_record(const state::Attachment& attachment) {
  const json::value* found = attachment.data.if_contains("isolation");
  if (found == nullptr || !found->is_object()) return std::nullopt;
  const JsonView view(*found, "record key", Error::Code::state);
  Isolation isolation;
  isolation.bridge = view.at("bridge").string();
  isolation.port = view.string_or("port", "");
  // Only an isolated pod has its port on record.
  isolation.policy = isolation.port.empty() ? IngressPolicy::same_bridge : IngressPolicy::isolated;
  for (const JsonView& text : view.at("addresses").array()) {
    const auto address = IpAddress::parse(text.string());
    if (!address) text.reject("an IP address");
    isolation.addresses.push_back(*address);
  }
  return isolation;
}

void Isolation::to_record(state::Attachment& attachment) const {
  json::array list;
  for (const IpAddress& address : addresses) list.emplace_back(address.text());
  attachment.data["isolation"] = json::object{{"bridge", bridge}, {"port", port}, {"addresses", std::move(list)}};
}

void add_isolation(const state::AttachmentId& id, const Isolation& isolation) {
  std::vector<nft::Part> parts = parts_of(id, isolation);
  kernel::NlSocket socket = nft::open_socket();
  nft::replace_others(socket, parts);
  nft::put(socket, parts, "keeping others away from " + owner_text(id));
}

void remove_isolation(const state::AttachmentId& id, const Isolation& isolation) {
  std::vector<nft::Part> parts = parts_of(id, isolation);
  kernel::NlSocket socket = nft::open_socket();
  // An address that another pod has by now stays protected.
  nft::keep_own(socket, parts);
  nft::drop(socket, parts, "no longer keeping others away from " + owner_text(id));
}

std::vector<std::string> compare_isolation(const state::AttachmentId& id, const Isolation& isolation) {
  std::vector<std::string> missing;
  kernel::NlSocket socket = nft::open_socket();
  for (const nft::Part& part : parts_of(id, isolation))
    for (std::string& clause : nft::compare(socket, part.fixture, part.elements)) missing.push_back(std::move(clause));
  return missing;
}

}  // namespace barewire::standard
