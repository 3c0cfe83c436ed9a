// SPDX-License-Identifier: Apache-2.0
// A netns without a path lives as long as a process in it, or a mount elsewhere; both are looked for in /proc.
#include "core/vf/netns_search.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "core/directory.h"
#include "core/fd.h"

namespace barewire::vf {

namespace {

/// A mount of a netns: fields 4, 5 and, after " - ", the file system's type. Source: proc_pid_mountinfo(5).
struct NetNsMount {
  ino_t inode = 0;
  std::string place;
};

/// "\040" as mountinfo writes a blank.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ec == std::errc()) {
      plain += static_cast<char>(value);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::optional<NetNsMount> parse_mount(const std::string& line) {
  constexpr std::string_view kKind = "net:[";
  // Most of a node's mounts are no netns: looked for as text before the line is taken apart.
  if (line.find(" - nsfs ") == std::string::npos) return std::nullopt;
  std::istringstream fields(line);
  std::string number, root, place;
  fields >> number >> number >> number >> root >> place;
  if (!root.starts_with(kKind)) return std::nullopt;
  NetNsMount mount{0, unescaped(place)};
  std::from_chars(root.data() + kKind.size(), root.data() + root.size(), mount.inode);
  return mount;
}

bool is_process(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// A process that is ending is refused to be looked at as a foreign one is. Source: fs/proc/namespaces.c.
bool has_ended(const std::string& process) {
  struct stat status {};
  return ::stat(process.c_str(), &status) < 0 && (errno == ENOENT || errno == ESRCH);
}

std::optional<kernel::NetNsId> id_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return std::nullopt;
  return kernel::NetNsId{status.st_dev, status.st_ino, 0};
}

}  // namespace

Look NetNsFinding::exists() const {
  if (netns) return Look::yes();
  return why_unknown.empty() ? Look::no() : Look::unknown(why_unknown);
}

NetNsCensus NetNsCensus::take(const std::string& proc) {
  NetNsCensus census;
  const auto names = try_list_directory(proc);
  if (!names) throw errno_error(ENOENT, "listing " + proc);
  // This process's own mount namespace first: /run/netns is there, and its paths outlive any process.
  census.look_at_mounts(proc + "/self");
  bool any = false;
  for (const std::string& name : *names) {
    if (!is_process(name)) continue;
    census.look_at_process(fmt::format("{}/{}", proc, name));
    any = true;
  }
  census.resolve_shut();
  // The first process of a PID namespace lives as long as that does. Source: proc(5), hidepid.
  if (any && std::find(names->begin(), names->end(), "1") == names->end())
    census.miss(proc + " does not show every process");
  return census;
}

void NetNsCensus::miss(const std::string& what) {
  if (missed_.empty()) missed_ = what;
}

/// False when the process has ended, or may not be looked at.
bool NetNsCensus::note(const std::string& path, const std::string& process) {
  const auto id = id_at(path);
  const int err = errno;
  if (id) {
    paths_.emplace(id->inode, path);
  } else if (err != ENOENT && err != ESRCH && !has_ended(process)) {
    shut_.emplace(process, errno_error(err, "looking at " + path).what());
  }
  return id.has_value();
}

void NetNsCensus::look_at_process(const std::string& process) {
  if (!note(process + "/ns/net", process) && !shut_.contains(process)) return;
  try {
    // Threads can be in netns of their own: setns(2) and unshare(2) move the calling thread alone.
    for (const std::string& thread : list_directory(process + "/task"))
      if (!process.ends_with("/" + thread)) note(fmt::format("{}/task/{}/ns/net", process, thread), process);
  } catch (const Error& error) {
    if (!has_ended(process)) miss(error.what());
  }
  look_at_mounts(process);
}

void NetNsCensus::look_at_mounts(const std::string& process) {
  const auto space = id_at(process + "/ns/mnt");  // cannot be read of one that is shut; its mounts can
  // Hundreds of processes share one mount namespace, whose mounts are read once.
  if (space && !mount_namespaces_.emplace(space->inode, true).second) return;
  try {
    std::istringstream mounts(read_file(process + "/mountinfo").value_or(""));
    for (std::string line; std::getline(mounts, line);)
      if (const auto mount = parse_mount(line))
        paths_.emplace(mount->inode, fmt::format("{}/root{}", process, mount->place));
  } catch (const Error& error) {
    if (space) mount_namespaces_.erase(space->inode);  // the next process in it may be readable
    if (!has_ended(process)) miss(error.what());
  }
}

/// /proc/PID/net shows the process's netns without asking who looks, and each netns has files of its own there: with
/// the same inode as in a process that could be looked at, it is that one's netns. Source: fs/proc/proc_net.c.
void NetNsCensus::resolve_shut() {
  if (shut_.empty()) return;
  constexpr std::string_view kNetNs = "/ns/net";
  std::set<ino_t> known;
  for (const auto& [inode, path] : paths_) {
    if (!path.ends_with(kNetNs)) continue;
    if (const auto device = id_at(path.substr(0, path.size() - kNetNs.size()) + "/net/dev"))
      known.insert(device->inode);
  }
  for (const auto& [process, why] : shut_) {
    const auto device = id_at(process + "/net/dev");
    if (!(device && known.contains(device->inode)) && !has_ended(process)) miss(why);
  }
}

NetNsFinding NetNsCensus::find(const kernel::NetNsId& id) const {
  NetNsFinding finding{std::nullopt, missed_};
  const auto [first, last] = paths_.equal_range(id.inode);
  for (auto way = first; way != last; ++way) {
    try {
      auto netns = kernel::NetNs::try_open(way->second);
      const auto found = netns ? std::optional(netns->id()) : std::nullopt;
      if (found == id) return {std::move(netns), {}};
      // No two that live have one inode: another one has it, so ours is dead.
      if (found && found->device == id.device && found->inode == id.inode) return {};
      if (finding.why_unknown.empty())
        finding.why_unknown = fmt::format("{} led to it a moment ago and does no more", way->second);
    } catch (const Error& error) {
      if (finding.why_unknown.empty()) finding.why_unknown = error.what();
    }
  }
  return finding;
}

std::vector<kernel::NetNs> NetNsCensus::list() const {
  std::vector<kernel::NetNs> found;
  std::optional<ino_t> opened;
  for (const auto& [inode, path] : paths_) {
    // paths_ is sorted by inode, and one way into each netns is enough.
    if (opened == inode) continue;
    try {
      auto netns = kernel::NetNs::try_open(path);
      if (!netns) continue;
      found.push_back(std::move(*netns));
      opened = inode;
    } catch (const Error&) {  // another way may be open; else it is not in sight
    }
  }
  return found;
}

std::optional<kernel::NetNs> find_netns(const PodNetns& pod) {
  if (auto netns = kernel::NetNs::try_open(pod.path); netns && (!pod.id || netns->id() == *pod.id)) return netns;
  if (!pod.id) return std::nullopt;
  return NetNsCensus::take().find(*pod.id).netns;
}

std::vector<kernel::NetNs> list_netns() {
  return NetNsCensus::take().list();
}

}  // namespace barewire::vf
