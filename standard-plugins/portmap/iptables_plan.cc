// SPDX-License-Identifier: Apache-2.0
/// Port mappings by the iptables commands: the shared chains of the reference plugin, with its rules and in its places,
/// and one chain per pod. What all pods share is asked for in the same call that makes the pod's own.
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/iptables_batch.h"
#include "standard-plugins/common/legacy_iptables.h"
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

struct Entry {
  std::string chain;
  Words rule;
  bool first = false;  ///< before what is in the chain
};

/// Of one family of one pod.
struct Chains {
  std::vector<std::string> shared;  ///< chains, in order
  std::vector<Entry> entries;       ///< rules that all pods share
  std::string own;
  std::vector<Words> rules;  ///< of `own`
  std::vector<Words> jumps;  ///< from kTranslate to `own`
};

void append(Words& words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
}

Words commented(const std::string& comment, const Words& rule) {
  Words words = {"-m", "comment", "--comment", comment_text(comment)};
  append(words, rule);
  return words;
}

std::string mark_of(const PortmapConfig& config) {
  const std::uint32_t mark = std::uint32_t{1} << static_cast<unsigned>(config.mark_bit);
  return fmt::format("{0:#x}/{0:#x}", mark);
}

std::string mark_chain(const PortmapConfig& config) {
  return config.external_mark_chain.empty() ? kSetMark : config.external_mark_chain;
}

/// kMasquerade comes first in POSTROUTING: behind the rules for pods' own addresses, which accept what stays in their
/// subnet, it would not see what a pod sends to itself.
void add_shared(Chains& chains, const PortmapConfig& config) {
  // Only what is for the node itself: a connection that passes through to another host's port is left alone.
  const Words local = {"-m", "addrtype", "--dst-type", "LOCAL", "-j", kTranslate};
  chains.shared.emplace_back(kTranslate);
  for (const char* chain : {"PREROUTING", "OUTPUT"}) chains.entries.push_back({chain, local});
  if (!config.source_nat || !config.external_mark_chain.empty()) return;
  chains.shared.emplace_back(kSetMark);
  chains.shared.emplace_back(kMasquerade);
  chains.entries.push_back(
      {kSetMark, commented("CNI portfwd masquerade mark", {"-j", "MARK", "--set-xmark", mark_of(config)})});
  chains.entries.push_back({kMasquerade, {"-m", "mark", "--mark", mark_of(config), "-j", "MASQUERADE"}});
  chains.entries.push_back({"POSTROUTING", commented("CNI portfwd requiring masquerade", {"-j", kMasquerade}), true});
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
}

/// Of one protocol, as many ports to a rule as the multiport match takes. nerdctl reads from these rules which ports of
/// the node are taken. Source: iptables-extensions(8), multiport.
void add_jumps(Chains& chains, const PortmapPlan& plan, bool v4) {
  constexpr std::size_t kMostPorts = 15;
  std::map<std::string, std::vector<std::uint16_t>> ports;
  for (const PortMapping& mapping : plan.config.mappings)
    if (mapping.serves(v4)) ports[mapping.protocol].push_back(mapping.host_port);
  for (auto& [protocol, list] : ports) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    for (std::size_t first = 0; first < list.size(); first += kMostPorts) {
      const auto begin = list.begin() + static_cast<std::ptrdiff_t>(first);
      const auto end = begin + static_cast<std::ptrdiff_t>(std::min(kMostPorts, list.size() - first));
      Words jump = {"-p", protocol, "-m", "multiport", "--dports", fmt::format("{}", fmt::join(begin, end, ","))};
      append(jump, plan.config.conditions(v4));
      append(jump, {"-j", chains.own});
      chains.jumps.push_back(commented(owner_text(plan.id), jump));
    }
  }
}

Chains chains_of(const PortmapPlan& plan, const IpPrefix& address) {
  Chains chains;
  chains.own = "CNI-DN-" + hash_name(owner_text(plan.id));
  add_shared(chains, plan.config);
  for (const PortMapping& mapping : plan.config.mappings)
    if (mapping.serves(address.address.is_v4())) add_mapping(chains, plan, mapping, address);
  add_jumps(chains, plan, address.address.is_v4());
  return chains;
}

/// The pod's own, which counts on what all pods share.
IptablesBatch making(bool v4, const Chains& chains) {
  IptablesBatch batch(v4, kBackendKey, kTable);
  // Asked for and not made: their places in PREROUTING and the like are kept when they are there, and one call is
  // enough.
  for (const Entry& entry : chains.entries) batch.require(entry.chain, entry.rule);
  batch.make_chain(chains.own);
  for (const Words& rule : chains.rules) batch.append(chains.own, rule);
  for (const Words& jump : chains.jumps) batch.append(kTranslate, jump);
  return batch;
}

IptablesBatch removing(bool v4, const Chains& chains, const std::vector<Words>& jumps) {
  IptablesBatch batch(v4, kBackendKey, kTable);
  for (const Words& jump : jumps) batch.remove(kTranslate, jump);
  batch.make_chain(chains.own).remove_chain(chains.own);
  return batch;
}

}  // namespace

void map_with_iptables(const PortmapPlan& plan) {
  for (const IpPrefix& address : plan.addresses) {
    const bool v4 = address.address.is_v4();
    const Chains chains = chains_of(plan, address);
    if (chains.jumps.empty()) continue;
    const IptablesBatch batch = making(v4, chains);
    if (batch.try_commit()) continue;
    const Iptables iptables(v4, kBackendKey);
    for (const std::string& chain : chains.shared) iptables.ensure_chain(kTable, chain);
    for (const Entry& entry : chains.entries) iptables.ensure_rule(kTable, entry.chain, entry.rule, entry.first);
    batch.commit();
  }
}

void unmap_with_iptables(const PortmapPlan& plan) {
  for (const IpPrefix& address : plan.addresses) {
    const bool v4 = address.address.is_v4();
    const Chains chains = chains_of(plan, address);
    if (chains.jumps.empty() || !may_have_iptables_chain(v4, kTable, chains.own)) continue;
    if (removing(v4, chains, chains.jumps).try_commit()) continue;
    const Iptables iptables(v4, kBackendKey);
    for (const Words& jump : chains.jumps)
      // In a loop: a repair that was killed, or the batch of another version, may have left it twice.
      while (iptables.has_rule(kTable, kTranslate, jump)) iptables.remove_rule(kTable, kTranslate, jump);
    removing(v4, chains, {}).commit();
  }
}

std::vector<std::string> compare_with_iptables(const PortmapPlan& plan) {
  std::vector<std::string> missing;
  for (const IpPrefix& address : plan.addresses) {
    const bool v4 = address.address.is_v4();
    const Chains chains = chains_of(plan, address);
    if (chains.jumps.empty()) continue;
    std::vector<Entry> all = chains.entries;
    for (const Words& rule : chains.rules) all.push_back({chains.own, rule});
    for (const Words& jump : chains.jumps) all.push_back({kTranslate, jump});
    IptablesBatch batch(v4, kBackendKey, kTable);
    for (const Entry& entry : all) batch.require(entry.chain, entry.rule);
    if (batch.try_commit()) continue;
    const Iptables iptables(v4, kBackendKey);
    for (const Entry& entry : all)
      if (!iptables.has_rule(kTable, entry.chain, entry.rule))
        missing.push_back(fmt::format("iptables chain {} is not as it was made", entry.chain));
  }
  return missing;
}

}  // namespace barewire::standard
