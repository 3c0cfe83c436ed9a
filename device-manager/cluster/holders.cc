// SPDX-License-Identifier: Apache-2.0
// What a change takes is told by planning it once more as if nobody had a VF.
#include "device-manager/cluster/holders.h"

#include <algorithm>

namespace barewire::cluster {
namespace {

using manager::StepKind;

declared::NicPlan plan_if_free(const declared::Nic& nic, declared::NicFacts facts) {
  for (auto& each : facts.base.in_use) each.reset();
  return declared::plan_nic(nic, facts);
}

/// Every VF goes with a new count or mode; else only those that get another driver.
bool takes(const declared::NicPlan& plan, std::uint32_t vf) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const manager::ProvisionStep& each) {
    if (each.kind == StepKind::set_count || each.kind == StepKind::set_eswitch) return true;
    return (each.kind == StepKind::bind_driver || each.kind == StepKind::unbind_driver) && each.vf == vf;
  });
}

void add_pod(std::vector<state::Pod>& pods, const state::Pod& pod) {
  const auto is_same = [&](const state::Pod& each) {
    return each.name == pod.name && each.name_space == pod.name_space;
  };
  if (std::none_of(pods.begin(), pods.end(), is_same)) pods.push_back(pod);
}

}  // namespace

bool would_drain_help(const declared::Nic& nic, const declared::NicFacts& facts) {
  return plan_if_free(nic, facts).refusals.empty();
}

void add_holders(Holders& holders, const declared::Nic& nic, const declared::NicFacts& facts,
                 const manager::PfEntry& pf) {
  const auto plan = plan_if_free(nic, facts);
  const auto& in_use = facts.base.in_use;
  for (const manager::VfEntry& entry : pf.vfs) {
    const std::uint32_t id = entry.vf.id;
    if (id >= in_use.size() || !in_use[id] || !takes(plan, id)) continue;
    if (entry.holder && !entry.holder->pod.name.empty())
      add_pod(holders.pods, entry.holder->pod);
    else if (!entry.holder && entry.allocation && !entry.allocation->pod.name.empty())
      add_pod(holders.pods, entry.allocation->pod);
    else
      holders.unknown.push_back(fmt::format("VF {} of {}: {}", id, pf.name(), *in_use[id]));
  }
}

}  // namespace barewire::cluster
