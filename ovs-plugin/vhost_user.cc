// SPDX-License-Identifier: Apache-2.0
// The path is where the pod mounts a directory of the node: whatever is found there may be the pod's work.
#include "ovs-plugin/vhost_user.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>

#include "core/cni/device_info.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/unix_socket.h"

namespace barewire::ovs {

namespace {

constexpr const char* kSwitchDirectory = "/var/run/openvswitch";
constexpr const char* kOwnDirectory = "/run/barewire/vhost-user";
constexpr std::size_t kIdLength = 12;  // as userspace-cni, so that paths stay short

std::string argument(const cni::Request& request, std::string_view key) {
  return request.args.find(key).value_or("");
}

/// The value of a placeholder; what a runtime says must not lead out of the directory.
std::string value_of(const cni::Request& request, const JsonView& key, std::string_view name) {
  std::string value;
  if (name == "containerID")
    value = request.container_id;
  else if (name == "ifname")
    value = request.ifname;
  else if (name == "network")
    value = request.conf.name;
  else if (name == "podUID")
    value = argument(request, "K8S_POD_UID");
  else if (name == "pod")
    value = argument(request, "K8S_POD_NAME");
  else if (name == "namespace")
    value = argument(request, "K8S_POD_NAMESPACE");
  else
    key.reject("{containerID}, {ifname}, {network}, {podUID}, {pod} or {namespace} in braces");
  // A dot at the start would make "..", or a name that is hidden.
  if (value.empty() || value.find('/') != std::string::npos || value.starts_with('.'))
    key.reject(fmt::format("no {{{}}}, since the runtime gave \"{}\" for it", name, value));
  return value;
}

std::string expand(const cni::Request& request, const JsonView& key) {
  const std::string text = key.string();
  if (!text.starts_with('/')) key.reject("an absolute path");
  std::string expanded;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '{' ? text.find('}', at) : std::string::npos;
    if (end == std::string::npos) {
      expanded += text[at++];
      continue;
    }
    expanded += value_of(request, key, std::string_view(text).substr(at + 1, end - at - 1));
    at = end + 1;
  }
  // One path has one text: records are compared by it.
  while (expanded.size() > 1 && expanded.back() == '/') expanded.pop_back();
  return expanded;
}

mode_t parse_mode(const JsonView& key) {
  const std::string text = key.string();
  unsigned mode = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (failed != std::errc() || end != text.data() + text.size() || mode > 0777)
    key.reject("an octal mode, as \"0770\"");
  return mode;
}

std::string default_directory(const cni::Request& request) {
  const std::string uid = argument(request, "K8S_POD_UID");
  // The pod's UID where it is told: all interfaces of the pod find their sockets in one directory.
  const bool usable = !uid.empty() && uid.find('/') == std::string::npos && !uid.starts_with('.');
  return fmt::format("{}/{}", kOwnDirectory, usable ? uid : request.container_id.substr(0, kIdLength));
}

[[noreturn]] void throw_taken(const std::string& path, std::string_view why) {
  throw Error(Error::Code::held, fmt::format("making the socket {} failed: {}", path, why),
              "give another \"socket_dir\" or \"socket_name\"");
}

/// The socket of a program that died, if there is one: the next could not listen there. Throws Error{held} for anything
/// else, for nothing else is ever removed.
std::optional<Place> find_stale_socket(const std::string& path, const VhostOthers& others) {
  // The record counts, not whether somebody listens: a pod's program may not have started yet.
  if (others.have_socket(path)) throw_taken(path, "another attachment has it");
  auto place = find_place(path);
  const auto status = place ? place->status() : std::nullopt;
  if (!status) return std::nullopt;
  if (!S_ISSOCK(status->st_mode)) throw_taken(path, "another file is there");
  if (has_listener(place->path())) throw_taken(path, "a program listens there");
  return place;
}

void remove_at(const Place& place, const std::string& path) {
  if (::unlinkat(place.directory.get(), place.name.c_str(), 0) != 0 && errno != ENOENT)
    throw sys_error("removing {}", path);
}

void give_to_pod(const std::string& path, const VhostUser& vhost) {
  // Group before mode: chown may clear bits of it. Source: chown(2).
  if (vhost.group && ::chown(path.c_str(), static_cast<uid_t>(-1), *vhost.group) != 0)
    throw sys_error("giving {} to group {}", path, *vhost.group);
  if (vhost.mode && ::chmod(path.c_str(), *vhost.mode) != 0) throw sys_error("setting the mode of {}", path);
}

void tell_device(const VhostUser& vhost, const VhostRecord& record) {
  boost::json::object info = cni::parse_device_info(record.device_info, record.device_info_before);
  info["type"] = "vhost-user";
  info["version"] = "1.1.0";
  info["vhost-user"] = boost::json::object{{"mode", vhost.pod_listens ? "server" : "client"}, {"path", record.socket}};
  cni::write_device_info(record.device_info, info);
}

[[noreturn]] void throw_not_linked(const VhostUser& vhost, const std::string& made, const VhostRecord& record) {
  // A hard link, since a pod that mounts the directory cannot follow a symbolic link out of it.
  if (errno != EXDEV) throw sys_error("linking the switch's socket {} to {}", made, record.socket);
  throw Error(Error::Code::device,
              fmt::format("linking the switch's socket {} to {} failed: they are on different file systems", made,
                          record.socket),
              fmt::format("give a \"socket_dir\" on that of {}, or the interface_type {}", vhost.switch_directory,
                          kVhostClient));
}

}  // namespace

std::string VhostUser::path(const std::string& port) const {
  return directory.empty() ? fmt::format("{}/{}", switch_directory, port) : fmt::format("{}/{}", directory, name);
}

ovsdb::StringMap VhostUser::options() const {
  if (!pod_listens) return {};
  return {{"vhost-server-path", path({})}};
}

void require_socket_path(const std::string& path) {
  if (path.size() <= kLongestSocketPath) return;
  throw Error(Error::Code::config,
              fmt::format("config key \"socket_dir\" leads to the socket {}, {} bytes long; expected at most {}", path,
                          path.size(), kLongestSocketPath),
              "give a shorter \"socket_dir\" or \"socket_name\"");
}

gid_t parse_group(const JsonView& group) {
  const std::string text = group.string();
  gid_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc() && end == text.data() + text.size()) return number;
  std::istringstream lines(read_file("/etc/group").value_or(""));  // group(5); a static program has no name service
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(text + ":")) continue;
    const std::size_t at = line.find(':', text.size() + 1);
    if (at != std::string::npos &&
        std::from_chars(line.data() + at + 1, line.data() + line.size(), number).ec == std::errc())
      return number;
  }
  group.reject("a group of /etc/group, or its number as text");
}

VhostUser parse_vhost_user(const cni::Request& request, const LayeredConfig& config, const std::string& type) {
  VhostUser vhost;
  vhost.pod_listens = type == kVhostClient;
  vhost.switch_directory = config.string_or("ovs_run_dir", kSwitchDirectory);
  if (const auto directory = config.find("socket_dir"))
    vhost.directory = expand(request, *directory);
  else if (vhost.pod_listens)
    vhost.directory = default_directory(request);
  const std::string own = fmt::format("{}-{}", request.container_id.substr(0, kIdLength), request.ifname);
  vhost.name = config.string_or("socket_name", own);
  if (vhost.name.find('/') != std::string::npos || vhost.name.starts_with('.'))
    config.find("socket_name")->reject("a file name that does not begin with a dot");
  if (const auto mode = config.find("socket_mode")) vhost.mode = parse_mode(*mode);
  if (const auto group = config.find("socket_group")) vhost.group = parse_group(*group);
  if (const auto file = request.conf.runtime_config("CNIDeviceInfoFile")) vhost.device_info_file = file->string();
  if (!vhost.directory.empty()) require_socket_path(vhost.path({}));
  return vhost;
}

namespace {

boost::json::object to_json(const FileId& id) {
  return {{"device", static_cast<std::int64_t>(id.device)}, {"inode", static_cast<std::int64_t>(id.inode)}};
}

std::optional<FileId> parse_id(const JsonView& view) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  if (!view.find("inode")) return std::nullopt;
  return FileId{static_cast<dev_t>(view.at("device").integer(0, kMax, "a device number")),
                static_cast<ino_t>(view.at("inode").integer(0, kMax, "an inode number"))};
}

/// Those that an older version made are one, by its path.
std::vector<MadeDirectory> parse_directories(const JsonView& record) {
  std::vector<MadeDirectory> parsed;
  if (const auto one = record.find("directory"); one && !one->string().empty())
    parsed.push_back({one->string(), std::nullopt});
  const auto list = record.find("directories");
  if (!list) return parsed;
  for (const JsonView& directory : list->array())
    parsed.push_back({directory.at("path").string(), parse_id(directory)});
  return parsed;
}

}  // namespace

boost::json::object to_json(const VhostRecord& record) {
  boost::json::array directories;
  for (const MadeDirectory& directory : record.directories) {
    boost::json::object one = directory.id ? to_json(*directory.id) : boost::json::object();
    one["path"] = directory.path;
    directories.push_back(std::move(one));
  }
  boost::json::object json{
      {"socket", record.socket}, {"directories", std::move(directories)}, {"deviceInfo", record.device_info}};
  if (record.socket_id) json["socketId"] = to_json(*record.socket_id);
  if (record.device_info_before) json["deviceInfoBefore"] = *record.device_info_before;
  return json;
}

VhostRecord parse_vhost_record(const JsonView& record) {
  VhostRecord parsed{.socket = record.at("socket").string(),
                     .socket_id = std::nullopt,
                     .directories = parse_directories(record),
                     .device_info = record.string_or("deviceInfo", ""),
                     .device_info_before = std::nullopt};
  if (const auto id = record.find("socketId")) parsed.socket_id = parse_id(*id);
  if (const auto before = record.find("deviceInfoBefore")) parsed.device_info_before = before->string();
  return parsed;
}

bool VhostOthers::have_socket(const std::string& path) const {
  return std::any_of(records.begin(), records.end(), [&](const VhostRecord& other) { return other.socket == path; });
}

bool VhostOthers::need_directory(const std::string& path) const {
  return std::any_of(records.begin(), records.end(), [&](const VhostRecord& other) {
    return other.socket.starts_with(path + "/") ||
           std::any_of(other.directories.begin(), other.directories.end(),
                       [&](const MadeDirectory& made) { return made.path == path; });
  });
}

namespace {

/// Directories of the path that other attachments made: whoever goes last removes them.
void add_shared(VhostRecord& record, const std::string& path, const VhostOthers& others) {
  for (const VhostRecord& other : others.records)
    for (const MadeDirectory& made : other.directories) {
      const bool known = std::any_of(record.directories.begin(), record.directories.end(),
                                     [&](const MadeDirectory& own) { return own.path == made.path; });
      if (!known && (path == made.path || path.starts_with(made.path + "/"))) record.directories.push_back(made);
    }
  std::sort(record.directories.begin(), record.directories.end(),
            [](const MadeDirectory& a, const MadeDirectory& b) { return a.path.size() < b.path.size(); });
}

}  // namespace

VhostRecord plan(const VhostUser& vhost, const std::string& port, const VhostOthers& others) {
  VhostRecord record;
  record.socket = vhost.path(port);
  record.device_info = vhost.device_info_file;
  if (!vhost.directory.empty()) {
    // For its refusals alone: nothing is removed before the record is written.
    find_stale_socket(record.socket, others);
    for (std::string& missing : missing_directories(vhost.directory))
      record.directories.push_back({std::move(missing), std::nullopt});
    add_shared(record, vhost.directory, others);
  }
  if (!record.device_info.empty()) record.device_info_before = cni::read_device_info(record.device_info);
  return record;
}

void prepare(const VhostUser& vhost, VhostRecord& record, const VhostOthers& others) {
  if (vhost.directory.empty()) return;
  if (const auto stale = find_stale_socket(record.socket, others)) remove_at(*stale, record.socket);
  const bool is_pods = vhost.pod_listens;  // else mode and group are for the switch's socket
  record.directories =
      make_socket_directory(vhost.directory, is_pods ? vhost.mode : std::nullopt, is_pods ? vhost.group : std::nullopt);
  add_shared(record, vhost.directory, others);
}

namespace {

void link_to_pod(const VhostUser& vhost, VhostRecord& record, const std::string& made) {
  const auto place = find_place(record.socket);
  if (!place) throw errno_error(ENOENT, "opening the directory of " + record.socket);
  if (::linkat(AT_FDCWD, made.c_str(), place->directory.get(), place->name.c_str(), 0) != 0)
    throw_not_linked(vhost, made, record);
  record.socket_id = place->id();
}

}  // namespace

void publish(const VhostUser& vhost, VhostRecord& record, const std::string& port) {
  if (!vhost.pod_listens) {
    const std::string made = fmt::format("{}/{}", vhost.switch_directory, port);
    // Before it is linked: the pod must not find a socket that it cannot open yet.
    give_to_pod(made, vhost);
    if (made != record.socket)
      link_to_pod(vhost, record, made);
    else if (const auto place = find_place(made))
      record.socket_id = place->id();
  }
  if (!record.device_info.empty()) tell_device(vhost, record);
}

namespace {

/// nullopt when it cannot be told: the program may have ended since.
std::optional<kernel::NetNsId> netns_of_listener(const std::string& path) {
  const pid_t pid = find_listener(path).value_or(0);
  const auto netns = pid > 0 ? kernel::NetNs::try_open(fmt::format("/proc/{}/ns/net", pid)) : std::nullopt;
  return netns ? std::optional(netns->id()) : std::nullopt;
}

bool is_own_socket(const VhostRecord& record, const Place& place, const std::optional<kernel::NetNsId>& pod) {
  const auto status = place.status();
  if (!status || !S_ISSOCK(status->st_mode)) return false;
  // The inode of the socket we linked. Where the pod listens there is none on record: then the listener's netns tells.
  if (record.socket_id) return *record.socket_id == FileId{status->st_dev, status->st_ino};
  if (!has_listener(place.path())) return true;
  const auto listener = netns_of_listener(place.path());
  return listener && pod && *listener == *pod;
}

void withdraw_socket(const VhostRecord& record, const VhostOthers& others, const std::optional<kernel::NetNsId>& pod) {
  const auto place = find_place(record.socket);
  // Gone already, or its directory is.
  if (!place || !place->id()) return;
  if (others.all_read && !others.have_socket(record.socket) && is_own_socket(record, *place, pod))
    return remove_at(*place, record.socket);
  log_warning("leaving {}, which is not of this attachment, or of which that cannot be told", record.socket);
}

}  // namespace

void withdraw(const VhostRecord& record, const VhostOthers& others, const std::optional<kernel::NetNsId>& pod) {
  Collector undo;
  undo.run("removing the socket", [&] { withdraw_socket(record, others, pod); });
  // Innermost first: a directory goes when it is empty.
  for (auto directory = record.directories.rbegin(); directory != record.directories.rend(); ++directory)
    if (others.all_read && !others.need_directory(directory->path))
      undo.run("removing the socket's directory", [&] { remove_made_directory(*directory); });
  undo.run("restoring the device-info file", [&] {
    if (!record.device_info.empty()) cni::undo_device_info(record.device_info, record.device_info_before);
  });
  undo.finish();
}

}  // namespace barewire::ovs
