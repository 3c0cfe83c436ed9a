// SPDX-License-Identifier: Apache-2.0
/// Undoing what dead sandboxes left: attachments whose netns is gone are DELeted by their own plugin, claims that no
/// record stands behind are released. Which are dead core/cni/life.h tells; what it cannot tell is left alone and said.
/// `barewire gc` does it once, `barewired` for as long as it runs.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/look.h"
#include "core/node.h"
#include "core/state/store.h"

namespace barewire::manager {

using WallTime = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;

struct DeadAttachment {
  state::Attachment attachment;
  bool ripe = false;  ///< older than the guard; one that is not is left for a later look
};

/// What could not be looked at: a record or directory that cannot be read, an attachment whose death cannot be told.
struct Unseen {
  std::string what;
  std::string why;
};

struct ReapPlan {
  std::vector<DeadAttachment> attachments;  ///< newest first, so that a chain is undone in reverse
  std::vector<state::Claim> claims;         ///< without a record, older than the guard
  std::vector<Unseen> unseen{};             ///< left alone; not empty: the plan is not the whole truth
};

/// Whether an attachment is dead: LifeSigns::is_dead.
using Judge = std::function<Look(const state::Attachment&)>;

/// What is dead among `attachments` and `claims`, as `judge` says. Nothing is ripe within `guard` after it began: an
/// ADD may still be at work on it.
ReapPlan plan_reaping(const std::vector<state::Attachment>& attachments, const std::vector<state::Claim>& claims,
                      const Judge& judge, WallTime now, std::chrono::seconds guard);

/// As plan_reaping, of this node at this moment. What cannot be looked at is in `unseen`; throws nothing of it.
ReapPlan plan_reaping(const Node& node, WallTime now, std::chrono::seconds guard);

/// How one dead attachment or claim fared.
struct Reaped {
  std::string what;                    ///< "attachment mynet/3f2a/net1 (sriov)", "claim on 0000:01:10.0"
  std::optional<std::string> error{};  ///< why it could not be undone; it stays for the next time
  std::optional<std::string> left{};   ///< why it was left alone after all: it has gone, or lives
};

/// DELs one attachment by its plugin with the environment and configuration of its ADD. Under the attachment's lock,
/// which stays held until the plugin is done, it is decided once more whether the record is still the same one and its
/// netns dead: an ADD may have come since. Runs the plugin in a child process: it can hang or die without taking the
/// caller along.
Reaped reap(const Node& node, const state::Attachment& attachment);
Reaped reap(const Node& node, const state::Claim& claim);

/// Remembers since when each attachment and claim has been seen dead, by a clock that nobody sets: the daemon's guard
/// against acting on one bad look.
class GraceWatch {
 public:
  explicit GraceWatch(std::chrono::seconds grace) : grace_(grace) {}
  /// What of `plan` is ripe and has been dead for the grace at `now`; forgets what is no longer in it.
  ReapPlan due(const ReapPlan& plan, SteadyTime now);
  /// When the next one becomes due; nullopt when none waits.
  std::optional<SteadyTime> next() const;

 private:
  std::chrono::seconds grace_;
  std::map<std::string, SteadyTime> first_seen_;
};

/// RFC 3339 in UTC, as records have it ("2026-01-02T03:04:05Z"); nullopt for another form.
std::optional<WallTime> parse_time(const std::string& text);

}  // namespace barewire::manager
