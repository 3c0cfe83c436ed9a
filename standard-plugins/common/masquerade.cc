// SPDX-License-Identifier: Apache-2.0
// One chain per network and subnet, one element per pod: cost does not grow with the number of pods.
#include "standard-plugins/common/masquerade.h"

// clang-format off: it has to come before the kernel's header of the same types
#include <netinet/in.h>
// clang-format on
#include <linux/netfilter.h>

#include <boost/json/array.hpp>

#include "core/kernel/nftables.h"
#include "standard-plugins/common/command.h"
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/iptables_batch.h"
#include "standard-plugins/common/legacy_iptables.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace nft = kernel::nft;
namespace json = boost::json;

namespace {

constexpr std::string_view kBackendKey = "ipMasqBackend";
constexpr const char* kTable = "nat";
constexpr const char* kPostRouting = "POSTROUTING";
constexpr std::size_t kLongestName = 180;  // a comment has room for that and two addresses
constexpr int kSourceNatPriority = 101;    // behind "srcnat", nft(8): the rules of others decide first

IpPrefix multicast(bool v4) {
  return *IpPrefix::parse(v4 ? "224.0.0.0/4" : "ff00::/8");
}

/// The chain and set of one subnet of a network.
nft::Fixture fixture_of(const std::string& network, const IpPrefix& subnet) {
  const bool v4 = subnet.address.is_v4();
  const std::string name = "masq_" + hash_name(network + " " + subnet.text());
  const std::string set = name + "_pods";
  nft::Chain chain{
      .name = name,
      .hook = nft::Chain::Hook{"nat", NF_INET_POST_ROUTING, kSourceNatPriority},
      .comment = fmt::format("{}: {} to the outside", state::shorten(network, kLongestName), subnet.text()),
      .rules = {}};
  nft::Rule rule;
  rule.family_is(v4).load_address(v4, true, 0).in_set(set, 0);
  // A subnet of no bits holds every destination: nothing is outside it.
  rule.address_in(subnet, false, false).address_in(multicast(v4), false, false);
  chain.rules.push_back(rule.masquerade());
  return {.table = {nft::Family::inet, "barewire"},
          .sets = {{.name = set, .key = {nft::address_type(subnet.address)}, .data = {}, .comment = {}}},
          .chains = {chain}};
}

std::vector<nft::Element> elements_of(const state::AttachmentId& id, const nft::Fixture& fixture,
                                      const IpPrefix& address) {
  return {{.set = fixture.sets.front().name,
           .key = nft::Key().address(address.address),
           .data = {},
           .comment = owner_text(id)}};
}

/// One chain per pod and family, as the reference's iptables backend has.
struct PodChain {
  std::string name;
  std::vector<std::vector<std::string>> rules;
  std::vector<std::vector<std::string>> jumps;  ///< from kPostRouting
};

PodChain pod_chain(const state::AttachmentId& id, bool v4, const std::vector<IpPrefix>& addresses) {
  const std::vector<std::string> comment = {"-m", "comment", "--comment", comment_text(owner_text(id))};
  PodChain chain{.name = "CNI-BW-" + hash_name(owner_text(id)), .rules = {}, .jumps = {}};
  for (const IpPrefix& address : addresses) {
    if (address.address.is_v4() != v4) continue;
    // Before the rule that masquerades: neighbours of the subnet see the pod's own address.
    chain.rules.push_back({"-d", address.network().text(), "-j", "ACCEPT"});
    std::vector<std::string> jump = {"-s", address.address.text()};
    jump.insert(jump.end(), comment.begin(), comment.end());
    jump.insert(jump.end(), {"-j", chain.name});
    chain.jumps.push_back(std::move(jump));
  }
  chain.rules.push_back({"!", "-d", multicast(v4).text(), "-j", "MASQUERADE"});
  return chain;
}

/// Calls `work` for each family that the pod has an address of.
template <typename Work>
void for_each_chain(const state::AttachmentId& id, const Masquerade& masquerade, const Work& work) {
  for (const bool v4 : {true, false}) {
    const PodChain chain = pod_chain(id, v4, masquerade.addresses);
    if (!chain.jumps.empty()) work(v4, chain);
  }
}

void add_with_iptables(bool v4, const PodChain& chain) {
  IptablesBatch batch(v4, kBackendKey, kTable);
  batch.make_chain(chain.name);
  for (const auto& rule : chain.rules) batch.append(chain.name, rule);
  for (const auto& jump : chain.jumps) batch.append(kPostRouting, jump);
  batch.commit();
}

IptablesBatch removal(bool v4, const PodChain& chain) {
  IptablesBatch batch(v4, kBackendKey, kTable);
  return batch.make_chain(chain.name).remove_chain(chain.name);
}

void remove_with_iptables(bool v4, const PodChain& chain) {
  if (!may_have_iptables_chain(v4, kTable, chain.name)) return;
  IptablesBatch batch(v4, kBackendKey, kTable);
  for (const auto& jump : chain.jumps) batch.remove(kPostRouting, jump);
  batch.make_chain(chain.name).remove_chain(chain.name);
  // One of the lines named something that is gone, and then none was carried out: one by one, then.
  if (batch.try_commit()) return;
  const Iptables iptables(v4, kBackendKey);
  for (const auto& jump : chain.jumps)
    while (iptables.has_rule(kTable, kPostRouting, jump)) iptables.remove_rule(kTable, kPostRouting, jump);
  removal(v4, chain).commit();
}

void compare_with_iptables(std::vector<std::string>& missing, bool v4, const PodChain& chain) {
  IptablesBatch batch(v4, kBackendKey, kTable);
  for (const auto& jump : chain.jumps) batch.require(kPostRouting, jump);
  for (const auto& rule : chain.rules) batch.require(chain.name, rule);
  if (batch.try_commit()) return;
  const Iptables iptables(v4, kBackendKey);
  for (const auto& jump : chain.jumps)
    if (!iptables.has_rule(kTable, kPostRouting, jump))
      missing.push_back(fmt::format("iptables {} has no rule for {}", kPostRouting, jump[1]));
  for (const auto& rule : chain.rules)
    if (!iptables.has_rule(kTable, chain.name, rule))
      missing.push_back(fmt::format("iptables chain {} is not as it was made", chain.name));
}

}  // namespace

NatBackend parse_masquerade_backend(const JsonView& root) {
  const auto key = root.find(kBackendKey);
  const std::string name = key ? key->string() : std::string();
  if (name == "nftables") return NatBackend::nftables;
  // Without the key the node decides: where iptables' tables are in use, rules belong where its administrator looks.
  if (name.empty()) return uses_iptables_nat() ? NatBackend::iptables : NatBackend::nftables;
  if (name != "iptables") key->reject("\"nftables\" or \"iptables\"");
  for (const bool v4 : {true, false}) const IptablesBatch probe(v4, kBackendKey, kTable);
  return NatBackend::iptables;
}

bool has_iptables_nat() {
  return may_have_iptables_chain(true, kTable, kPostRouting) || may_have_iptables_chain(false, kTable, kPostRouting);
}

bool uses_iptables_nat() {
  return has_iptables_nat() && has_iptables_commands();
}

std::optional<Masquerade> Masquerade::from_record(const state::Attachment& attachment) {
  const json::value* found = attachment.data.if_contains("masquerade");
  if (found == nullptr || !found->is_object()) return std::nullopt;
  const JsonView view(*found, "record key", Error::Code::state);
  Masquerade masquerade;
  masquerade.backend = view.string_or("backend", "") == "iptables" ? NatBackend::iptables : NatBackend::nftables;
  for (const JsonView& address : view.at("addresses").array()) {
    const auto prefix = IpPrefix::parse(address.string());
    if (!prefix) address.reject("an address with a prefix length");
    masquerade.addresses.push_back(*prefix);
  }
  return masquerade;
}

void Masquerade::to_record(state::Attachment& attachment) const {
  json::array list;
  for (const IpPrefix& address : addresses) list.emplace_back(address.text());
  attachment.data["masquerade"] =
      json::object{{"backend", backend == NatBackend::iptables ? "iptables" : "nftables"}, {"addresses", list}};
}

void add_masquerade(const state::AttachmentId& id, const Masquerade& masquerade, const Node& node) {
  if (masquerade.backend == NatBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    return for_each_chain(id, masquerade, add_with_iptables);
  }
  kernel::NlSocket socket = nft::open_socket();
  for (const IpPrefix& address : masquerade.addresses) {
    const nft::Fixture fixture = fixture_of(id.network, address.network());
    nft::put(socket, fixture, elements_of(id, fixture, address), "masquerading " + address.address.text());
  }
}

void remove_masquerade(const state::AttachmentId& id, const Masquerade& masquerade, const Node& node) {
  if (masquerade.backend == NatBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    return for_each_chain(id, masquerade, remove_with_iptables);
  }
  // Not even the question, which would load nf_tables.
  if (masquerade.addresses.empty()) return;
  kernel::NlSocket socket = nft::open_socket();
  for (const IpPrefix& address : masquerade.addresses) {
    const nft::Fixture fixture = fixture_of(id.network, address.network());
    nft::drop(socket, fixture, elements_of(id, fixture, address), "no longer masquerading " + address.address.text());
  }
}

std::vector<std::string> compare_masquerade(const state::AttachmentId& id, const Masquerade& masquerade) {
  std::vector<std::string> missing;
  const auto take = [&](const std::vector<std::string>& more) {
    missing.insert(missing.end(), more.begin(), more.end());
  };
  if (masquerade.backend == NatBackend::iptables) {
    for_each_chain(id, masquerade, [&](bool v4, const PodChain& chain) { compare_with_iptables(missing, v4, chain); });
    return missing;
  }
  for (const IpPrefix& address : masquerade.addresses) {
    kernel::NlSocket socket = nft::open_socket();
    const nft::Fixture fixture = fixture_of(id.network, address.network());
    take(nft::compare(socket, fixture, elements_of(id, fixture, address)));
  }
  return missing;
}

}  // namespace barewire::standard
