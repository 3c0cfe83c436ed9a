// SPDX-License-Identifier: Apache-2.0
/// The steps of `provision` and `apply` as they are taken: a line for each, and on a terminal one that counts.
#pragma once

#include <string>

#include "device-manager/cli/session.h"
#include "device-manager/provision.h"

namespace barewire::cli {

/// One line per step; on a terminal the line of a long step counts as VFs appear.
class ProgressLines {
 public:
  /// `pf` is what the PF is called.
  ProgressLines(const Session& session, std::string pf) : session_(session), pf_(std::move(pf)) {}
  void show(const manager::Progress& progress);
  /// Whatever comes next gets a line of its own.
  void finish();

 private:
  const Session& session_;
  std::string pf_;
  const manager::ProvisionStep* step_ = nullptr;
};

}  // namespace barewire::cli
