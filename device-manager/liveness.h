// SPDX-License-Identifier: Apache-2.0
/// Is the network namespace of an attachment still there? Decided for the reaper, which undoes what dead ones left.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "core/state/attachment.h"

namespace barewire::manager {

/// The network namespaces that some process is in, seen at one moment. A namespace can also live on without a process,
/// through a bind mount: `is_alive` looks at the record's own path for that.
class LiveNetNs {
 public:
  /// Reads <proc>/*/ns/net. Processes that end meanwhile are passed over. Throws Error{io} when `proc` cannot be
  /// listed. Source: namespaces(7).
  static LiveNetNs scan(const std::string& proc = "/proc");

  /// False only when it is certain that nothing of the attachment's netns is left: another boot, or neither its path
  /// leads to it nor a process is in it. An inode that another netns has by now does not count. A record that does not
  /// say which netns it was is alive while its path opens.
  bool is_alive(const state::Attachment& attachment, const std::string& boot_id) const;

 private:
  std::map<std::pair<dev_t, ino_t>, std::string> paths_;  ///< of one of its processes each
};

/// Does the record's own path still lead to the netns of its ADD, in this boot? The cheap question, asked first.
bool is_at_its_path(const state::Attachment& attachment, const std::string& boot_id);

/// Throws Error{environment} in a PID namespace other than the node's first: a netns that only processes hold would be
/// taken for gone there. Source: include/linux/proc_ns.h, PROC_PID_INIT_INO.
void require_every_process(const std::string& proc = "/proc");

}  // namespace barewire::manager
