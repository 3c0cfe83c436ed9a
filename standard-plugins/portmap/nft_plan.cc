// SPDX-License-Identifier: Apache-2.0
/// Port mappings in nftables. Per node (and per set of conditions) one chain translates destinations, by maps from host
/// port to pod; per pod subnet one chain masquerades what would not find its way back. A pod is elements of those.
#include <arpa/inet.h>  // before the kernel's headers, which define the same types anew
#include <fmt/ranges.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>

#include "core/kernel/nft_listing.h"
#include "core/log.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/portmap/conditions.h"
#include "standard-plugins/portmap/plan.h"

namespace barewire::standard {

namespace nft = kernel::nft;

namespace {

// Behind "dstnat" and "srcnat", nft(8): what the rules of others translate never comes here.
constexpr int kDestinationNatPriority = -99;
constexpr int kSourceNatPriority = 101;
constexpr std::uint32_t kDatumSlot = 8;  ///< of the pod's address; its port is behind it
// A node's port can be one pod's only, and a map holds one datum per key. Who comes second waits in a set and gets the
// port when the first goes, instead of failing: so does a chain of iptables, whose first rule counts.
constexpr std::string_view kWaiting = "_waiting";

nft::Table table() {
  return {nft::Family::inet, "barewire"};
}

/// Of networks with the same conditions, and for all without any.
std::string name_of(const PortmapConfig& config) {
  if (config.conditions_v4.empty() && config.conditions_v6.empty() && config.source_nat) return "ports";
  return "ports_" + hash_name(fmt::format("{} | {} | {}", fmt::join(config.conditions_v4, " "),
                                          fmt::join(config.conditions_v6, " "), config.source_nat));
}

std::string map_name(const PortmapConfig& config, bool v4, bool with_address) {
  return fmt::format("{}_v{}{}", name_of(config), v4 ? 4 : 6, with_address ? "_at" : "");
}

nft::Set map_of(const PortmapConfig& config, bool v4, bool with_address) {
  const nft::Type address = v4 ? nft::Type::ipv4_addr : nft::Type::ipv6_addr;
  nft::Set map{.name = map_name(config, v4, with_address),
               .key = {nft::Type::inet_proto, nft::Type::inet_service},
               .data = {address, nft::Type::inet_service},
               .comment = {}};
  if (with_address) map.key.insert(map.key.begin(), address);
  return map;
}

/// Of mappings whose port another attachment has: the map's key and datum. "ports_v4" is followed by "_waiting".
nft::Set waiting_of(const nft::Set& map) {
  nft::Set set{.name = map.name + std::string(kWaiting), .key = map.key, .data = {}, .comment = {}};
  set.key.insert(set.key.end(), map.data.begin(), map.data.end());
  return set;
}

std::uint32_t slots_of(bool v4) {
  return v4 ? 1 : 4;
}

/// What no mapping can serve: the kernel sends nothing from ::1 to another link, and with an IPv4 loopback source only
/// what is masqueraded.
nft::Rule& except_loopback(nft::Rule& rule, bool v4, bool source_nat) {
  if (v4 && source_nat) return rule;
  return rule.address_in(*IpPrefix::parse(v4 ? "127.0.0.0/8" : "::1/128"), false, false);
}

/// `rule` holds the conditions.
nft::Rule translation(nft::Rule rule, const PortmapConfig& config, bool v4, bool with_address) {
  except_loopback(rule, v4, config.source_nat);
  // A mapping without an address is for those of the node; one with an address is for just that.
  if (!with_address) rule.destination_is_local();
  std::uint32_t slot = 0;
  if (with_address) {
    rule.load_address(v4, false, slot);
    slot += slots_of(v4);
  }
  constexpr std::uint32_t kPortOffset = 2, kPortSize = 2;  // of the destination port, alike in TCP, UDP and SCTP
  rule.meta(NFT_META_L4PROTO, slot).payload(NFT_PAYLOAD_TRANSPORT_HEADER, kPortOffset, kPortSize, slot + 1);
  rule.map(map_name(config, v4, with_address), 0, kDatumSlot);
  return rule.dnat(v4, kDatumSlot, kDatumSlot + slots_of(v4));
}

/// One for each alternative of the conditions.
void add_translations(nft::Chain& chain, const PortmapConfig& config, bool v4, bool with_address) {
  for (const nft::Rule& condition : parse_conditions(v4, config.conditions(v4)).value_or(std::vector<nft::Rule>(1))) {
    nft::Rule rule;
    rule.family_is(v4).append(condition);
    chain.rules.push_back(translation(std::move(rule), config, v4, with_address));
  }
}

nft::Fixture translation_fixture(const PortmapConfig& config) {
  const std::string name = name_of(config);
  nft::Chain chain{.name = name, .hook = {}, .comment = "port mappings", .rules = {}};
  nft::Fixture fixture{.table = table(), .sets = {}, .chains = {}};
  for (const bool v4 : {true, false})
    for (const bool with_address : {true, false}) {
      fixture.sets.push_back(map_of(config, v4, with_address));
      fixture.sets.push_back(waiting_of(fixture.sets.back()));
      add_translations(chain, config, v4, with_address);
    }
  fixture.chains.push_back(chain);
  for (const auto& [suffix, hook] : {std::pair{"_in", NF_INET_PRE_ROUTING}, std::pair{"_out", NF_INET_LOCAL_OUT}}) {
    nft::Rule jump;
    jump.jump(name);
    fixture.chains.push_back(
        {.name = name + suffix,
         .hook = nft::Chain::Hook{"nat", static_cast<std::uint32_t>(hook), kDestinationNatPriority},
         .comment = {},
         .rules = {jump}});
  }
  return fixture;
}

/// Packets of mapped connections to one of the pods.
nft::Rule mapped_to(bool v4, const std::string& set) {
  nft::Rule rule;
  rule.family_is(v4).ct_status_has(IPS_DST_NAT).load_address(v4, false, 0).in_set(set, 0);
  return rule;
}

/// Pods of the subnet would answer each other directly, and 127.0.0.1 not at all.
nft::Fixture source_fixture(const PortmapConfig& config, const IpPrefix& subnet) {
  const bool v4 = subnet.address.is_v4();
  const std::string name = "portsnat_" + hash_name(fmt::format("{} {}", subnet.text(), config.masquerade_all));
  const std::string set = name + "_pods";
  nft::Chain chain{.name = name,
                   .hook = nft::Chain::Hook{"nat", NF_INET_POST_ROUTING, kSourceNatPriority},
                   .comment = "port mappings to " + subnet.text(),
                   .rules = {}};
  if (config.masquerade_all) {
    chain.rules.push_back(mapped_to(v4, set).masquerade());
  } else {
    chain.rules.push_back(mapped_to(v4, set).address_in(subnet, true).masquerade());
    if (v4) chain.rules.push_back(mapped_to(v4, set).address_in(*IpPrefix::parse("127.0.0.0/8"), true).masquerade());
  }
  return {.table = table(),
          .sets = {{.name = set, .key = {nft::address_type(subnet.address)}, .data = {}, .comment = {}}},
          .chains = {chain}};
}

nft::Element translation_of(const PortmapPlan& plan, const PortMapping& mapping, const IpAddress& pod) {
  const auto only = mapping.only_address();
  nft::Element element{.set = map_name(plan.config, pod.is_v4(), only.has_value()),
                       .key = {},
                       .data = nft::Key().address(pod).port(mapping.container_port),
                       .comment = owner_text(plan.id)};
  if (only) element.key.address(*only);
  element.key.protocol(mapping.protocol_number()).port(mapping.host_port);
  return element;
}

/// Of two mappings of one port the first counts, as with rules in a chain.
void add_unless_there(std::vector<nft::Element>& elements, nft::Element element) {
  const bool is_there = std::any_of(elements.begin(), elements.end(), [&](const nft::Element& other) {
    return other.set == element.set && other.key.bytes() == element.key.bytes();
  });
  if (!is_there) elements.push_back(std::move(element));
}

/// The first part translates destinations.
std::vector<nft::Part> parts_of(const PortmapPlan& plan) {
  std::vector<nft::Part> parts(1);
  parts.front().fixture = translation_fixture(plan.config);
  for (const IpPrefix& address : plan.addresses) {
    bool is_mapped = false;
    for (const PortMapping& mapping : plan.config.mappings) {
      if (!mapping.serves(address.address.is_v4())) continue;
      add_unless_there(parts.front().elements, translation_of(plan, mapping, address.address));
      is_mapped = true;
    }
    if (!is_mapped || !plan.config.source_nat) continue;
    nft::Part source{.fixture = source_fixture(plan.config, address.network()), .elements = {}, .replaced = {}};
    source.elements = {{.set = source.fixture.sets.front().name,
                        .key = nft::Key().address(address.address),
                        .data = {},
                        .comment = owner_text(plan.id)}};
    parts.push_back(std::move(source));
  }
  return parts;
}

/// Whether the pod that owner_text describes is still there. A text that was too long for a comment tells nobody, and
/// nobody is not dead.
bool is_alive(const std::string& owner, const Node& node) {
  if (owner.size() >= nft::kLongestComment) return true;
  const auto first = owner.find('/'), last = owner.rfind('/');
  if (first == std::string::npos || first == last) return false;
  const auto record = store_of(node).find({.network = owner.substr(0, first),
                                           .container_id = owner.substr(first + 1, last - first - 1),
                                           .ifname = owner.substr(last + 1),
                                           .plugin = "portmap"});
  return record && has_netns(*record);
}

/// `element` of a map as one of the set of those that wait for its port.
nft::Element waiting(const nft::Element& element) {
  return {.set = element.set + std::string(kWaiting),
          .key = nft::Key::of_bytes(element.key.bytes() + element.data.bytes()),
          .data = {},
          .comment = element.comment};
}

/// The first that got a port keeps it: while it lives, `element` waits for it.
void claim(nft::Part& part, nft::Element& element, const std::string& owner, const Node& node) {
  if (!is_alive(owner, node)) return part.replaced.push_back(element);
  log_warning("{} waits for a port of the node that {} has", element.comment, owner);
  // CHECK counts it as made: the pod reaches its port as soon as it is free.
  element = waiting(element);
}

void try_map(const PortmapPlan& plan, const Node& node) {
  std::vector<nft::Part> parts = parts_of(plan);
  kernel::NlSocket socket = nft::open_socket();
  for (nft::Part& part : parts)
    for (nft::Element& element : part.elements) {
      const auto found = nft::find_element(socket, table(), element);
      if (!found || nft::is_comment(found->comment, element.comment)) continue;
      if (element.data.bytes().empty())
        part.replaced.push_back(element);  // an address that was another pod's before
      else
        claim(part, element, found->comment, node);
    }
  nft::put(socket, parts, "mapping ports to " + owner_text(plan.id));
}

/// Who gets the port of `element` when that goes.
std::optional<nft::Element> successor_of(kernel::NlSocket& socket, const nft::Element& element, const Node& node) {
  const std::string key = element.key.bytes();
  for (const nft::ListedElement& listed : nft::list_elements(socket, table(), element.set + std::string(kWaiting))) {
    if (!listed.key.starts_with(key) || !is_alive(listed.comment, node)) continue;
    return nft::Element{.set = element.set,
                        .key = element.key,
                        .data = nft::Key::of_bytes(listed.key.substr(key.size())),
                        .comment = listed.comment};
  }
  return std::nullopt;
}

/// In one batch per port, so that there is always one who has it.
void hand_over(kernel::NlSocket& socket, nft::Part& part, const Node& node) {
  std::vector<nft::Element> rest;
  for (const nft::Element& element : part.elements) {
    const auto successor = element.data.bytes().empty() ? std::nullopt : successor_of(socket, element, node);
    if (!successor) {
      rest.push_back(element);
      continue;
    }
    nft::put(socket, {{.fixture = part.fixture, .elements = {*successor}, .replaced = {element, waiting(*successor)}}},
             "handing a port over to " + successor->comment);
  }
  part.elements = std::move(rest);
}

}  // namespace

void map_with_nftables(const PortmapPlan& plan, const Node& node) {
  constexpr int kTries = 5;
  for (int i = 1; i < kTries; ++i) try {
      return try_map(plan, node);
    } catch (const kernel::KernelError& error) {
      if (error.err() != EEXIST && error.err() != ENOENT) throw;  // another call got the port, or went, just now
    }
  try_map(plan, node);
}

void unmap_with_nftables(const PortmapPlan& plan, const Node& node) {
  std::vector<nft::Part> parts = parts_of(plan);
  for (nft::Part& part : parts)
    // Both: whether this pod has the port or waits for it, nobody has written down.
    for (std::size_t i = part.elements.size(); i-- > 0;)
      if (!part.elements[i].data.bytes().empty()) part.elements.push_back(waiting(part.elements[i]));
  kernel::NlSocket socket = nft::open_socket();
  nft::keep_own(socket, parts);
  for (nft::Part& part : parts) hand_over(socket, part, node);
  nft::drop(socket, parts, "no longer mapping ports to " + owner_text(plan.id));
}

std::vector<std::string> compare_with_nftables(const PortmapPlan& plan) {
  std::vector<std::string> missing;
  kernel::NlSocket socket = nft::open_socket();
  for (nft::Part& part : parts_of(plan)) {
    for (nft::Element& element : part.elements)
      if (!element.data.bytes().empty() && nft::has_element(socket, table(), waiting(element)))
        element = waiting(element);
    for (std::string& clause : nft::compare(socket, part.fixture, part.elements)) missing.push_back(std::move(clause));
  }
  return missing;
}

}  // namespace barewire::standard
