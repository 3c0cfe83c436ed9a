// SPDX-License-Identifier: Apache-2.0
/// What people call a device that is claimed. store.h has claims. No I/O.
#pragma once

#include <string_view>

namespace barewire::state {

/// A netdev without a bus address is claimed as "netdev-NAME", and called NAME; everything else is called as it is
/// claimed.
constexpr std::string_view claimed_name(std::string_view claimed) {
  constexpr std::string_view kNetdev = "netdev-";
  return claimed.substr(claimed.starts_with(kNetdev) ? kNetdev.size() : 0);
}

}  // namespace barewire::state
