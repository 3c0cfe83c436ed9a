// SPDX-License-Identifier: Apache-2.0
/// barewire-ovsdb-tls ADDRESS KEY CERTIFICATE CA-CERTIFICATE MILLISECONDS: connects to an OVSDB server over TLS with
/// the ssl: stream of libopenvswitch, says so in a line on descriptor 0 (empty, or the reason it failed), then copies
/// bytes between that socket and the server until either side closes. Started by transport.cc alone.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/fd.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

extern "C" {
#include <openvswitch/poll-loop.h>
#include <stream-ssl.h>
}

namespace {

// Not descriptor 0, where the socket comes: the library's poll loop takes 0 for none.
constexpr int kPlain = 3;

// The library explains a failure only in its log: keep that where it can be read back.
class LibraryLog {
 public:
  LibraryLog() : file_(memfd_create("log", MFD_CLOEXEC)) {
    dup2(file_.get(), STDERR_FILENO);
    vlog_set_pattern(VLF_CONSOLE, "%m");
    // Otherwise it writes to syslog too.
    vlog_set_levels(nullptr, VLF_ANY_DESTINATION, VLL_OFF);
    vlog_set_levels(nullptr, VLF_CONSOLE, VLL_WARN);
  }
  std::string first_line() const {
    std::array<char, 512> text{};
    const ssize_t size = pread(file_.get(), text.data(), text.size(), 0);
    std::string line(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    return line.substr(0, line.find('\n'));
  }

 private:
  barewire::Fd file_;
};

// Bytes on their way in one direction: read only when the last ones are gone.
struct Buffer {
  std::array<char, 65536> bytes;
  std::size_t begin = 0;
  std::size_t end = 0;

  bool empty() const { return begin == end; }
  void filled(std::size_t n) { begin = 0, end = n; }
};

enum class Flow { open, closed };

Flow from_plain(Buffer& buffer) {
  const ssize_t got = recv(kPlain, buffer.bytes.data(), buffer.bytes.size(), 0);
  if (got == 0) return Flow::closed;
  if (got < 0) return errno == EAGAIN ? Flow::open : Flow::closed;
  buffer.filled(static_cast<std::size_t>(got));
  return Flow::open;
}

Flow to_plain(Buffer& buffer) {
  const ssize_t sent = send(kPlain, &buffer.bytes[buffer.begin], buffer.end - buffer.begin, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN ? Flow::open : Flow::closed;
  buffer.begin += static_cast<std::size_t>(sent);
  return Flow::open;
}

Flow from_server(stream* server, Buffer& buffer) {
  const int got = stream_recv(server, buffer.bytes.data(), buffer.bytes.size());
  if (got == 0) return Flow::closed;
  if (got < 0) return got == -EAGAIN ? Flow::open : Flow::closed;
  buffer.filled(static_cast<std::size_t>(got));
  return Flow::open;
}

Flow to_server(stream* server, Buffer& buffer) {
  const int sent = stream_send(server, &buffer.bytes[buffer.begin], buffer.end - buffer.begin);
  if (sent < 0) return sent == -EAGAIN ? Flow::open : Flow::closed;
  buffer.begin += static_cast<std::size_t>(sent);
  return Flow::open;
}

void wait_for_either(stream* server, const Buffer& outward, const Buffer& inward) {
  stream_run_wait(server);
  if (outward.empty()) {
    poll_fd_wait(kPlain, POLLIN);
  } else {
    stream_send_wait(server);
  }
  if (inward.empty()) {
    stream_recv_wait(server);
  } else {
    poll_fd_wait(kPlain, POLLOUT);
  }
  poll_block();
}

void relay(stream* server) {
  Buffer outward;
  Buffer inward;
  for (;;) {
    stream_run(server);
    // Tried without asking poll first: TLS may hold bytes that the socket no longer shows.
    if (outward.empty() && from_plain(outward) == Flow::closed) return;
    if (!outward.empty() && to_server(server, outward) == Flow::closed) return;
    if (inward.empty() && from_server(server, inward) == Flow::closed) return;
    if (!inward.empty() && to_plain(inward) == Flow::closed) return;
    wait_for_either(server, outward, inward);
  }
}

int say(const std::string& line) {
  const std::string text = line + "\n";
  return send(kPlain, text.data(), text.size(), MSG_NOSIGNAL) < 0 || !line.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  // Started by hand, or without its socket: there is nobody to tell.
  if (argc != 6 || dup2(STDIN_FILENO, kPlain) < 0) return EXIT_FAILURE;
  close(STDIN_FILENO);
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  const LibraryLog log;
  stream_ssl_set_key_and_cert(argv[2], argv[3]);
  stream_ssl_set_ca_cert_file(argv[4], false);
  stream* server = nullptr;
  const std::string name = std::string("ssl:") + argv[1];
  const int err = stream_open_block(stream_open(name.c_str(), &server, 0), std::atoi(argv[5]), &server);
  if (err) {
    const std::string reason = log.first_line();
    return say(reason.empty() ? std::strerror(err) : reason);
  }
  // The plugin has gone meanwhile: nobody is left to relay for.
  if (say("") != EXIT_SUCCESS) return EXIT_FAILURE;
  relay(server);
  stream_close(server);
  return EXIT_SUCCESS;
}
