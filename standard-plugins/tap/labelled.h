// SPDX-License-Identifier: Apache-2.0
/// TAP devices with an SELinux label: a device takes that of the process that creates it, so another program does. Used
/// by tap.cc, with "selinuxContext" alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace barewire::standard {

/// As ip-tuntap(8) takes them.
struct TapSettings {
  std::string name;
  bool multi_queue = false;
  std::optional<std::uint32_t> owner;  ///< user id allowed to open it; absent: root alone
  std::optional<std::uint32_t> group;
};

/// In the calling thread's netns, by the ip command run in `context`. Throws Error{config} naming "selinuxContext"
/// where the node has no SELinux or no such context, Error{kernel} with what ip said. Source: selinux(8);
/// security/selinux/hooks.c, selinux_tun_dev_alloc_security; ip-tuntap(8).
void create_labelled_tap(const TapSettings& settings, const std::string& context);

}  // namespace barewire::standard
