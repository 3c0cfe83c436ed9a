// SPDX-License-Identifier: Apache-2.0
/// Finding a network namespace again when the path it was known by leads nowhere, or somewhere else: through the
/// processes that are in it and the mounts that lead to it. Used by move.h, and by core/cni/life.h to tell the dead.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/netns.h"
#include "core/look.h"

namespace barewire::vf {

/// The netns of a pod as a record knows it.
struct PodNetns {
  std::string path;                   ///< may be empty, gone or recycled
  std::optional<kernel::NetNsId> id;  ///< absent: the path is all that is known
};

/// What came of looking for a netns.
struct NetNsFinding {
  std::optional<kernel::NetNs> netns;  ///< found, and sure to be the one
  std::string why_unknown;             ///< not found, but this could not be looked at; empty: there is none
  Look exists() const;
};

/// Every netns that a process or thread is in, or a mount in any of their mount namespaces leads to, seen at one
/// moment. Costs a look at every process: for who has many questions, one serves them all.
/// Source: namespaces(7); proc_pid_mountinfo(5).
class NetNsCensus {
 public:
  /// Processes that end meanwhile are passed over. One that may not be looked at (no CAP_SYS_PTRACE, a security module,
  /// hidepid) makes every "no" uncertain, unless it shares the netns of one that may. Throws Error{io} when `proc`
  /// cannot be listed.
  static NetNsCensus take(const std::string& proc = "/proc");

  NetNsFinding find(const kernel::NetNsId& id) const;
  /// Each once, as far as they can be opened.
  std::vector<kernel::NetNs> list() const;
  /// What could not be looked at, so that a netns may not be in the list; empty: nothing.
  const std::string& missed() const noexcept { return missed_; }

 private:
  void look_at_process(const std::string& process);
  bool note(const std::string& path, const std::string& process);
  void look_at_mounts(const std::string& process);
  void resolve_shut();
  void miss(const std::string& what);

  std::multimap<ino_t, std::string> paths_;  ///< every way in
  std::map<ino_t, bool> mount_namespaces_;   ///< looked at
  std::map<std::string, std::string> shut_;  ///< processes that may not be looked at, and what was said
  std::string missed_;                       ///< the first thing that could not be looked at
};

/// By its path, if that still leads to it, else by a census; nullopt when it is not to be found, dead or not.
std::optional<kernel::NetNs> find_netns(const PodNetns& pod);

/// Every netns that has a process or a mount in sight, each once.
std::vector<kernel::NetNs> list_netns();

}  // namespace barewire::vf
