// SPDX-License-Identifier: Apache-2.0
// Planned again until nothing is left to do: what the kernel makes of a step shows only afterwards.
#include "device-manager/state/apply.h"

#include "core/fd.h"
#include "core/run_directory.h"
#include "device-manager/state/bridges.h"
#include "device-manager/state/rdma_mode.h"
#include "device-manager/state/reader.h"

namespace barewire::declared {
namespace {

/// The steps, what they changed unforeseen (a driver that set an MTU of its own), and once more for luck lost to
/// others.
constexpr std::size_t kRounds = 3;

std::string text_of(const std::vector<Change>& changes) {
  std::vector<std::string> parts;
  for (const Change& each : changes)
    parts.push_back(fmt::format("{} is {}, declared {}", each.what, each.now, each.wanted));
  return fmt::format("{}", fmt::join(parts, "; "));
}

/// What is against it now; the facts are those under the lock.
void require_allowed(const Nic& nic, const NicFacts& facts, const NicPlan& plan) {
  const auto problems = find_problems(nic, facts);
  if (!problems.empty()) throw Error(Error::Code::config, problems.front().text, problems.front().hint);
  if (plan.refusals.empty()) return;
  throw Error(Error::Code::held, fmt::format("applying {} to {} is refused: {}", nic.place(), facts.name(),
                                             fmt::join(plan.refusals, "; ")));
}

}  // namespace

bool apply_nic(const Node& node, const Nic& nic, const std::string& address, const manager::OnProgress& on_progress) {
  const auto lock = state::Store(node.run_dir).lock_device(address);
  // Kept: who shows progress tells steps apart by where they are.
  std::vector<NicPlan> rounds;
  rounds.reserve(kRounds + 1);
  while (true) {
    const NicFacts facts = read_facts_of(node, address);
    const NicPlan& plan = rounds.emplace_back(plan_nic(nic, facts));
    require_allowed(nic, facts, plan);
    if (plan.steps.empty()) return rounds.size() > 1;
    if (rounds.size() > kRounds)
      throw Error(Error::Code::drift, fmt::format("{} is still not as declared: {}", plan.name, text_of(plan.changes)),
                  "the kernel log (dmesg) may tell why; another program may be changing it");
    manager::run_steps(node, facts.pf(), plan.steps, on_progress);
  }
}

std::string pools_file(const Node& node) {
  return node.run_dir + "/pools.json";
}

std::optional<Change> compare_pools(const Node& node, const std::string& document) {
  const auto now = read_file(pools_file(node));
  if (now.value_or("") == document) return std::nullopt;
  return Change{"pools of the node daemon", now ? "others" : "none", document.empty() ? "none" : "as declared"};
}

void write_pools(const Node& node, const std::string& document) {
  if (!compare_pools(node, document)) return;
  if (document.empty()) {
    remove_file(pools_file(node));
    return;
  }
  make_run_directory(node.run_dir, {});
  write_file_atomically(pools_file(node), document, Durability::until_reboot, 0644);
}

std::vector<std::string> find_drift(const Node& node, const std::string& file) {
  const Declaration declaration = read_whole_declaration(file);
  std::vector<std::string> drift;
  const auto add = [&](const std::vector<Problem>& problems) {
    for (const Problem& each : problems) drift.push_back("wrong declaration: " + each.text);
  };
  add(declaration.problems);
  if (declaration.is_empty() || !drift.empty()) return drift;
  const NodePlan plan = plan_node(declaration, read_facts(node));
  add(plan.problems);
  for (const NicPlan& nic : plan.nics)
    if (!nic.is_as_declared())
      drift.push_back(fmt::format("{} is not as declared ({}): {}", nic.name, nic.nic->place(), text_of(nic.changes)));
  if (const auto rdma = plan_rdma(declaration))
    drift.push_back(fmt::format("RDMA is not as declared ({}): {}", rdma->place, text_of({rdma->change})));
  for (const BridgePlan& each : try_plan_bridges(declaration))
    if (!each.changes.empty())
      drift.push_back(fmt::format("bridge {} is not as declared ({}: {}): {}", each.bridge->name, each.bridge->file,
                                  each.bridge->key, text_of(each.changes)));
  for (const Nic* nic : plan.absent)
    drift.push_back(fmt::format("no NIC of this node is like the one declared at {}", nic->place()));
  return drift;
}

}  // namespace barewire::declared
