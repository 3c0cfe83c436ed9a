// SPDX-License-Identifier: Apache-2.0
/// The reference plugin's chains: CNI-FORWARD, which FORWARD enters first, and the admin's, which CNI-FORWARD enters
/// first. Names and comments of what pods share are the reference's, so that both suites use one set of chains.
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/iptables_batch.h"
#include "standard-plugins/common/legacy_iptables.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/firewall/accept.h"

namespace barewire::standard {

namespace {

using Words = std::vector<std::string>;

constexpr const char* kKey = "backend";
constexpr const char* kTable = "filter";
constexpr const char* kForward = "FORWARD";
constexpr const char* kChain = "CNI-FORWARD";

Words jump_to(const std::string& chain, const char* comment) {
  return {"-m", "comment", "--comment", comment, "-j", chain};
}
Words entry() {
  return jump_to(kChain, "CNI firewall plugin rules");
}
Words admin_entry(const PodAccept& pod) {
  return jump_to(pod.config.admin_chain, "CNI firewall plugin admin overrides");
}

/// The reference plugin's are the same, but not signed.
std::vector<Words> rules_of(const PodAccept& pod, const IpAddress& address, bool is_signed) {
  const std::string one = IpPrefix{address, static_cast<std::uint8_t>(address.size() * 8)}.text();
  std::vector<Words> rules = {{"-d", one, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"}, {"-s", one}};
  for (Words& rule : rules) {
    if (is_signed) rule.insert(rule.end(), {"-m", "comment", "--comment", comment_text(owner_text(pod.id))});
    rule.insert(rule.end(), {"-j", "ACCEPT"});
  }
  return rules;
}

template <typename Work>
void for_each_family(const PodAccept& pod, const Work& work, bool is_signed = true) {
  for (const bool v4 : {true, false}) {
    std::vector<Words> rules;
    for (const IpAddress& address : pod.addresses)
      if (address.is_v4() == v4)
        for (Words& rule : rules_of(pod, address, is_signed)) rules.push_back(std::move(rule));
    if (!rules.empty()) work(v4, rules);
  }
}

/// The pod's own rules, which count on what all pods share.
IptablesBatch accepting(const PodAccept& pod, bool v4, const std::vector<Words>& rules) {
  IptablesBatch batch(v4, kKey, kTable);
  // With the shared chains there, which is nearly always, a pod costs one process; where they are not, the batch fails
  // whole and they are made.
  batch.require(kForward, entry()).require(kChain, admin_entry(pod));
  for (const Words& rule : rules) batch.append(kChain, rule);
  return batch;
}

void remove_rules(bool v4, const std::vector<Words>& rules) {
  // Asked of the kernel: where there is no such chain, no command has to be started.
  if (!may_have_iptables_chain(v4, kTable, kChain)) return;
  IptablesBatch batch(v4, kKey, kTable);
  for (const Words& rule : rules) batch.remove(kChain, rule);
  if (batch.try_commit()) return;
  const Iptables iptables(v4, kKey);
  for (const Words& rule : rules) iptables.remove_rule(kTable, kChain, rule);
}

}  // namespace

void accept_with_iptables(const PodAccept& pod) {
  for_each_family(pod, [&](bool v4, const std::vector<Words>& rules) {
    const IptablesBatch batch = accepting(pod, v4, rules);
    if (batch.try_commit()) return;
    const Iptables iptables(v4, kKey);
    // Chains before the jumps to them, and those to the admin's chain first: his rules decide before ours.
    iptables.ensure_chain(kTable, kChain);
    iptables.ensure_chain(kTable, pod.config.admin_chain);
    iptables.ensure_rule(kTable, kForward, entry(), true);
    iptables.ensure_rule(kTable, kChain, admin_entry(pod), true);
    batch.commit();
  });
}

void remove_from_iptables(const PodAccept& pod) {
  for_each_family(pod, remove_rules);
  if (!pod.has_record) for_each_family(pod, remove_rules, false);
}

std::vector<std::string> compare_with_iptables(const PodAccept& pod) {
  std::vector<std::string> missing;
  for_each_family(pod, [&](bool v4, const std::vector<Words>& rules) {
    IptablesBatch batch(v4, kKey, kTable);
    batch.require(kForward, entry()).require(kChain, admin_entry(pod));
    for (const Words& rule : rules) batch.require(kChain, rule);
    if (batch.try_commit()) return;
    const Iptables iptables(v4, kKey);
    const auto require = [&](const char* chain, const Words& rule) {
      if (!iptables.has_rule(kTable, chain, rule))
        missing.push_back(fmt::format("iptables chain {} is not as it was made", chain));
    };
    require(kForward, entry());
    require(kChain, admin_entry(pod));
    for (const Words& rule : rules) require(kChain, rule);
  });
  return missing;
}

}  // namespace barewire::standard
