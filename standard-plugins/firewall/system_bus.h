// SPDX-License-Identifier: Apache-2.0
/// Calls on the system's message bus, as much of it as firewalld needs: strings in, one string or boolean out. Own
/// code, since no D-Bus library links statically and a command per question costs more than the question. Used by
/// firewalld.cc. Source: D-Bus Specification 0.41; dbus-daemon(1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fd.h"

namespace barewire::standard {

/// A method call; its arguments are all strings.
struct BusCall {
  std::string destination, path, interface, member;
  std::vector<std::string> arguments;
};

/// As much of an answer as firewalld's methods give.
struct BusAnswer {
  bool is_error = false;
  std::string error;   ///< its name
  std::string text;    ///< the first value of the answer where it is a string; an error's message
  bool truth = false;  ///< … where it is a boolean
};

/// One connection. Threading: one thread at a time. Opened for one call of a plugin, closed with it.
class SystemBus {
 public:
  /// At DBUS_SYSTEM_BUS_ADDRESS, or where the system has it; nullopt where nobody listens. Throws Error{io}.
  static std::optional<SystemBus> open();
  /// Does not start the destination. Waits up to 20 s. Throws Error{io} when the bus does not answer.
  BusAnswer call(const BusCall& call);

 private:
  explicit SystemBus(Fd socket);
  /// So many bytes. Throws Error{io} when the bus hangs up, or is silent for too long.
  std::string read(std::size_t size);
  Fd socket_;
  std::uint32_t serial_ = 0;
};

/// The bytes of a call. For tests, too.
std::string encode_call(const BusCall& call, std::uint32_t serial);
/// A whole message that is an answer to `serial`; nullopt for any other. Throws Error{io} when it is damaged.
std::optional<BusAnswer> decode_answer(std::string_view message, std::uint32_t serial);

}  // namespace barewire::standard
