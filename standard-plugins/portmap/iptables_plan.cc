// SPDX-License-Identifier: Apache-2.0
/// Port mappings by the iptables command: the shared chains of the reference plugin, and one chain per pod.
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/portmap/plan.h"

namespace barewire::standard {

namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kBackendKey = "backend";
constexpr const char* kTable = "nat";
constexpr const char* kTranslate = "CNI-HOSTPORT-DNAT";
constexpr const char* kSetMark = "CNI-HOSTPORT-SETMARK";
constexpr const char* kMasquerade = "CNI-HOSTPORT-MASQ";

struct ChainRule {
  std::string chain;
  Words rule;
};

/// Of one family of one pod.
struct Chains {
  std::vector<std::string> shared;  ///< chains, in order
  std::vector<ChainRule> entries;   ///< rules of the shared chains that lead nowhere but there
  std::string own;
  std::vector<Words> rules;  ///< of `own`
  std::vector<Words> jumps;  ///< from kTranslate to `own`
};

void append(Words& words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
}

std::string mark_of(const PortmapConfig& config) {
  const std::uint32_t mark = std::uint32_t{1} << static_cast<unsigned>(config.mark_bit);
  return fmt::format("{0:#x}/{0:#x}", mark);
}

std::string mark_chain(const PortmapConfig& config) {
  return config.external_mark_chain.empty() ? kSetMark : config.external_mark_chain;
}

void add_shared(Chains& chains, const PortmapConfig& config) {
  const Words local = {"-m", "addrtype", "--dst-type", "LOCAL", "-j", kTranslate};
  chains.shared.emplace_back(kTranslate);
  for (const char* chain : {"PREROUTING", "OUTPUT"}) chains.entries.push_back({chain, local});
  if (!config.source_nat || !config.external_mark_chain.empty()) return;
  chains.shared.emplace_back(kSetMark);
  chains.shared.emplace_back(kMasquerade);
  chains.entries.push_back({kSetMark, {"-j", "MARK", "--set-xmark", mark_of(config)}});
  chains.entries.push_back({kMasquerade, {"-m", "mark", "--mark", mark_of(config), "-j", "MASQUERADE"}});
  chains.entries.push_back({"POSTROUTING", {"-j", kMasquerade}});
}

/// Marks what must be masqueraded to find its way back, then translates.
void add_mapping(Chains& chains, const PortmapPlan& plan, const PortMapping& mapping, const IpPrefix& address) {
  const bool v4 = address.address.is_v4();
  Words match = {"-p", mapping.protocol};
  if (const auto only = mapping.only_address()) append(match, {"-d", only->text()});
  append(match, {"--dport", std::to_string(mapping.host_port)});
  const auto mark = [&](Words from) {
    append(from, match);
    append(from, {"-j", mark_chain(plan.config)});
    chains.rules.push_back(std::move(from));
  };
  if (plan.config.source_nat && plan.config.masquerade_all) mark({});
  if (plan.config.source_nat && !plan.config.masquerade_all) {
    mark({"-s", address.network().text()});
    if (v4) mark({"-s", "127.0.0.0/8"});
  }
  Words translate = match;
  const std::string pod = v4 ? address.address.text() : "[" + address.address.text() + "]";
  append(translate, {"-j", "DNAT", "--to-destination", fmt::format("{}:{}", pod, mapping.container_port)});
  chains.rules.push_back(std::move(translate));
  Words jump = plan.config.conditions(v4);
  append(jump, match);
  append(jump, {"-m", "comment", "--comment", owner_text(plan.id), "-j", chains.own});
  chains.jumps.push_back(std::move(jump));
}

Chains chains_of(const PortmapPlan& plan, const IpPrefix& address) {
  Chains chains;
  chains.own = "CNI-DN-" + hash_name(owner_text(plan.id));
  add_shared(chains, plan.config);
  for (const PortMapping& mapping : plan.config.mappings)
    if (mapping.serves(address.address.is_v4())) add_mapping(chains, plan, mapping, address);
  return chains;
}

}  // namespace

void map_with_iptables(const PortmapPlan& plan) {
  for (const IpPrefix& address : plan.addresses) {
    const Iptables iptables(address.address.is_v4(), kBackendKey);
    const Chains chains = chains_of(plan, address);
    if (chains.jumps.empty()) continue;
    for (const std::string& chain : chains.shared) iptables.ensure_chain(kTable, chain);
    for (const ChainRule& entry : chains.entries) iptables.ensure_rule(kTable, entry.chain, entry.rule);
    iptables.ensure_chain(kTable, chains.own);
    for (const Words& rule : chains.rules) iptables.ensure_rule(kTable, chains.own, rule);
    for (const Words& jump : chains.jumps) iptables.ensure_rule(kTable, kTranslate, jump);
  }
}

void unmap_with_iptables(const PortmapPlan& plan) {
  for (const IpPrefix& address : plan.addresses) {
    const Iptables iptables(address.address.is_v4(), kBackendKey);
    const Chains chains = chains_of(plan, address);
    for (const Words& jump : chains.jumps) iptables.remove_rule(kTable, kTranslate, jump);
    iptables.remove_chain(kTable, chains.own);
  }
}

std::vector<std::string> compare_with_iptables(const PortmapPlan& plan) {
  std::vector<std::string> missing;
  for (const IpPrefix& address : plan.addresses) {
    const Iptables iptables(address.address.is_v4(), kBackendKey);
    const Chains chains = chains_of(plan, address);
    if (chains.jumps.empty()) continue;
    const auto require = [&](const std::string& chain, const Words& rule) {
      if (!iptables.has_rule(kTable, chain, rule))
        missing.push_back(fmt::format("iptables chain {} is not as it was made", chain));
    };
    for (const ChainRule& entry : chains.entries) require(entry.chain, entry.rule);
    for (const Words& rule : chains.rules) require(chains.own, rule);
    for (const Words& jump : chains.jumps) require(kTranslate, jump);
  }
  return missing;
}

}  // namespace barewire::standard
