// SPDX-License-Identifier: Apache-2.0
// One call of the dhcp plugin to its daemon: a JSON object each way over a unix socket; closing a direction ends what
// is said in it. The plugin holds no lease and no timer: it ends with the answer, the daemon stays.
#include "ipam/dhcp/call.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/unix_socket.h"

namespace barewire::ipam::dhcp {

namespace {

constexpr const char* kHint = "see the daemon's log: journalctl -u cni-dhcp";

/// nullopt when nobody listens. Source: unix(7).
std::optional<Fd> connect_to(const std::string& path, std::chrono::seconds timeout) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw sys_error("opening a unix socket");
  // Also of connect, which waits where the daemon does not accept. Source: socket(7), SO_SNDTIMEO.
  const timeval patience{timeout.count(), 0};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
    throw sys_error("setting a timeout for the DHCP daemon at {}", path);
  const sockaddr_un address = unix_address(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED) return std::nullopt;
  throw sys_error("connecting to the DHCP daemon at {}", path);
}

/// A daemon that goes away while it is written to must be an error, not a signal.
void send_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw sys_error("writing to the DHCP daemon at {}", path);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  // The end of the call: the daemon reads until here.
  ::shutdown(fd, SHUT_WR);
}

std::string receive_all(int fd, const std::string& path, std::chrono::steady_clock::time_point until) {
  std::string bytes;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&readable, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0)
      throw Error(Error::Code::io, fmt::format("waiting for the DHCP daemon at {} failed: no answer", path), kHint);
    const ssize_t got = ready < 0 ? -1 : ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    // A daemon that dies resets the connection; the answer is then empty, which result_of tells.
    if (got < 0 && errno != ECONNRESET) throw sys_error("reading from the DHCP daemon at {}", path);
    if (got <= 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

cni::Result result_of(const std::string& bytes, const std::string& path) {
  if (bytes.empty())
    throw Error(Error::Code::io,
                fmt::format("waiting for the DHCP daemon at {} failed: it closed the connection", path), kHint);
  const boost::json::value document = parse_json(bytes, "the DHCP daemon's answer");
  const JsonView answer(document, "the DHCP daemon's answer: key", Error::Code::decode);
  if (answer.has("code"))
    throw Error(static_cast<int>(answer.at("code").integer(1, 999, "an error code")), answer.string_or("msg", ""),
                answer.string_or("details", ""));
  // DEL, CHECK and STATUS are answered with an empty object.
  return answer.has("ips") ? cni::Result::parse(answer, cni::kLatestVersion) : cni::Result{};
}

}  // namespace

std::string encode_call(const cni::Request& request) {
  return boost::json::serialize(boost::json::object{{"command", cni::name_of(request.command)},
                                                    {"containerID", request.container_id},
                                                    {"netns", request.netns},
                                                    {"ifname", request.ifname},
                                                    {"args", request.environment.args},
                                                    {"path", request.environment.path},
                                                    {"config", request.stdin_bytes}});
}

cni::Request decode_call(std::string_view bytes) {
  const boost::json::value document = parse_json(bytes, "a call of the dhcp plugin");
  const JsonView call(document, "a call of the dhcp plugin: key", Error::Code::decode);
  const cni::Environment environment{.command = call.string_or("command", ""),
                                     .container_id = call.string_or("containerID", ""),
                                     .netns = call.string_or("netns", ""),
                                     .ifname = call.string_or("ifname", ""),
                                     .path = call.string_or("path", ""),
                                     .args = call.string_or("args", ""),
                                     .netns_override = {}};
  return cni::Request::parse(environment, call.string_or("config", ""), cni::Version{0, 1, 0});
}

std::optional<cni::Result> call_daemon(const std::string& path, const cni::Request& request,
                                       std::chrono::seconds timeout) {
  const auto fd = connect_to(path, timeout);
  if (!fd) return std::nullopt;
  send_all(fd->get(), encode_call(request), path);
  return result_of(receive_all(fd->get(), path, std::chrono::steady_clock::now() + timeout), path);
}

}  // namespace barewire::ipam::dhcp
