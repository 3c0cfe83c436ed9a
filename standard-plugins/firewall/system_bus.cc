// SPDX-License-Identifier: Apache-2.0
// As much of D-Bus as three questions need: authentication by user id, a call with strings, an answer with a string or
// a truth value. No library, since the program starts once per call. Source: D-Bus Specification, "Message Protocol",
// "Authentication Protocol".
#include "standard-plugins/firewall/system_bus.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace barewire::standard {

namespace {

constexpr std::uint8_t kMethodCall = 1, kMethodReturn = 2, kError = 3;  // types of messages
constexpr std::uint8_t kNoAutoStart = 2;                                // a flag
constexpr std::uint8_t kPath = 1, kInterface = 2, kMember = 3, kErrorName = 4, kReplySerial = 5, kDestination = 6,
                       kSignature = 8;  // header fields
constexpr std::size_t kFixedHeader = 16;
constexpr std::size_t kLargestMessage = 1U << 20U;  // the bus's own limit is 128 MiB; no answer here has 1 KiB
// Each message says in its first byte which order its numbers have; the sender may choose.
constexpr char kOwnOrder = std::endian::native == std::endian::little ? 'l' : 'B';

constexpr std::size_t padded(std::size_t size, std::size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

/// Values one after another, each at its own alignment.
class Writer {
 public:
  Writer& align(std::size_t alignment) {
    bytes_.resize(padded(bytes_.size(), alignment), '\0');
    return *this;
  }
  Writer& byte(std::uint8_t value) {
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  Writer& number(std::uint32_t value) {
    align(sizeof value);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& string(std::string_view text) {
    number(static_cast<std::uint32_t>(text.size()));
    bytes_.append(text).push_back('\0');
    return *this;
  }
  Writer& signature(std::string_view text) {
    byte(static_cast<std::uint8_t>(text.size()));
    bytes_.append(text).push_back('\0');
    return *this;
  }
  Writer& field(std::uint8_t code, std::string_view type, std::string_view text) {
    align(8).byte(code).signature(type);
    return type == "g" ? signature(text) : string(text);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  Reader(std::string_view bytes, char order) : bytes_(bytes), swaps_(order != kOwnOrder) {}
  bool at_end() const { return at_ >= bytes_.size(); }
  Reader& align(std::size_t alignment) {
    at_ = padded(at_, alignment);
    return *this;
  }
  std::string_view take(std::size_t size) {
    if (at_ > bytes_.size() || size > bytes_.size() - at_)
      throw Error(Error::Code::io, "reading an answer of the system bus failed: it ends too early");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1).front()); }
  std::uint32_t number() {
    std::uint32_t value = 0;
    align(sizeof value);
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return swaps_ ? __builtin_bswap32(value) : value;
  }
  std::string string() {
    std::string text(take(number()));
    take(1);
    return text;
  }
  std::string signature() {
    std::string text(take(byte()));
    take(1);
    return text;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool swaps_;
};

struct Header {
  std::uint8_t type = 0;
  std::uint32_t answers = 0;
  std::string error, signature;
};

Header read_header(std::string_view message, std::size_t& body) {
  Reader reader(message, message[0]);
  reader.byte();
  Header header{.type = reader.byte(), .answers = 0, .error = {}, .signature = {}};
  reader.take(2);
  reader.number();
  reader.number();
  const std::uint32_t size = reader.number();
  body = padded(kFixedHeader + size, 8);
  Reader fields(message.substr(0, kFixedHeader + size), message[0]);
  fields.take(kFixedHeader);
  while (!fields.align(8).at_end()) {
    const std::uint8_t code = fields.byte();
    const std::string type = fields.signature();
    const std::uint32_t number = type == "u" ? fields.number() : 0;
    const std::string text = type == "u" ? "" : type == "g" ? fields.signature() : fields.string();
    if (code == kReplySerial) header.answers = number;
    if (code == kErrorName) header.error = text;
    if (code == kSignature) header.signature = text;
  }
  return header;
}

/// The value of "unix:path=" or "unix:abstract=" in an address, as the kernel wants it. Source: D-Bus Specification,
/// "Server Addresses".
std::optional<std::string> socket_name(std::string_view address) {
  for (const std::string_view kind : {"unix:path=", "unix:abstract="}) {
    const auto at = address.find(kind);
    if (at == std::string_view::npos) continue;
    std::string_view name = address.substr(at + kind.size());
    name = name.substr(0, name.find_first_of(",;"));
    return kind == "unix:path=" ? std::string(name) : std::string(1, '\0') + std::string(name);
  }
  return std::nullopt;
}

/// nullopt where nobody listens.
std::optional<Fd> connect_to(const std::string& name) {
  sockaddr_un address{};
  if (name.size() >= sizeof address.sun_path) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '\0' ? 0 : 1));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw sys_error("opening a socket for the system bus");
  // Long enough for a firewalld that is busy reloading.
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0) return socket;
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) return std::nullopt;
  throw sys_error("connecting to the system bus");
}

/// Without the signal that a bus which hangs up would send.
void send_to(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw sys_error("writing to the system bus");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string in_hex(std::string_view text) {
  std::string digits;
  for (const char c : text) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return digits;
}

}  // namespace

std::string encode_call(const BusCall& call, std::uint32_t serial) {
  Writer body;
  for (const std::string& argument : call.arguments) body.string(argument);
  Writer fields;
  fields.field(kPath, "o", call.path).field(kInterface, "s", call.interface).field(kMember, "s", call.member);
  fields.field(kDestination, "s", call.destination);
  if (!call.arguments.empty()) fields.field(kSignature, "g", std::string(call.arguments.size(), 's'));
  Writer message;
  message.byte(static_cast<std::uint8_t>(kOwnOrder)).byte(kMethodCall).byte(kNoAutoStart).byte(1);
  message.number(static_cast<std::uint32_t>(body.bytes().size())).number(serial);
  message.number(static_cast<std::uint32_t>(fields.bytes().size()));
  return message.bytes() + fields.bytes() +
         std::string(padded(fields.bytes().size(), 8) - fields.bytes().size(), '\0') + body.bytes();
}

std::optional<BusAnswer> decode_answer(std::string_view message, std::uint32_t serial) {
  std::size_t body = 0;
  const Header header = read_header(message, body);
  if ((header.type != kMethodReturn && header.type != kError) || header.answers != serial) return std::nullopt;
  BusAnswer answer{.is_error = header.type == kError, .error = header.error, .text = {}, .truth = false};
  Reader values(message.substr(std::min(body, message.size())), message[0]);
  if (header.signature.starts_with('s')) answer.text = values.string();
  if (header.signature.starts_with('b')) answer.truth = values.number() != 0;
  return answer;
}

SystemBus::SystemBus(Fd socket) : socket_(std::move(socket)) {}

std::optional<SystemBus> SystemBus::open() {
  const char* given = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  const auto name = socket_name(given != nullptr ? given : "unix:path=/run/dbus/system_bus_socket");
  if (!name || name->empty()) return std::nullopt;
  auto socket = connect_to(*name);
  if (!socket) return std::nullopt;
  SystemBus bus(*std::move(socket));
  send_to(bus.socket_.get(), std::string(1, '\0') + "AUTH EXTERNAL " + in_hex(std::to_string(::geteuid())) + "\r\n");
  std::string line;
  // Byte by byte: what follows belongs to the message protocol.
  while (!line.ends_with("\r\n")) line += bus.read(1);
  if (!line.starts_with("OK "))
    throw Error(Error::Code::io, "connecting to the system bus failed: it does not know this user", line);
  // After it the line protocol is over, and messages begin.
  send_to(bus.socket_.get(), "BEGIN\r\n");
  const std::string self = "org.freedesktop.DBus";
  // The bus takes no other call before this one. Source: D-Bus Specification, org.freedesktop.DBus.Hello.
  bus.call(
      {.destination = self, .path = "/org/freedesktop/DBus", .interface = self, .member = "Hello", .arguments = {}});
  return bus;
}

std::string SystemBus::read(std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::recv(socket_.get(), bytes.data() + done, size - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw sys_error("reading from the system bus");
    if (got == 0) throw Error(Error::Code::io, "reading from the system bus failed: it has hung up");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

BusAnswer SystemBus::call(const BusCall& call) {
  const std::uint32_t serial = ++serial_;
  send_to(socket_.get(), encode_call(call, serial));
  while (true) {
    std::string message = read(kFixedHeader);
    Reader sizes(message, message[0]);
    sizes.take(4);
    const std::size_t body = sizes.number();
    sizes.number();
    const std::size_t header = padded(kFixedHeader + sizes.number(), 8);
    if (body > kLargestMessage || header > kLargestMessage)
      throw Error(Error::Code::io, "reading from the system bus failed: the message is too large");
    message += read(header + body - kFixedHeader);
    // The bus sends signals of its own (NameAcquired) in between.
    if (auto answer = decode_answer(message, serial)) return *std::move(answer);
  }
}

}  // namespace barewire::standard
