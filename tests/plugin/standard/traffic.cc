// SPDX-License-Identifier: Apache-2.0
#include "tests/plugin/standard/traffic.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "core/error.h"
#include "core/ip.h"
#include "tests/support/netns_fixture.h"

namespace barewire::test {

namespace {

constexpr timeval kPatience{10, 0};
constexpr timeval kTwoSyns{1, 500'000};  ///< the second goes after one second (net/ipv4, TCP_TIMEOUT_INIT)
constexpr int kPollMilliseconds = 50;

Fd open_server(int type, std::uint16_t port) {
  Fd fd(::socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int off = 0, on = 1;
  ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) throw sys_error("binding port {}", port);
  if (type == SOCK_STREAM && ::listen(fd.get(), 16) != 0) throw sys_error("listening on port {}", port);
  return fd;
}

std::string text_of(const sockaddr_in6& address) {
  return IpAddress::from_bytes(&address.sin6_addr, 16).text();
}

/// An IPv4-mapped address as IPv4.
std::string client_text(const sockaddr_in6& address) {
  const auto parsed = IpAddress::parse(text_of(address));
  return parsed ? parsed->text() : std::string();
}

struct Peer {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Peer peer_of(const std::string& text, std::uint16_t port) {
  const auto address = IpAddress::parse(text);
  if (!address) throw Error(Error::Code::internal, text + " is no address");
  Peer peer;
  if (address->is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&peer.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address->data(), address->size());
    peer.size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&peer.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address->data(), address->size());
    peer.size = sizeof *v6;
  }
  return peer;
}

Fd open_client(int type, const Peer& peer, timeval patience) {
  Fd fd(::socket(peer.storage.ss_family, type | SOCK_CLOEXEC, 0));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer.storage), peer.size) != 0) return Fd();
  return fd;
}

void run_at(const std::string& netns, const std::function<void()>& work) {
  if (netns.empty())
    work();
  else
    in_netns(netns, work);
}

std::string receive(int fd) {
  std::array<char, 8192> buffer{};
  const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
  return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

EchoServer::EchoServer(const std::string& netns, std::uint16_t port, std::string name) : name_(std::move(name)) {
  const auto open = [&] {
    tcp_ = open_server(SOCK_STREAM, port);
    udp_ = open_server(SOCK_DGRAM, port);
  };
  run_at(netns, open);
  thread_ = std::thread([this] { serve(); });
}

EchoServer::~EchoServer() {
  ends_ = true;
  thread_.join();
}

void EchoServer::serve() {
  while (!ends_) {
    std::array<pollfd, 2> waiting{pollfd{tcp_.get(), POLLIN, 0}, pollfd{udp_.get(), POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), kPollMilliseconds);
    sockaddr_in6 client{};
    socklen_t size = sizeof client;
    auto* address = reinterpret_cast<sockaddr*>(&client);
    if (const Fd connection(::accept4(tcp_.get(), address, &size, SOCK_CLOEXEC)); connection) {
      const std::string answer = name_ + " " + client_text(client);
      ::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    char byte = 0;
    size = sizeof client;
    if (::recvfrom(udp_.get(), &byte, 1, 0, address, &size) >= 0) {
      const std::string answer = name_ + " " + client_text(client);
      ::sendto(udp_.get(), answer.data(), answer.size(), 0, address, size);
    }
  }
}

namespace {

std::string ask_for(timeval patience, const std::string& netns, const std::string& address, std::uint16_t port) {
  std::string answer;
  run_at(netns, [&] {
    const Fd fd = open_client(SOCK_STREAM, peer_of(address, port), patience);
    if (fd) answer = receive(fd.get());
  });
  return answer;
}

void send_all(int fd, std::size_t bytes) {
  const std::string chunk(8192, 'x');
  while (bytes > 0) {
    const ssize_t sent = ::send(fd, chunk.data(), std::min(bytes, chunk.size()), MSG_NOSIGNAL);
    if (sent < 0) throw sys_error("sending to the test's server");
    bytes -= static_cast<std::size_t>(sent);
  }
}

}  // namespace

std::string ask(const std::string& netns, const std::string& address, std::uint16_t port) {
  return ask_for(kPatience, netns, address, port);
}

std::string ask_briefly(const std::string& netns, const std::string& address, std::uint16_t port) {
  return ask_for(kTwoSyns, netns, address, port);
}

double seconds_to_send(const std::string& from, const std::string& address, const std::string& to, std::size_t bytes) {
  constexpr std::uint16_t kPort = 5201;
  Fd server;
  run_at(to, [&] {
    server = open_server(SOCK_STREAM, kPort);
    ::fcntl(server.get(), F_SETFL, 0);  // accept waits
  });
  const auto start = std::chrono::steady_clock::now();
  std::thread sender([&] {
    run_at(from, [&] {
      const Fd fd = open_client(SOCK_STREAM, peer_of(address, kPort), kPatience);
      if (fd) send_all(fd.get(), bytes);
    });
  });
  const Fd connection(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::size_t received = 0;
  for (std::string part = receive(connection.get()); !part.empty(); part = receive(connection.get()))
    received += part.size();
  sender.join();
  EXPECT_EQ(bytes, received);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

UdpClient::UdpClient(const std::string& netns, const std::string& address, std::uint16_t port) {
  constexpr timeval kOneTry{0, 200000};
  run_at(netns, [&] { socket_ = open_client(SOCK_DGRAM, peer_of(address, port), kOneTry); });
}

std::string UdpClient::ask(int tries) const {
  for (int i = 0; i < tries; ++i) {
    ::send(socket_.get(), "?", 1, MSG_NOSIGNAL);  // an ICMP error of the packet before shows here
    if (const std::string answer = receive(socket_.get()); !answer.empty()) return answer;
  }
  return {};
}

}  // namespace barewire::test
