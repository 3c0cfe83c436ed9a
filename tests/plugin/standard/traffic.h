// SPDX-License-Identifier: Apache-2.0
/// Connections between network namespaces: a server that tells its clients who it takes them for, and clients.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/fd.h"

namespace barewire::test {

/// Answers each TCP connection, and each UDP packet, to `port` of both families with "NAME ADDRESS", the address being
/// the client's as it is seen in `netns`. Until it is destroyed.
class EchoServer {
 public:
  EchoServer(const std::string& netns, std::uint16_t port, std::string name);
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;
  ~EchoServer();

 private:
  void serve();
  std::string name_;
  Fd tcp_, udp_;
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

/// What the server at `address` answers to a TCP connection out of `netns`; empty when there is none.
std::string ask(const std::string& netns, const std::string& address, std::uint16_t port);
/// As ask, for a connection that should not come about: waits as long as two SYNs take, which may be dropped
/// unanswered.
std::string ask_briefly(const std::string& netns, const std::string& address, std::uint16_t port);

/// How long `bytes` take by TCP from `from` to a server in `to` at `address`, until the last has come.
double seconds_to_send(const std::string& from, const std::string& address, const std::string& to, std::size_t bytes);

/// A UDP socket of one source port, so that all its packets are one flow.
class UdpClient {
 public:
  UdpClient(const std::string& netns, const std::string& address, std::uint16_t port);
  /// Asks until there is an answer; empty when none came to `tries` packets.
  std::string ask(int tries) const;

 private:
  Fd socket_;
};

}  // namespace barewire::test
