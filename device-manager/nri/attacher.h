// SPDX-License-Identifier: Apache-2.0
/// Puts the VFs of a pod's prepared claims into its sandbox's netns and takes them back, by the plugins' own ADD and
/// DEL: what is attached here is on record as every attachment, and the records are all that this remembers. Of one
/// thread. session.h says when.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/claim_record.h"
#include "core/state/store.h"
#include "device-manager/nri/messages.h"

namespace barewire::nri {

class Attacher {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  /// `node` outlives it. `network` is the name of the attachments' network, a CNI network's; `log` hears a line of what
  /// is worth knowing.
  Attacher(const Node& node, std::string network, std::function<void(const std::string&)> log);

  /// Each VF of the pod's claims that nobody has attached is in the sandbox's netns afterwards; VFs that are there
  /// already, by a network of the pod or an earlier call, stay as they are. On failure what this call has attached is
  /// detached again before `deadline`, or else by tidy(), and Error is thrown. A pod without claims costs a look at the
  /// claims' records.
  void attach(const Sandbox& sandbox, Deadline deadline);
  /// What attach() made for the sandbox. Never throws; what could not be done by `deadline` is left to tidy().
  void detach(const std::string& sandbox, Deadline deadline) noexcept;
  /// Goes on with what was left. True when nothing is.
  bool tidy() noexcept;

 private:
  /// A VF to be attached, and how it is to be called.
  struct Wanted {
    const state::ClaimedDevice* device;
    std::string ifname;
  };
  std::vector<state::ClaimRecord> claims_of(const Sandbox& sandbox) const;
  /// Of `claims` what is not attached to this sandbox yet.
  std::vector<Wanted> missing(const std::vector<state::ClaimRecord>& claims, const Sandbox& sandbox) const;
  /// Throws Error{config} for a name that is taken.
  void give_names(std::vector<Wanted>& wanted, const Sandbox& sandbox) const;
  bool is_to_be_attached(const state::ClaimedDevice& device, const Sandbox& sandbox) const;
  /// One ADD. Throws Error.
  void add(const Sandbox& sandbox, const Wanted& wanted, Deadline deadline);
  /// One DEL. Throws Error.
  void del(const state::Attachment& attachment, Deadline deadline);
  /// DEL of those of `sandbox`; with `only` of these interfaces alone. True when none is left.
  bool del_all(const std::string& sandbox, const std::set<std::string>* only, Deadline deadline);

  const Node& node_;
  std::string network_;
  std::function<void(const std::string&)> log_;
  state::Store store_;
  state::ClaimRecords claims_;
  /// Sandboxes with attachments that should not be there any more, and the interfaces meant; none named: all.
  std::map<std::string, std::set<std::string>> untidy_;
};

}  // namespace barewire::nri
