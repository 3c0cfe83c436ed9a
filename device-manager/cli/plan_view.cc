// SPDX-License-Identifier: Apache-2.0
// The same words on a terminal and in JSON: what is, what shall be, how, and what stands against it.
#include "device-manager/cli/plan_view.h"

#include <algorithm>
#include <boost/json/array.hpp>

#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;
using declared::Change;
using declared::NicPlan;

std::string change_text(const Change& change, const Terminal& terminal) {
  return terminal.paint(fmt::format("  - {}: {}", printable(change.what), printable(change.now)), Style::red) + "\n" +
         terminal.paint(fmt::format("  + {}: {}", printable(change.what), printable(change.wanted)), Style::green) +
         "\n";
}

std::string verdict(const NicPlan& nic) {
  if (nic.is_as_declared()) return "as declared";
  if (nic.nic->externally_managed) return "differs, and is managed by others";
  return nic.refusals.empty() ? "differs" : "refused";
}

std::string nic_text(const NicPlan& nic, const Terminal& terminal) {
  std::string text = terminal.paint(printable(nic.name), Style::bold);
  text += fmt::format(" ({}), {}: {}\n", nic.address, printable(nic.nic->place()), verdict(nic));
  for (const Change& each : nic.changes) text += change_text(each, terminal);
  for (const std::string& each : nic.refusals)
    text += "  " + terminal.paint("refused: " + printable(each), Style::red) + "\n";
  std::size_t number = 0;
  for (const auto& step : nic.steps) text += fmt::format("  {}. {}\n", ++number, printable(step.describe(nic.name)));
  for (const std::string& each : nic.kept)
    text += "  " + terminal.paint("left as its holder has it: " + printable(each), Style::dim) + "\n";
  return text;
}

json::object change_json(const Change& change) {
  return {{"what", change.what}, {"now", change.now}, {"wanted", change.wanted}};
}

json::array strings_json(const std::vector<std::string>& strings) {
  json::array array;
  for (const std::string& each : strings) array.emplace_back(each);
  return array;
}

std::string bridge_text(const declared::BridgePlan& bridge, const Terminal& terminal) {
  const char* verdict = bridge.changes.empty() ? "as declared" : bridge.refusals.empty() ? "differs" : "refused";
  std::string text = terminal.paint("bridge " + printable(bridge.bridge->name), Style::bold);
  text += fmt::format(", {}: {}: {}\n", printable(bridge.bridge->file), bridge.bridge->key, verdict);
  for (const Change& each : bridge.changes) text += change_text(each, terminal);
  for (const std::string& each : bridge.refusals)
    text += "  " + terminal.paint("refused: " + printable(each), Style::red) + "\n";
  return text;
}

std::string rdma_text(const declared::RdmaPlan& rdma, const Terminal& terminal) {
  std::string text = terminal.paint("RDMA", Style::bold);
  text += fmt::format(", {}: {}\n", printable(rdma.place), rdma.refusal.empty() ? "differs" : "refused");
  text += change_text(rdma.change, terminal);
  if (!rdma.refusal.empty()) text += "  " + terminal.paint("refused: " + printable(rdma.refusal), Style::red) + "\n";
  return text;
}

json::value rdma_json(const std::optional<declared::RdmaPlan>& rdma) {
  if (!rdma) return nullptr;
  return json::object{{"declaredAt", rdma->place}, {"change", change_json(rdma->change)}, {"refusal", rdma->refusal}};
}

json::object bridge_json(const declared::BridgePlan& bridge) {
  json::array changes;
  for (const Change& each : bridge.changes) changes.emplace_back(change_json(each));
  return {{"name", bridge.bridge->name},
          {"declaredAt", fmt::format("{}: {}", bridge.bridge->file, bridge.bridge->key)},
          {"asDeclared", bridge.changes.empty()},
          {"changes", std::move(changes)},
          {"refusals", strings_json(bridge.refusals)}};
}

json::object nic_json(const NicPlan& nic) {
  json::array changes, steps;
  for (const Change& each : nic.changes) changes.emplace_back(change_json(each));
  for (const auto& step : nic.steps) steps.emplace_back(step.describe(nic.name));
  return {{"pci", nic.address},
          {"name", nic.name},
          {"declaredAt", nic.nic->place()},
          {"externallyManaged", nic.nic->externally_managed},
          {"asDeclared", nic.is_as_declared()},
          {"changes", std::move(changes)},
          {"refusals", strings_json(nic.refusals)},
          {"steps", std::move(steps)},
          {"kept", strings_json(nic.kept)}};
}

}  // namespace

bool PlanView::is_as_declared() const {
  return !pools && !rdma && plan.absent.empty() && plan.problems.empty() &&
         std::all_of(bridges.begin(), bridges.end(), [](const auto& each) { return each.changes.empty(); }) &&
         std::all_of(plan.nics.begin(), plan.nics.end(), [](const NicPlan& nic) { return nic.is_as_declared(); });
}

bool PlanView::is_refused() const {
  return (rdma && !rdma->refusal.empty()) ||
         std::any_of(plan.nics.begin(), plan.nics.end(), [](const NicPlan& nic) { return !nic.refusals.empty(); }) ||
         std::any_of(bridges.begin(), bridges.end(), [](const auto& each) { return !each.refusals.empty(); });
}

std::string render_plan(const PlanView& view, const Terminal& terminal) {
  std::string text;
  if (view.rdma) text += rdma_text(*view.rdma, terminal);
  for (const NicPlan& nic : view.plan.nics) text += nic_text(nic, terminal);
  for (const declared::Nic* nic : view.plan.absent)
    text += terminal.paint(fmt::format("{}: no NIC of this node is like it\n", printable(nic->place())), Style::yellow);
  for (const declared::BridgePlan& each : view.bridges) text += bridge_text(each, terminal);
  if (view.pools) text += change_text(*view.pools, terminal);
  return text;
}

json::object plan_json(const PlanView& view) {
  json::array nics, absent, problems, bridges;
  for (const declared::BridgePlan& each : view.bridges) bridges.emplace_back(bridge_json(each));
  for (const NicPlan& nic : view.plan.nics) nics.emplace_back(nic_json(nic));
  for (const declared::Nic* nic : view.plan.absent) absent.emplace_back(nic->place());
  for (const auto& each : view.plan.problems)
    problems.emplace_back(json::object{{"text", each.text}, {"hint", each.hint}});
  json::object object{{"format", manager::kSnapshotFormat}, {"files", strings_json(view.declaration.files)}};
  object["nics"] = std::move(nics);
  object["bridges"] = std::move(bridges);
  object["rdma"] = rdma_json(view.rdma);
  object["absent"] = std::move(absent);
  object["problems"] = std::move(problems);
  object["pools"] = view.pools ? json::value(change_json(*view.pools)) : json::value(nullptr);
  return object;
}

std::string problems_text(const std::vector<declared::Problem>& problems) {
  std::string text;
  for (const auto& each : problems) {
    text += fmt::format("barewire: {}\n", printable(each.text));
    if (!each.hint.empty()) text += fmt::format("          {}\n", printable(each.hint));
  }
  return text + fmt::format("barewire: the declaration has {} error{}; nothing was touched\n", problems.size(),
                            problems.size() == 1 ? "" : "s");
}

}  // namespace barewire::cli
