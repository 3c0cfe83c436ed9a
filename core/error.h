// SPDX-License-Identifier: Apache-2.0
/// The one exception type of Barewire, carrying the code a CNI runtime sees; `docs/errors.md` lists every code.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace barewire {

/// What failed (`what()`, printed as CNI `msg`), its CNI number (`code()`), and what to do next or the kernel's own
/// words (`hint()`, printed as CNI `details`; may be empty).
/// Source: CNI spec 1.1.0, section "Error".
class Error : public std::runtime_error {
 public:
  enum class Code : int {
    incompatible_version = 1,
    unsupported_field = 2,
    unknown_container = 3,  ///< the runtime need not call DEL
    environment = 4,
    io = 5,
    decode = 6,
    config = 7,
    invalid_netns = 8,
    try_again = 11,
    not_available = 50,         ///< STATUS: ADD cannot be served
    limited_connectivity = 51,  ///< STATUS: containers may lose connectivity
    kernel = 100,               ///< the kernel refused a request
    device = 101,               ///< the device is missing or is not what the configuration says
    held = 102,                 ///< the device or name belongs to someone else
    unsupported_by_nic = 103,   ///< this NIC or its driver cannot do what is asked
    drift = 104,                ///< CHECK: the kernel differs from what ADD made
    ipam = 105,                 ///< address management failed
    delegate = 106,             ///< a delegated plugin could not be found or run
    state = 107,                ///< a record of ours is unreadable
    ovsdb = 108,                ///< the Open vSwitch database refused or contradicts
    policy = 109,               ///< the policy of the node refuses, or cannot be read
    internal = 999,
  };

  /// `what` says what failed and names the object, without a full stop: a runtime shows it to people who see nothing
  /// else. `hint` is what to do next, or the kernel's own words.
  Error(Code code, std::string what, std::string hint = {})
      : std::runtime_error(what), code_(static_cast<int>(code)), hint_(std::move(hint)) {}
  /// For codes handed on unchanged from another plugin, whatever they mean to it.
  Error(int code, std::string what, std::string hint) : std::runtime_error(what), code_(code), hint_(std::move(hint)) {}

  int code() const noexcept { return code_; }  ///< the number in the CNI error object
  bool is(Code code) const noexcept { return code_ == static_cast<int>(code); }
  const std::string& hint() const noexcept { return hint_; }  ///< may be empty

 private:
  int code_;
  std::string hint_;
};

/// "<doing> failed: <strerror(err)>". `doing` is a participle and its object, e.g. "opening /run/netns/pod7".
Error errno_error(int err, std::string_view doing, Error::Code code = Error::Code::io);

/// errno_error with the current errno and a format string; nothing may run between the failing call and this one.
template <typename... Args>
Error sys_error(fmt::format_string<Args...> format, Args&&... args) {
  const int err = errno;
  return errno_error(err, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace barewire
