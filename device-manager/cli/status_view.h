// SPDX-License-Identifier: Apache-2.0
/// What `barewire status` says: is this node fine, and what next. Pure logic.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/cli/terminal.h"
#include "device-manager/reaper.h"
#include "device-manager/snapshot.h"

namespace barewire::cli {

struct Concern {
  std::string what;
  std::string next;  ///< what to type; may be empty
};

struct Status {
  std::size_t nics = 0;
  std::size_t vfs = 0;
  std::size_t free = 0;  ///< of the VFs, as the next three
  std::size_t allocated = 0;
  std::size_t in_pods = 0;            ///< the drifted among them
  std::size_t elsewhere = 0;          ///< in use by somebody else, or without a driver
  std::size_t others = 0;             ///< attachments that hold no VF
  std::optional<std::string> policy;  ///< where the node's policy is, when it has one
  std::vector<Concern> concerns;      ///< empty: the node is fine
};

/// What was looked at: `plan` is absent where pods could not be told dead, for the reason `blind`.
struct Looked {
  manager::Snapshot snapshot;
  std::optional<manager::ReapPlan> plan;
  std::string blind;
};
Status assess(const Looked& looked);

std::string render_status(const Status& status, const Terminal& terminal);
boost::json::object to_json(const Status& status);

}  // namespace barewire::cli
