// SPDX-License-Identifier: Apache-2.0
/// Making a node as it is declared: one NIC after another, each under its lock, and what of the declaration the node
/// daemon reads. plan.h says what is to be done.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "device-manager/state/plan.h"

namespace barewire::declared {

/// Brings the NIC at `address` to what `nic` declares. Takes the PF's lock, which every ADD and DEL takes too, reads
/// the NIC again and plans anew; what a step changed unforeseen is planned for once more. Returns whether anything was
/// done. Throws Error{held} with who stands against it and Error{config} before anything is touched, Error{drift} when
/// the NIC is still not as declared, and as manager::provision.
bool apply_nic(const Node& node, const Nic& nic, const std::string& address, const manager::OnProgress& on_progress);

/// Where apply leaves the pools for the node daemon.
std::string pools_file(const Node& node);
/// How that file differs from `document`; nullopt: it does not. Throws Error{io}.
std::optional<Change> compare_pools(const Node& node, const std::string& document);
/// Writes it, or takes it away for an empty `document`. Throws Error{io}.
void write_pools(const Node& node, const std::string& document);

/// One sentence for each way in which the node is not as the files declare it, or in which they cannot be understood;
/// empty also when nothing is declared. For `list`, `check` and whoever only looks. Throws as read_facts.
std::vector<std::string> find_drift(const Node& node, const std::string& file);

/// Writes what `barewire provision` was asked for into a file of its own in the directory beside `file`.
class Saved {
 public:
  /// Throws Error{config} before anything is touched: the NIC is declared elsewhere, or the declaration is not
  /// understood.
  Saved(const Node& node, const std::string& file, const manager::ProvisionRequest& request);
  /// Throws Error{io}.
  void write() const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string bytes_;
};

}  // namespace barewire::declared
