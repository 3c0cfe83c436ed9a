// SPDX-License-Identifier: Apache-2.0
#include "core/vf/netns_search.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <sstream>

#include "core/fd.h"

namespace barewire::vf {

namespace {

/// The mount points of namespaces, "/run/netns/pod7": fields 5 and, after " - ", the file system's type.
std::vector<std::string> mounted_namespaces() {
  std::vector<std::string> paths;
  std::istringstream mounts(read_file("/proc/self/mountinfo").value_or(""));
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" - nsfs ") == std::string::npos) continue;
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;
    paths.push_back(field);
  }
  return paths;
}

std::vector<std::string> namespaces_of_processes() {
  struct Close {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
  };
  std::vector<std::string> paths;
  const std::unique_ptr<DIR, Close> proc(::opendir("/proc"));
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr)
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
      paths.push_back(fmt::format("/proc/{}/ns/net", entry->d_name));
  return paths;
}

std::optional<kernel::NetNsId> id_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return std::nullopt;
  return kernel::NetNsId{status.st_dev, status.st_ino, 0};
}

/// Calls `visit` with each path that leads to a namespace, until it returns true.
void visit_paths(const std::function<bool(const std::string&, const kernel::NetNsId&)>& visit) {
  for (const auto& list : {mounted_namespaces, namespaces_of_processes})
    for (const std::string& path : list())
      if (const auto id = id_at(path); id && visit(path, *id)) return;
}

}  // namespace

std::optional<kernel::NetNs> find_netns(const PodNetns& pod) {
  if (auto netns = kernel::NetNs::try_open(pod.path); netns && (!pod.id || netns->id() == *pod.id)) return netns;
  if (!pod.id) return std::nullopt;
  std::optional<kernel::NetNs> found;
  visit_paths([&](const std::string& path, const kernel::NetNsId& id) {
    if (id != *pod.id) return false;
    found = kernel::NetNs::try_open(path);  // the process may have ended by now
    return found && found->id() == *pod.id;
  });
  if (found && found->id() != *pod.id) return std::nullopt;
  return found;
}

std::vector<kernel::NetNs> list_netns() {
  std::vector<kernel::NetNs> found;
  std::vector<kernel::NetNsId> known;
  visit_paths([&](const std::string& path, const kernel::NetNsId& id) {
    if (std::find(known.begin(), known.end(), id) != known.end()) return false;
    known.push_back(id);
    if (auto netns = kernel::NetNs::try_open(path)) found.push_back(std::move(*netns));
    return false;
  });
  return found;
}

}  // namespace barewire::vf
