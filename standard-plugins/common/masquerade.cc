// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/common/masquerade.h"

// clang-format off: it has to come before the kernel's header of the same types
#include <netinet/in.h>
// clang-format on
#include <linux/netfilter.h>

#include <boost/json/array.hpp>

#include "core/kernel/nftables.h"
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace nft = kernel::nft;
namespace json = boost::json;

namespace {

constexpr std::string_view kBackendKey = "ipMasqBackend";
constexpr int kSourceNatPriority = 100;  // "srcnat", nft(8)

IpPrefix multicast(bool v4) {
  return *IpPrefix::parse(v4 ? "224.0.0.0/4" : "ff00::/8");
}

/// The chain and set of one subnet of a network.
nft::Fixture fixture_of(const std::string& network, const IpPrefix& subnet) {
  const bool v4 = subnet.address.is_v4();
  const std::string name = "masq_" + hash_name(network + " " + subnet.text());
  const std::string set = name + "_pods";
  nft::Chain chain{.name = name,
                   .hook = nft::Chain::Hook{"nat", NF_INET_POST_ROUTING, kSourceNatPriority},
                   .comment = fmt::format("{}: {} to the outside", network, subnet.text()),
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

/// One chain per pod, as the reference's iptables backend has.
struct PodChain {
  std::string name;
  std::vector<std::string> jump;
  std::vector<std::vector<std::string>> rules;
};

PodChain pod_chain(const state::AttachmentId& id, const IpPrefix& address) {
  const bool v4 = address.address.is_v4();
  const std::string name = "CNI-BW-" + hash_name(owner_text(id));
  const std::vector<std::string> comment = {"-m", "comment", "--comment", owner_text(id)};
  PodChain chain{.name = name, .jump = {"-s", address.address.text()}, .rules = {}};
  chain.jump.insert(chain.jump.end(), comment.begin(), comment.end());
  chain.jump.insert(chain.jump.end(), {"-j", name});
  chain.rules.push_back({"-d", address.network().text(), "-j", "ACCEPT"});
  chain.rules.push_back({"!", "-d", multicast(v4).text(), "-j", "MASQUERADE"});
  return chain;
}

void add_with_iptables(const state::AttachmentId& id, const IpPrefix& address) {
  const Iptables iptables(address.address.is_v4(), kBackendKey);
  const PodChain chain = pod_chain(id, address);
  iptables.ensure_chain("nat", chain.name);
  for (const auto& rule : chain.rules) iptables.ensure_rule("nat", chain.name, rule);
  iptables.ensure_rule("nat", "POSTROUTING", chain.jump);
}

void remove_with_iptables(const state::AttachmentId& id, const IpPrefix& address) {
  const Iptables iptables(address.address.is_v4(), kBackendKey);
  const PodChain chain = pod_chain(id, address);
  iptables.remove_rule("nat", "POSTROUTING", chain.jump);
  iptables.remove_chain("nat", chain.name);
}

std::vector<std::string> compare_with_iptables(const state::AttachmentId& id, const IpPrefix& address) {
  const Iptables iptables(address.address.is_v4(), kBackendKey);
  const PodChain chain = pod_chain(id, address);
  std::vector<std::string> missing;
  if (!iptables.has_rule("nat", "POSTROUTING", chain.jump))
    missing.push_back(fmt::format("iptables POSTROUTING has no rule for {}", address.address.text()));
  for (const auto& rule : chain.rules)
    if (!iptables.has_rule("nat", chain.name, rule))
      missing.push_back(fmt::format("iptables chain {} is not as it was made", chain.name));
  return missing;
}

}  // namespace

NatBackend parse_masquerade_backend(const JsonView& root) {
  const auto key = root.find(kBackendKey);
  if (!key || key->string().empty() || key->string() == "nftables") return NatBackend::nftables;
  if (key->string() != "iptables") key->reject("\"nftables\" or \"iptables\"");
  const Iptables probe(true, kBackendKey);
  return NatBackend::iptables;
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
    for (const IpPrefix& address : masquerade.addresses) add_with_iptables(id, address);
    return;
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
    for (const IpPrefix& address : masquerade.addresses) remove_with_iptables(id, address);
    return;
  }
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
  for (const IpPrefix& address : masquerade.addresses) {
    if (masquerade.backend == NatBackend::iptables) {
      take(compare_with_iptables(id, address));
      continue;
    }
    kernel::NlSocket socket = nft::open_socket();
    const nft::Fixture fixture = fixture_of(id.network, address.network());
    take(nft::compare(socket, fixture, elements_of(id, fixture, address)));
  }
  return missing;
}

}  // namespace barewire::standard
