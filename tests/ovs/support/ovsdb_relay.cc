// SPDX-License-Identifier: Apache-2.0
#include "tests/ovs/support/ovsdb_relay.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "core/error.h"
#include "core/unix_socket.h"

namespace barewire::test {
namespace {

namespace json = boost::json;

Fd connect_to(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address(path);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return Fd();
  return socket;
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<std::string> receive(int socket) {
  std::array<char, 65536> buffer;
  const ssize_t got = recv(socket, buffer.data(), buffer.size(), 0);
  if (got <= 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(got));
}

}  // namespace

Treatment Treatment::answer(const json::object& request, std::string_view result) {
  return say(fmt::format(R"({{"id":{},"result":{},"error":null}})", json::serialize(request.at("id")), result));
}

OvsdbRelay::OvsdbRelay(const std::string& path, std::string server, Treat treat)
    : path_(path), server_path_(std::move(server)), treat_(std::move(treat)) {
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  stop_ = Fd(eventfd(0, EFD_CLOEXEC));
  const sockaddr_un address = unix_address(path);
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      listen(listener_.get(), 8) < 0) {
    throw sys_error("listening at {}", path);
  }
  thread_ = std::thread([this] { serve(); });
}

OvsdbRelay::~OvsdbRelay() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
  unlink(path_.c_str());
}

std::vector<std::string> OvsdbRelay::methods() const {
  const std::lock_guard lock(mutex_);
  return methods_;
}

// One session after the other: the client under test has one at a time.
void OvsdbRelay::serve() {
  for (;;) {
    std::array<pollfd, 2> waiting{{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[1].revents) return;
    Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) serve_one(std::move(client));
  }
}

void OvsdbRelay::serve_one(Fd client) {
  ++sessions_;
  const Fd server = server_path_.empty() ? Fd() : connect_to(server_path_);
  json::stream_parser parser;
  for (;;) {
    std::array<pollfd, 3> waiting{{{client.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[1].revents) return;
    if (waiting[0].revents && !from_client(client.get(), server.get(), parser)) return;
    if (!waiting[2].revents) continue;
    const auto bytes = receive(server.get());
    if (!bytes || !send_all(client.get(), *bytes)) return;
    to_client_ += bytes->size();
  }
}

bool OvsdbRelay::from_client(int client, int server, json::stream_parser& parser) {
  const auto received = receive(client);
  if (!received) return false;
  to_server_ += received->size();
  std::string_view bytes = *received;
  while (!bytes.empty()) {
    bytes.remove_prefix(parser.write_some(bytes.data(), bytes.size()));
    if (!parser.done()) continue;
    const json::value request = parser.release();
    parser.reset();
    if (!treat_request(request, client, server)) return false;
  }
  return true;
}

bool OvsdbRelay::treat_request(const json::value& request, int client, int server) {
  if (const auto* method = request.as_object().if_contains("method"); method && method->is_string()) {
    const std::lock_guard lock(mutex_);
    methods_.emplace_back(method->as_string());
  }
  const Treatment treatment = treat_(request.as_object());
  switch (treatment.kind) {
    case Treatment::Kind::pass_on:
      return server >= 0 && send_all(server, json::serialize(request));
    case Treatment::Kind::say:
      return send_all(client, treatment.bytes);
    case Treatment::Kind::stay_silent:
      return true;
    case Treatment::Kind::close:
      break;
  }
  return false;
}

}  // namespace barewire::test
