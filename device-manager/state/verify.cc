// SPDX-License-Identifier: Apache-2.0
// Outside of the PF's lock: the probe takes it itself.
#include "device-manager/state/verify.h"

#include "device-manager/dpdk/ask.h"
#include "device-manager/state/facts.h"

namespace barewire::declared {
namespace {

/// The first VF of the group that is free; nullptr: none is.
const vf::Vf* find_free(const NicFacts& facts, const VfGroup& group) {
  for (std::size_t i = 0; i < facts.pf().vfs.size(); ++i)
    if (group.contains(facts.pf().vfs[i].id) && !facts.base.in_use[i]) return &facts.pf().vfs[i];
  return nullptr;
}

std::vector<Doubt> verify_group(const Node& node, const NicFacts& facts, const VfGroup& group) {
  const vf::Vf* vf = find_free(facts, group);
  // In use all of them, so it works for somebody; none is taken from its holder for a question.
  if (vf == nullptr) return {};
  const std::string name = fmt::format("VF {} of {} ({})", vf->id, facts.name(), vf->pci.address);
  const auto answer = dpdk::ask(node, vf->pci.address);
  if (!answer.report)
    return {{fmt::format("{}: whether DPDK can drive it is not known: {}", name, answer.why_not), false}};
  if (answer.report->usable) return {};
  return {{fmt::format("{}: DPDK cannot drive it: {}", name, answer.report->problem), group.verify == Verify::require}};
}

}  // namespace

std::vector<Doubt> verify_groups(const Node& node, const Nic& nic, const std::string& address) {
  std::vector<Doubt> doubts;
  const auto asks = [](const VfGroup& group) { return group.verify != Verify::off; };
  if (std::none_of(nic.groups.begin(), nic.groups.end(), asks)) return doubts;
  const NicFacts facts = read_facts_of(node, address);
  for (const VfGroup& group : nic.groups)
    if (asks(group))
      for (Doubt& doubt : verify_group(node, facts, group)) doubts.push_back(std::move(doubt));
  return doubts;
}

}  // namespace barewire::declared
