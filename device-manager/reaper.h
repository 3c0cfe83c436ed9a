// SPDX-License-Identifier: Apache-2.0
/// Undoing what dead sandboxes left: attachments whose netns is gone are DELeted by their own plugin, claims that no
/// record stands behind are released. `barewire gc` does it once, `barewired` for as long as it runs.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/store.h"

namespace barewire::manager {

using WallTime = std::chrono::system_clock::time_point;

struct DeadAttachment {
  state::Attachment attachment;
  bool ripe = false;  ///< older than the guard; one that is not is left for a later look
};

struct ReapPlan {
  std::vector<DeadAttachment> attachments;  ///< newest first, so that a chain is undone in reverse
  std::vector<state::Claim> claims;         ///< without a record, older than the guard
};

/// What is dead among `attachments` and `claims`, judged by `is_alive`. Nothing is ripe within `guard` after it began:
/// an ADD may still be at work on it.
ReapPlan plan_reaping(const std::vector<state::Attachment>& attachments, const std::vector<state::Claim>& claims,
                      const std::function<bool(const state::Attachment&)>& is_alive, WallTime now,
                      std::chrono::seconds guard);

/// As plan_reaping, of this node at this moment.
ReapPlan plan_reaping(const Node& node, WallTime now, std::chrono::seconds guard);

/// How one dead attachment or claim fared.
struct Reaped {
  std::string what;                  ///< "attachment mynet/3f2a/net1 (sriov)", "claim on 0000:01:10.0"
  std::optional<std::string> error;  ///< why it could not be undone; it stays for the next time
};

/// DELs one attachment by its plugin with the environment and configuration of its ADD; looks first whether the record
/// is still the same one, and afterwards whether it has gone. Runs the plugin in a child process: it can hang or die
/// without taking the caller along.
Reaped reap(const Node& node, const state::Attachment& attachment);
Reaped reap(const Node& node, const state::Claim& claim);

/// Remembers since when each attachment has been seen dead: the daemon's guard against acting on one bad look.
class GraceWatch {
 public:
  explicit GraceWatch(std::chrono::seconds grace) : grace_(grace) {}
  /// Those of `plan` that are ripe and have been dead for the grace at `now`; forgets the ones no longer in it.
  std::vector<state::Attachment> due(const ReapPlan& plan, WallTime now);
  /// When the next one becomes due; nullopt when none waits.
  std::optional<WallTime> next() const;

 private:
  std::chrono::seconds grace_;
  std::map<state::AttachmentId, WallTime> first_seen_;
};

/// RFC 3339 in UTC, as records have it ("2026-01-02T03:04:05Z"); nullopt for another form.
std::optional<WallTime> parse_time(const std::string& text);

}  // namespace barewire::manager
