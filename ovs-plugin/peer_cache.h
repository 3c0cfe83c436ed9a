// SPDX-License-Identifier: Apache-2.0
/// What ovs-cni and userspace-cni wrote down about a pod they attached, so that their pods can be taken down by us.
/// undo.cc uses it.
#pragma once

#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/node.h"
#include "ovs-plugin/ovsdb/endpoint.h"

namespace barewire::ovs {

struct PeerCache {
  std::string path;
  ovsdb::Endpoint endpoint;
  std::string device_name;  ///< of a VF before it was moved into the pod; empty for a veth
};

/// `<state>/ovs-cni/cache/<container>-<ifname>`, or the same below /tmp/ovscache. A file that cannot be read as JSON
/// counts with the request's own socket.
std::optional<PeerCache> find_peer_cache(const cni::Request& request, const Node& node);

/// Removes the veth from the pod, or moves the VF back under its name; harmless when it or the netns is gone.
void undo_peer_link(const cni::Request& request, const PeerCache& cache, const Node& node);

/// The port that userspace-cni made, by name: nobody owns it in the database. Source: userspace-cni, cniovs/localdb.go.
struct UserspaceCache {
  std::string path;
  std::string port;  ///< empty when the file cannot be read
};
/// `<state>/usrspcni/data/local-<container's first 12>-<ifname>.json`.
std::optional<UserspaceCache> find_userspace_cache(const cni::Request& request, const Node& node);

/// The files that it made for the pod in `sharedDir`, and that directory once it is empty.
void undo_shared_directory(const cni::Request& request);

}  // namespace barewire::ovs
