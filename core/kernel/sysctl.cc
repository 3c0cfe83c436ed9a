// SPDX-License-Identifier: Apache-2.0
// Sysctls are files of /proc/sys; writing and reading them is what Sysfs does, and the netns is what this file adds.
#include "core/kernel/sysctl.h"

#include <algorithm>

#include "core/kernel/netlink.h"
#include "core/kernel/sysfs.h"

namespace barewire::kernel {

namespace {

/// "net.ipv4.conf.eth0/100.forwarding" → "net/ipv4/conf/eth0.100/forwarding": when the first separator is a dot, dots
/// and slashes change places. Source: sysctl(8).
std::string path_of(const std::string& key) {
  std::string path = key;
  const auto first = key.find_first_of("./");
  if (first != std::string::npos && key[first] == '.')
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  const std::string enclosed = "/" + path + "/";
  if (path.empty() || enclosed.find("/../") != std::string::npos || enclosed.find("/./") != std::string::npos)
    throw Error(Error::Code::config, fmt::format("sysctl \"{}\" is not the name of a sysctl", key));
  return path;
}

}  // namespace

std::optional<std::string> read_sysctl(const std::string& key) {
  return Sysfs("/proc/sys").read(path_of(key));
}

void write_sysctl(const std::string& key, std::string_view value) {
  Sysfs("/proc/sys").write(path_of(key), value);
}

// /proc/sys/net shows the netns of the thread that opens the file, so the file is opened inside it.
std::optional<std::string> read_sysctl(const NetNs& netns, const std::string& key) {
  std::optional<std::string> value;
  netns.run([&] { value = read_sysctl(key); });
  return value;
}

void write_sysctl(const NetNs& netns, const std::string& key, std::string_view value) {
  write_sysctls(netns, {{key, value}});
}

void write_sysctls(const NetNs& netns, const std::vector<Sysctl>& sysctls) {
  if (sysctls.empty()) return;
  netns.run([&] {
    for (const Sysctl& sysctl : sysctls) write_sysctl(sysctl.key, sysctl.value);
  });
}

}  // namespace barewire::kernel
