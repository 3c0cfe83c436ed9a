// SPDX-License-Identifier: Apache-2.0
// Only for DEL of pods that ovs-cni attached; what is found there is believed as far as it can be seen in the database.
#include "ovs-plugin/peer_cache.h"

#include <filesystem>

#include "core/cni/life.h"
#include "core/directory.h"
#include "core/fd.h"
#include "core/kernel/link.h"
#include "core/log.h"
#include "core/regular_file.h"
#include "ovs-plugin/ovs_config.h"

namespace barewire::ovs {

namespace {

std::string short_name(const cni::Request& request) {
  constexpr std::size_t kIdLength = 12;
  return fmt::format("{}-{}", request.container_id.substr(0, kIdLength), request.ifname);
}

void read_content(const std::string& bytes, PeerCache& cache) {
  try {
    const boost::json::value document = parse_json(bytes, cache.path);
    const JsonView view(document, cache.path + ": key");
    cache.device_name = view.string_or("OrigIfName", "");
    const auto conf = view.find("Netconf");
    const std::string socket = conf ? conf->string_or("socket_file", "") : "";
    if (!socket.empty()) cache.endpoint = ovsdb::parse_endpoint(socket, "socket_file");
  } catch (const Error& error) {
    log_warning("reading the other plugin's record {} failed, ignoring what it says: {}", cache.path, error.what());
  }
}

}  // namespace

std::optional<PeerCache> find_peer_cache(const cni::Request& request, const Node& node) {
  // Newer versions of ovs-cni keep it in the first, older ones in the second.
  for (const std::string& directory : {node.cni_state_dir + "/ovs-cni/cache", std::string("/tmp/ovscache")}) {
    PeerCache cache;
    cache.path = fmt::format("{}/{}-{}", directory, request.container_id, request.ifname);
    const auto bytes = read_roots_file(cache.path);
    if (!bytes) continue;
    // What it recorded goes before what the configuration says today: the port is where ADD made it.
    cache.endpoint = endpoint_leniently(request);
    read_content(*bytes, cache);
    return cache;
  }
  return std::nullopt;
}

void undo_peer_link(const cni::Request& request, const PeerCache& cache, const Node& node) {
  const auto netns = find_unclaimed_netns(request, state::Store(node.run_dir), request.ifname);
  // A stale path may lead to the host's own netns, whose links are nobody's to move.
  if (!netns || netns->is_current()) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto link = kernel::find_link(inside, request.ifname);
  if (!link) return;
  // Its other end, and with it the port's device, goes by itself.
  if (link->kind == "veth") {
    kernel::delete_link(inside, link->index, fmt::format("removing {} of {}", link->name, netns->path()));
  } else if (!cache.device_name.empty()) {
    kernel::set_down(inside, *link);
    kernel::move_link(inside, *link, kernel::NetNs::current(), cache.device_name);
  }
}

std::optional<UserspaceCache> find_userspace_cache(const cni::Request& request, const Node& node) {
  UserspaceCache cache{fmt::format("{}/usrspcni/data/local-{}.json", node.cni_state_dir, short_name(request)), {}};
  const auto bytes = read_roots_file(cache.path);
  if (!bytes) return std::nullopt;
  try {
    const boost::json::value document = parse_json(*bytes, cache.path);
    cache.port = JsonView(document, cache.path + ": key").string_or("vhostname", "");
  } catch (const Error& error) {
    log_warning("reading the other plugin's record {} failed, ignoring what it says: {}", cache.path, error.what());
  }
  return cache;
}

namespace {

/// The socket, and files named as it with an ending; "…-net1" is no beginning of what is net10's or net1.5's.
bool is_own_file(std::string_view name, std::string_view socket) {
  if (!name.starts_with(socket)) return false;
  const std::string_view ending = name.substr(socket.size());
  return ending.empty() || ending == ".json" || ending == ".sock";
}

}  // namespace

void undo_shared_directory(const cni::Request& request) {
  const auto key = request.conf.root().find("sharedDir");
  const std::string directory = key && key->is_string() ? key->string() : "";
  if (!directory.starts_with('/')) return;
  std::error_code failed;
  if (!std::filesystem::is_directory(directory, failed)) return;
  const std::string own = short_name(request);
  for (const std::string& name : list_directory(directory)) {
    const std::string path = directory + "/" + name;
    if (is_own_file(name, own) && !std::filesystem::is_directory(path, failed)) remove_file(path);
  }
  // Other pods may share the directory: only an empty one goes.
  if (std::filesystem::is_empty(directory, failed) && !failed) std::filesystem::remove(directory, failed);
}

}  // namespace barewire::ovs
