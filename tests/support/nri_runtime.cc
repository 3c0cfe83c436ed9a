// SPDX-License-Identifier: Apache-2.0
/// protobuf by hand, too: of the few fields there are.
#include "tests/support/nri_runtime.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "core/unix_socket.h"

namespace barewire::test {

namespace {

constexpr std::chrono::seconds kPatience{15};

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}
std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value > 0x7f; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}
std::string field(int id, const std::string& text) {
  return varint(static_cast<std::uint64_t>(id) << 3 | 2) + varint(text.size()) + text;
}
std::string field(int id, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(id) << 3) + varint(value);
}

std::uint64_t read_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; !bytes.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) break;
  }
  return value;
}
/// Numbers as text; of several of one id the last.
std::map<int, std::string> fields(std::string_view bytes) {
  std::map<int, std::string> found;
  while (!bytes.empty()) {
    const std::uint64_t key = read_varint(bytes);
    const std::uint64_t value = read_varint(bytes);
    std::string& text = found[static_cast<int>(key >> 3)];
    if ((key & 7) == 0) {
      text = std::to_string(value);
      continue;
    }
    text = bytes.substr(0, value);
    bytes.remove_prefix(text.size());
  }
  return found;
}
int to_int(const std::string& text) {
  return text.empty() ? 0 : std::stoi(text);
}

std::string pod(const TestSandbox& sandbox) {
  std::string namespaces = field(5, field(1, std::string("ipc")) + field(2, std::string("/proc/1/ns/ipc")));
  if (!sandbox.netns.empty()) namespaces += field(5, field(1, std::string("network")) + field(2, sandbox.netns));
  return field(1, sandbox.id) + field(2, sandbox.name) + field(3, sandbox.uid) + field(4, sandbox.name_space) +
         field(7, std::string("runc")) + field(8, namespaces) + field(9, 4711);
}

}  // namespace

TestRuntime::TestRuntime(std::string path, std::chrono::milliseconds timeout)
    : path_(std::move(path)), timeout_(timeout), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  make_directories(path_.substr(0, path_.rfind('/')));
  const sockaddr_un address = unix_address(path_);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(listener_.get(), 4) < 0)
    throw sys_error("listening at {}", path_);
}

TestRuntime::~TestRuntime() {
  ::unlink(path_.c_str());
}

bool TestRuntime::accept_silently() {
  pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, std::chrono::milliseconds(kPatience).count()) <= 0) return false;
  connection_ = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  inbox_.clear();
  stream_ = 0xffffffff;
  return static_cast<bool>(connection_);
}

bool TestRuntime::accept(const std::vector<TestSandbox>& running) {
  if (!accept_silently()) return false;
  const auto registration = next_frame();
  if (!registration || registration->connection != 2) return false;
  const auto request = fields(std::string_view(registration->payload).substr(10));
  const auto body = fields(request.at(3));
  if (request.at(2) != "RegisterPlugin") return false;
  plugin_ = body.at(2) + "-" + body.at(1);
  send(frame(2, message(number(std::string_view(registration->payload).substr(4)), 2, 0, "")));
  const Reply configured =
      call("Configure", field(2, std::string("test")) + field(3, std::string("1")) + field(4, 5000) +
                            field(5, static_cast<std::uint64_t>(timeout_.count())) + field(6, std::string("0.9.0")));
  events_ = to_int(fields(configured.payload)[2]);
  return configured.code == 0 && synchronize(running).code == 0;
}

TestRuntime::Reply TestRuntime::synchronize(const std::vector<TestSandbox>& running, std::size_t part) {
  for (std::size_t at = 0;; at += part) {
    std::string payload;
    for (std::size_t i = at; i < std::min(at + part, running.size()); ++i) payload += field(1, pod(running[i]));
    const bool more = at + part < running.size();
    if (more) payload += field(3, 1);
    const Reply reply = call("Synchronize", payload);
    if (!more || reply.code != 0) return reply;
    // A plugin that does not say so is dropped by the runtime.
    if (to_int(fields(reply.payload)[2]) != 1) return {};
  }
}

std::string TestRuntime::of_pod(const TestSandbox& sandbox) {
  return field(1, pod(sandbox));
}

std::string TestRuntime::frame(std::uint32_t connection, const std::string& payload) {
  return big_endian(connection) + big_endian(static_cast<std::uint32_t>(payload.size())) + payload;
}

std::string TestRuntime::message(std::uint32_t stream, std::uint8_t type, std::uint8_t flags, const std::string& body) {
  return big_endian(static_cast<std::uint32_t>(body.size())) + big_endian(stream) + static_cast<char>(type) +
         static_cast<char>(flags) + body;
}

std::string TestRuntime::request(const std::string& method, const std::string& payload, std::uint32_t stream,
                                 const std::string& service) const {
  const std::string body = field(1, service) + field(2, method) + field(3, payload) +
                           field(4, static_cast<std::uint64_t>(std::chrono::nanoseconds(timeout_).count()));
  return frame(1, message(stream, 1, 0, body));
}

void TestRuntime::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t size = ::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0) return;  // closed by the plugin, as some tests want
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
}

bool TestRuntime::take(std::string& bytes, std::size_t size) {
  std::array<char, 4096> buffer{};
  while (inbox_.size() < size) {
    pollfd readable{.fd = connection_.get(), .events = POLLIN, .revents = 0};
    // An answer may take what the plugin was given.
    const auto patience = std::max<std::chrono::milliseconds>(kPatience, timeout_ + std::chrono::seconds(5));
    if (::poll(&readable, 1, static_cast<int>(patience.count())) <= 0) return false;
    const ssize_t got = ::recv(connection_.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    inbox_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  bytes = inbox_.substr(0, size);
  inbox_.erase(0, size);
  return true;
}

std::optional<TestRuntime::Frame> TestRuntime::next_frame() {
  Frame frame;
  std::string header;
  if (!take(header, 8)) return std::nullopt;
  frame.connection = number(header);
  if (!take(frame.payload, number(std::string_view(header).substr(4)))) return std::nullopt;
  return frame;
}

TestRuntime::Reply TestRuntime::take_reply(std::uint32_t stream) {
  while (const auto frame = next_frame()) {
    const std::string_view payload = frame->payload;
    if (payload.size() < 10 || number(payload.substr(4)) != stream || payload[8] != 2) continue;
    const auto response = fields(payload.substr(10));
    const auto status = response.find(1);
    if (status == response.end()) return {0, "", response.contains(2) ? response.at(2) : ""};
    auto said = fields(status->second);
    return {to_int(said[1]), said[2], ""};
  }
  return {};
}

TestRuntime::Reply TestRuntime::call(const std::string& method, const std::string& payload,
                                     const std::string& service) {
  const std::uint32_t stream = next_stream();
  send(request(method, payload, stream, service));
  return take_reply(stream);
}

bool TestRuntime::is_closed() {
  while (next_frame()) {
  }
  char byte = 0;
  return ::recv(connection_.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace barewire::test
