// SPDX-License-Identifier: Apache-2.0
// libopenvswitch frames and parses; polling and time are ours, since its poll loop knows no deadline.
#include "ovs-plugin/ovsdb/transport.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "core/error.h"
#include "core/unix_socket.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

extern "C" {
#include <socket-util.h>
}

namespace barewire::ovsdb {
namespace {

constexpr auto kPauseWhenBacklogIsFull = std::chrono::milliseconds(2);
// One sentence, of a program of ours; more of it is no sentence.
constexpr std::size_t kLongestHelperLine = 1024;
constexpr const char* kTlsHelperName = "barewire-ovsdb-tls";

std::string hint_for(const Endpoint& endpoint, int err) {
  switch (err) {
    case ENOENT:
      return "the socket does not exist: is Open vSwitch started, and is the path right?";
    case ECONNREFUSED:
      return "nobody listens there: ovsdb-server is down";
    case EACCES:
      return "the socket is there, but this user may not use it";
    case ETIMEDOUT:
      return "it did not answer in time: is ovsdb-server hung, or the address unreachable?";
    default:
      break;
  }
  return endpoint.scheme == Endpoint::Scheme::unix_socket
             ? ""
             : "is the address right, and ovsdb-server set to listen there?";
}

[[noreturn]] void throw_unreachable(const Endpoint& endpoint, std::string_view why, std::string hint) {
  throw Error(Error::Code::try_again,
              fmt::format("connecting to the Open vSwitch database at {} failed: {}", endpoint.text(), why),
              std::move(hint));
}
[[noreturn]] void throw_unreachable(const Endpoint& endpoint, int err) {
  throw_unreachable(endpoint, std::strerror(err), hint_for(endpoint, err));
}

// sun_path ends at 108 bytes; a longer path is reached through a descriptor of its directory. Source: unix(7), proc(5).
sockaddr_un socket_address(const Endpoint& endpoint, Fd& directory) {
  const std::filesystem::path path = endpoint.address;
  std::string name = path;
  if (name.size() > kLongestSocketPath) {
    directory = Fd(open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) throw_unreachable(endpoint, errno);
    name = fmt::format("/proc/self/fd/{}/{}", directory.get(), path.filename().native());
    // The name within the directory is too long by itself.
    if (name.size() > kLongestSocketPath) throw_unreachable(endpoint, ENAMETOOLONG);
  }
  return unix_address(name);
}

Fd connect_unix(const Endpoint& endpoint, Deadline deadline) {
  Fd directory;
  const sockaddr_un address = socket_address(endpoint, directory);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw sys_error("opening a socket");
  while (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    // EAGAIN: the server's queue of connections is full, and there is nothing to poll for. Source: connect(2).
    if (errno != EAGAIN && errno != EINTR) throw_unreachable(endpoint, errno);
    if (has_passed(deadline)) throw_unreachable(endpoint, ETIMEDOUT);
    std::this_thread::sleep_for(kPauseWhenBacklogIsFull);
  }
  return socket;
}

/// A socket that is writable has either connected or failed. Source: connect(2), EINPROGRESS.
int pending_error(int socket) {
  int err = 0;
  socklen_t size = sizeof err;
  return getsockopt(socket, SOL_SOCKET, SO_ERROR, &err, &size) < 0 ? errno : err;
}

Fd connect_tcp(const Endpoint& endpoint, Deadline deadline) {
  sockaddr_storage address{};
  // No name is looked up: a plugin that waits for a name server holds up the pod.
  if (!inet_parse_active(endpoint.address.c_str(), OVSDB_PORT, &address, false, nullptr)) {
    throw_unreachable(endpoint, EINVAL);
  }
  Fd socket(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw sys_error("opening a socket");
  const socklen_t size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    if (errno != EINPROGRESS) throw_unreachable(endpoint, errno);
    if (!wait_until_ready(socket.get(), POLLOUT, deadline)) throw_unreachable(endpoint, ETIMEDOUT);
    if (const int err = pending_error(socket.get())) throw_unreachable(endpoint, err);
  }
  const int on = 1;
  // Requests are small and each waits for its answer: held back for more, it would only come later.
  if (setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) throw sys_error("setting TCP_NODELAY");
  return socket;
}

std::string tls_helper_of(const Endpoint& endpoint) {
  if (!endpoint.tls_helper.empty()) return endpoint.tls_helper;
  std::error_code unreadable;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  const auto here = self.parent_path();
  // As the build tree has it; as a prefix has it, seen from bin/ or sbin/, and from lib/cni/.
  for (const char* way : {".", "../libexec/barewire", "../../libexec/barewire"}) {
    const auto found = (here / way / kTlsHelperName).lexically_normal();
    if (!unreadable && access(found.c_str(), X_OK) == 0) return found;
  }
  return std::string(BAREWIRE_LIBEXEC_DIR "/") + kTlsHelperName;
}

Helper spawn_helper(const Endpoint& endpoint, int its_socket, Deadline deadline) {
  // TLS is a program of its own: OpenSSL would add its start-up to every call of every plugin, and most switches are
  // reached by a socket.
  const std::string program = tls_helper_of(endpoint);
  const TlsFiles& tls = endpoint.tls;
  const std::string patience = fmt::to_string(milliseconds_left(deadline));
  const std::array<const char*, 7> argv{program.c_str(),
                                        endpoint.address.c_str(),
                                        tls.private_key.c_str(),
                                        tls.certificate.c_str(),
                                        tls.ca_certificate.c_str(),
                                        patience.c_str(),
                                        nullptr};
  // CNI variables, and OpenSSL's, are none of its business.
  char* no_environment[] = {nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, its_socket, STDIN_FILENO);
  // stdout belongs to the CNI result: a helper that outlives a killed plugin must not keep it open.
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int err =
      posix_spawn(&pid, program.c_str(), &actions, nullptr, const_cast<char* const*>(argv.data()), no_environment);
  posix_spawn_file_actions_destroy(&actions);
  if (err) throw errno_error(err, fmt::format("starting {}, which speaks TLS to {},", program, endpoint.text()));
  return Helper(pid);
}

// The helper's first line: empty when TLS is up, else why it is not.
std::string read_first_line(int socket, Deadline deadline) {
  std::string line;
  while (line.size() < kLongestHelperLine) {
    if (!wait_until_ready(socket, POLLIN, deadline)) return std::strerror(ETIMEDOUT);
    char byte = 0;
    // Byte by byte, because what follows the line is the server's and must stay in the socket.
    const ssize_t got = recv(socket, &byte, 1, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return line + " (the TLS helper ended)";
    if (got < 0) continue;
    if (byte == '\n') break;
    line.push_back(byte);
  }
  return line;
}

// OpenSSL would not say which file it could not read.
void require_readable(const TlsFiles& tls) {
  for (const std::string& file : {tls.private_key, tls.certificate, tls.ca_certificate}) {
    if (access(file.c_str(), R_OK) < 0) throw sys_error("reading {}, needed for an ssl: endpoint,", file);
  }
}

Transport connect_tls(const Endpoint& endpoint, Deadline deadline) {
  require_readable(endpoint.tls);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
    throw sys_error("opening a socket pair");
  Transport transport{Fd(ends[0]), {}};
  Fd its_end(ends[1]);
  transport.helper = spawn_helper(endpoint, its_end.get(), deadline);
  // Or the end of the helper would never be seen: its socket would still be open here.
  its_end.reset();
  const std::string failure = read_first_line(transport.socket.get(), deadline);
  if (!failure.empty())
    throw_unreachable(endpoint, failure, "are the address, the keys and the server's certificate right?");
  return transport;
}

}  // namespace

Helper& Helper::operator=(Helper&& other) noexcept {
  std::swap(pid_, other.pid_);
  return *this;
}

Helper::~Helper() {
  if (pid_ <= 0) return;
  // It has nothing to tidy up, and a call must not end later because of it.
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Transport connect_to(const Endpoint& endpoint, Deadline deadline) {
  switch (endpoint.scheme) {
    case Endpoint::Scheme::tcp:
      return {connect_tcp(endpoint, deadline), {}};
    case Endpoint::Scheme::tls:
      return connect_tls(endpoint, deadline);
    case Endpoint::Scheme::unix_socket:
      break;
  }
  return {connect_unix(endpoint, deadline), {}};
}

}  // namespace barewire::ovsdb
