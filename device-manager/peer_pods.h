// SPDX-License-Identifier: Apache-2.0
/// Pods that the reference plugins made and nobody took down: no record of ours tells of them, but the runtime's cache
/// of results does, and their rules are there. Used by `barewire gc`. Source: libcni's cache, "cniCacheV1".
#pragma once

#include <string>
#include <vector>

#include "core/cni/plugin.h"
#include "device-manager/reaper.h"

namespace barewire::manager {

/// One attachment of the runtime's cache, ready for DEL.
struct PeerPod {
  std::string network, container_id, ifname, netns;
  cni::Environment environment;      ///< of DEL, but for the command
  std::vector<std::string> configs;  ///< one per plugin of the list, in the order of DEL
  std::vector<std::string> types;    ///< of each
  std::string cache_file;
};

/// Those whose netns is gone and of which something is left on the node. A file that cannot be read, or tells no netns,
/// is passed over.
std::vector<PeerPod> find_dead_peer_pods(const Node& node);

/// DEL by each plugin of its list that Barewire has; then the runtime's memory of it is removed, as the runtime does.
Reaped reap(const Node& node, const PeerPod& pod);

/// "network/container/interface", for people.
std::string name_of(const PeerPod& pod);

}  // namespace barewire::manager
