// SPDX-License-Identifier: Apache-2.0
// systemd's socket where there is one: then no ADD fails while the daemon starts anew.
#include "ipam/dhcp/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "core/cni/plugin.h"
#include "core/log.h"
#include "core/unix_socket.h"
#include "ipam/dhcp/call.h"

namespace barewire::ipam::dhcp {

namespace {

using namespace std::chrono_literals;

constexpr Time kPatience = 10s;                ///< with a caller that connects and says nothing
constexpr std::size_t kLongestCall = 4 << 20;  ///< bytes: a configuration with a prevResult, many times over
constexpr std::size_t kConnections = 512;
constexpr int kFirstHandedOver = 3;  // SD_LISTEN_FDS_START

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// nullopt when systemd hands nothing over. Source: sd_listen_fds(3).
std::optional<Fd> take_activated() {
  if (variable("LISTEN_PID") != std::to_string(::getpid())) return std::nullopt;
  const std::string count = variable("LISTEN_FDS");
  if (count.empty() || count == "0") return std::nullopt;
  if (count != "1")
    throw Error(Error::Code::environment, fmt::format("LISTEN_FDS is {}; expected 1 socket", count),
                "see cni-dhcp.socket");
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(kFirstHandedOver, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || listening == 0)
    throw Error(Error::Code::environment, "the descriptor handed over by LISTEN_FDS is no listening socket");
  ::fcntl(kFirstHandedOver, F_SETFD, FD_CLOEXEC);
  ::fcntl(kFirstHandedOver, F_SETFL, O_NONBLOCK);
  return Fd(kFirstHandedOver);
}

std::string socket_path(const DaemonOptions& options) {
  return options.host_prefix + (options.socket_path.empty() ? kDefaultSocketPath : options.socket_path);
}

}  // namespace

Listener Listener::open(const std::string& path) {
  if (auto handed = take_activated()) return {std::move(*handed), true};
  const sockaddr_un address = unix_address(path);
  make_directories(path.substr(0, path.rfind('/')), 0700);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw sys_error("opening a unix socket");
  if (has_listener(path))
    throw Error(Error::Code::held, fmt::format("listening on {} failed: another DHCP daemon does", path));
  // Of a daemon that was killed: has_listener has told that nobody listens there.
  remove_file(path);
  // The socket is root's from its first moment.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int err = errno;
  ::umask(before);
  if (bound < 0) throw errno_error(err, fmt::format("binding {}", path));
  if (::listen(fd.get(), SOMAXCONN) < 0) throw sys_error("listening on {}", path);
  return {std::move(fd), false};
}

Server::Server(const DaemonOptions& options, const StopSignals& stop)
    : stop_(stop),
      path_(socket_path(options)),
      listener_(Listener::open(path_)),
      leases_({.timing = options.timing,
               .host_prefix = options.host_prefix,
               .run_dir = options.host_prefix + Node().run_dir,
               .socket_path = path_.substr(options.host_prefix.size())},
              [this](int id, const std::string& bytes) { answer(id, bytes); }) {}

Server::~Server() {
  if (!listener_.activated) ::unlink(path_.c_str());
}

void Server::run() {
  leases_.load(boot_time());
  log_info("listening on {}{}", path_, listener_.activated ? ", handed over by systemd" : "");
  for (;;) {
    const std::vector<pollfd> polled = wait();
    const Time now = boot_time();
    // Asked to stop. Leases stay on record, and the next daemon takes them up.
    if (polled[0].revents != 0) break;
    leases_.work(polled, now);
    for (auto& [id, connection] : connections_) {
      const auto found = std::find_if(polled.begin(), polled.end(),
                                      [&, fd = connection.fd.get()](const pollfd& one) { return one.fd == fd; });
      serve(id, connection, found == polled.end() ? short{0} : found->revents, now);
    }
    std::erase_if(connections_, [](const auto& entry) { return entry.second.done; });
    if (polled[1].revents != 0) accept(now);
  }
  log_info("stopping as asked; leases stay until the next start");
}

std::vector<pollfd> Server::wait() const {
  const int listening = connections_.size() < kConnections ? listener_.fd.get() : -1;  // poll(2) skips -1
  std::vector<pollfd> polled = {{.fd = stop_.fd(), .events = POLLIN, .revents = 0},
                                {.fd = listening, .events = POLLIN, .revents = 0}};
  for (const auto& [id, connection] : connections_)
    polled.push_back(
        {.fd = connection.fd.get(), .events = static_cast<short>(connection.called ? 0 : POLLIN), .revents = 0});
  leases_.collect(polled);
  int timeout = -1;
  if (const auto due = deadline())
    timeout = static_cast<int>(std::clamp<std::int64_t>((*due - boot_time()).count() + 1, 0, INT_MAX));
  if (::poll(polled.data(), polled.size(), timeout) < 0 && errno != EINTR) throw sys_error("waiting for events");
  return polled;
}

std::optional<Time> Server::deadline() const {
  std::optional<Time> first = leases_.deadline();
  for (const auto& [id, connection] : connections_)
    if (!connection.called) first = std::min(first.value_or(Time::max()), connection.since + kPatience);
  return first;
}

void Server::accept(Time now) {
  while (connections_.size() < kConnections) {
    Fd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    connections_.emplace(next_id_++, Connection{.fd = std::move(fd), .since = now});
  }
}

void Server::serve(int id, Connection& connection, short events, Time now) {
  if (connection.called) {
    if ((events & (POLLHUP | POLLERR)) == 0) return;  // its half is closed since it called
    connection.done = true;
    return leases_.abandon(id);
  }
  try {
    if (events != 0) read(connection);
    if (connection.called) call(id, connection, now);
    if (!connection.called && now >= connection.since + kPatience) connection.done = true;
  } catch (const Error& error) {
    answer(id, cni::error_json(error, cni::kLatestVersion));
  } catch (const std::exception& error) {
    answer(id, cni::error_json(Error(Error::Code::internal, error.what()), cni::kLatestVersion));
  }
}

void Server::read(Connection& connection) {
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) connection.done = true;
    if (got < 0) return;
    if (got == 0) connection.called = true;
    if (got == 0) return;
    connection.input.append(buffer.data(), static_cast<std::size_t>(got));
    if (connection.input.size() > kLongestCall)
      throw Error(Error::Code::decode, fmt::format("a call of more than {} bytes", kLongestCall));
  }
}

void Server::call(int id, Connection& connection, Time now) {
  // Taken out: a call may wait minutes for a DHCP server, and its bytes are not needed meanwhile.
  const std::string input = std::move(connection.input);
  leases_.call(decode_call(input), id, now);
}

/// A caller that does not read what little there is to read has gone.
void Server::answer(int id, const std::string& bytes) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if (::send(found->second.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0)
    log_warning("answering a call failed, ignoring: {}", std::strerror(errno));
  found->second.done = true;
}

}  // namespace barewire::ipam::dhcp
