// SPDX-License-Identifier: Apache-2.0
/// Sysctls of a network namespace: files of /proc/sys, opened by a thread that is inside it. All throw Error{config}
/// for a name that leads out of /proc/sys.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel/netns.h"

namespace barewire::kernel {

/// A sysctl of `netns`, "net/ipv6/conf/eth0/disable_ipv6" ('.' or '/' as in sysctl(8)).
/// nullopt when missing. Source: proc(5).
std::optional<std::string> read_sysctl(const NetNs& netns, const std::string& key);
/// Throws KernelError; ENOENT when there is no such sysctl.
void write_sysctl(const NetNs& netns, const std::string& key, std::string_view value);
/// Several, in their order, entering `netns` once, and not at all for none. The first that cannot be written ends it.
struct Sysctl {
  std::string key;
  std::string_view value;
};
void write_sysctls(const NetNs& netns, const std::vector<Sysctl>& sysctls);
/// The same of the netns that the calling thread is in.
std::optional<std::string> read_sysctl(const std::string& key);
void write_sysctl(const std::string& key, std::string_view value);

}  // namespace barewire::kernel
