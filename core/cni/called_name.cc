// SPDX-License-Identifier: Apache-2.0
// Which plugin is meant by the name this program was called by. Nodes install plugins under names of their own
// ("sriov-net1", "10-bridge"), by links and by copies; the exact name comes first, a guess from parts of it last.
#include "core/cni/called_name.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "core/fd.h"
#include "core/log.h"

namespace barewire::cni {

namespace {

constexpr const char* kAliases = "barewire-cni.aliases";
constexpr int kMostLinks = 40;  // as the kernel follows

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

/// Where the link `path` leads to; empty when it is none.
std::string target_of(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size <= 0) return {};
  const std::string text(target.data(), static_cast<std::size_t>(size));
  return text.front() == '/' ? text : directory_of(path) + text;
}

const Plugin* find_by_links(const PluginTable& plugins, std::string path) {
  for (int i = 0; i < kMostLinks; ++i) {
    path = target_of(path);
    if (path.empty()) return nullptr;
    if (const Plugin* plugin = plugins.find(base_name(path))) return plugin;
  }
  return nullptr;
}

/// Lines "NAME PLUGIN"; '#' opens a comment.
std::string find_alias(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const auto blank = line.find_first_of(" \t");
    if (blank == std::string_view::npos || line.substr(0, blank) != name) continue;
    const auto first = line.find_first_not_of(" \t", blank);
    if (first == std::string_view::npos) continue;
    return std::string(line.substr(first, line.find_first_of(" \t#", first) - first));
  }
  return {};
}

const Plugin* find_by_alias(const PluginTable& plugins, const std::string& name, const std::string& program) {
  try {
    const auto lines = read_file(directory_of(program) + kAliases);
    return lines ? plugins.find(find_alias(*lines, name)) : nullptr;
  } catch (const Error& error) {
    log_warning("ignoring {}: {}", kAliases, error.what());
    return nullptr;
  }
}

const Plugin* find_by_words(const PluginTable& plugins, std::string_view name) {
  // Longest rest first: "my-host-device" is host-device and not a plugin "device".
  for (auto dash = name.find('-'); dash != std::string_view::npos; dash = name.find('-', dash + 1))
    if (const Plugin* last = plugins.find(name.substr(dash + 1))) return last;
  for (auto dash = name.rfind('-'); dash != std::string_view::npos && dash > 0; dash = name.rfind('-', dash - 1))
    if (const Plugin* first = plugins.find(name.substr(0, dash))) return first;
  return nullptr;
}

}  // namespace

std::string base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

const Plugin* find_called(const PluginTable& plugins, const std::string& called) {
  const std::string name = base_name(called);
  if (const Plugin* plugin = plugins.find(name)) return plugin;
  const std::string program = target_of("/proc/self/exe");
  // Called by its own name it is no plugin, and lists what it holds.
  if (name == base_name(program) && name == "barewire-cni") return nullptr;
  const std::string path = called.find('/') == std::string::npos ? directory_of(program) + name : called;
  if (const Plugin* plugin = find_by_links(plugins, path)) return plugin;
  if (const Plugin* plugin = find_by_alias(plugins, name, program)) return plugin;
  return name.starts_with("barewire-cni") ? nullptr : find_by_words(plugins, name);
}

}  // namespace barewire::cni
