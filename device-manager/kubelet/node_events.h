// SPDX-License-Identifier: Apache-2.0
/// What else than links and records tells that devices may have changed: the kernel's uevents (a driver bound, a VF
/// made or gone), kubelet's sockets, promises written by the admin's command, the pools' file. Beside change_watcher.h;
/// one thread at a time.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/fd.h"

namespace barewire::kubelet {

/// Owns its descriptors. Events may be lost, or mean nothing: they say when to look, not what has happened.
class NodeEvents {
 public:
  /// Throws Error{io}. Source: inotify(7); lib/kobject_uevent.c, Documentation/core-api/kobject.rst.
  NodeEvents();

  /// Readable when something happened; `drain` makes them quiet again.
  std::array<int, 2> descriptors() const noexcept { return {inotify_.get(), uevents_.get()}; }
  /// True when what happened is about devices, sockets or files of ours; not every uevent is. Reads all there is; also
  /// true when events were lost.
  bool drain();
  /// Those that exist by now are watched from now on. One that is watched already stays so; one that is not there yet
  /// is passed over without a word, so call again.
  void watch(const std::vector<std::string>& directories);

 private:
  Fd inotify_;
  Fd uevents_;
};

}  // namespace barewire::kubelet
