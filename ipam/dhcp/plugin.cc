// SPDX-License-Identifier: Apache-2.0
/// The operations of the dhcp plugin: what ipam/plugins.h promises. The daemon does the work; DEL and GC do without it.
#include <filesystem>

#include "core/cni/life.h"
#include "core/log.h"
#include "ipam/dhcp/call.h"
#include "ipam/dhcp/lease_record.h"
#include "ipam/plugins.h"

namespace barewire::ipam::dhcp {

namespace {

using std::chrono::seconds;

/// Longer than the daemon asks servers for by default, shorter than kubelet waits.
constexpr seconds kLeaseTimeout{230};
constexpr seconds kTimeout{30};
constexpr const char* kStartIt = "start it: systemctl start cni-dhcp.socket, or `dhcp daemon`";

Error no_daemon(const std::string& path, Error::Code code) {
  return Error(code, fmt::format("connecting to the DHCP daemon at {} failed: nothing listens there", path), kStartIt);
}

/// The daemon may have another working directory.
cni::Request with_absolute_netns(cni::Request request) {
  if (!request.netns.empty()) request.netns = std::filesystem::absolute(request.netns).string();
  return request;
}

cni::Result require_answer(const cni::Request& request, seconds timeout, Error::Code code) {
  const std::string path = socket_path_of(request);
  const auto result = call_daemon(path, with_absolute_netns(request), timeout);
  if (!result) throw no_daemon(path, code);
  return *result;
}

/// Where DEL can still be told of a daemon, whatever has become of the configuration.
std::string socket_path_for_del(const cni::Request& request) {
  try {
    return socket_path_of(request);
  } catch (const Error&) {  // ADD refused it, so it is not where the lease came from
    return kDefaultSocketPath;
  }
}

void release_one(const cni::Request& request, const state::AttachmentId& id, Node& node) {
  cni::Request call = with_absolute_netns(request);
  call.command = cni::Command::del;
  call.container_id = id.container_id;
  call.ifname = id.ifname;
  try {
    if (call_daemon(socket_path_for_del(request), call, kTimeout)) return;
  } catch (const Error& error) {  // a daemon that hangs must not keep the pod from going; it will miss the record
    log_warning("releasing lease {} without the DHCP daemon: {}", id.text(), error.what());
  }
  state::Store store = lease_store(node.run_dir);
  forget(store, id, "");
}

}  // namespace

cni::Result add(const cni::Request& request, Node&) {
  // A wrong key is told here, by the one who was called; the daemon reads it again from the record.
  Config::parse(request);
  return require_answer(request, kLeaseTimeout, Error::Code::io);
}

void del(const cni::Request& request, Node& node) {
  release_one(request, state::attachment_id(request, kPluginName), node);
}

void check(const cni::Request& request, Node&) {
  Config::parse(request);
  require_answer(request, kTimeout, Error::Code::io);
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, lease_store(node.run_dir), kPluginName,
                   [&](const state::Attachment& lease) { release_one(request, lease.id, node); });
}

void status(const cni::Request& request, Node&) {
  Config::parse(request);
  require_answer(request, kTimeout, Error::Code::not_available);
}

void validate(const cni::Request& request) {
  Config::parse(request);
}

}  // namespace barewire::ipam::dhcp
