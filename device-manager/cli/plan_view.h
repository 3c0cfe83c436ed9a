// SPDX-License-Identifier: Apache-2.0
/// A plan of the declared state as text and as JSON. No I/O.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "device-manager/cli/terminal.h"
#include "device-manager/state/bridges.h"
#include "device-manager/state/plan.h"
#include "device-manager/state/rdma_mode.h"

namespace barewire::cli {

/// What there is to show: the plan, and how the daemon's pools differ.
struct PlanView {
  const declared::Declaration& declaration;
  const declared::NodePlan& plan;
  std::optional<declared::Change> pools{};
  std::vector<declared::BridgePlan> bridges{};
  std::optional<declared::RdmaPlan> rdma{};

  /// Nothing is wrong, missing or different.
  bool is_as_declared() const;
  bool is_refused() const;
};

/// A diff and the steps for each NIC that differs; a line for each other.
std::string render_plan(const PlanView& view, const Terminal& terminal);
/// docs/node.md describes the keys.
boost::json::object plan_json(const PlanView& view);
/// Everything that is wrong with the declaration, for stderr.
std::string problems_text(const std::vector<declared::Problem>& problems);

}  // namespace barewire::cli
