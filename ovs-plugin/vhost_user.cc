// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/vhost_user.h"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <sstream>

#include "core/cni/device_info.h"
#include "core/fd.h"
#include "core/rollback.h"
#include "core/unix_socket.h"

namespace barewire::ovs {

namespace {

constexpr const char* kSwitchDirectory = "/var/run/openvswitch";
constexpr const char* kOwnDirectory = "/run/barewire/vhost-user";
constexpr std::size_t kIdLength = 12;  // as userspace-cni, so that paths stay short
constexpr mode_t kDirectoryMode = 0755;

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

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
  const bool usable = !uid.empty() && uid.find('/') == std::string::npos && !uid.starts_with('.');
  return fmt::format("{}/{}", kOwnDirectory, usable ? uid : request.container_id.substr(0, kIdLength));
}

bool is_socket(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

/// The socket of a program that died is removed, since the next could not listen there; nothing else ever is.
void clear_path(const std::string& path) {
  if (!exists(path)) return;
  if (is_socket(path) && !has_listener(path)) {
    remove_file(path);
    return;
  }
  throw Error(Error::Code::held,
              fmt::format("making the socket {} failed: {} there", path,
                          is_socket(path) ? "a program listens" : "another file is"),
              "give another \"socket_dir\" or \"socket_name\"");
}

void give_to_pod(const std::string& path, const VhostUser& vhost) {
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

boost::json::object to_json(const VhostRecord& record) {
  boost::json::object json{
      {"socket", record.socket}, {"directory", record.directory}, {"deviceInfo", record.device_info}};
  if (record.device_info_before) json["deviceInfoBefore"] = *record.device_info_before;
  return json;
}

VhostRecord parse_vhost_record(const JsonView& record) {
  VhostRecord parsed{record.at("socket").string(), record.string_or("directory", ""),
                     record.string_or("deviceInfo", ""), std::nullopt};
  if (const auto before = record.find("deviceInfoBefore")) parsed.device_info_before = before->string();
  return parsed;
}

VhostRecord plan(const VhostUser& vhost, const std::string& port) {
  VhostRecord record{vhost.path(port), {}, vhost.device_info_file, std::nullopt};
  const bool is_ours = vhost.directory.starts_with(std::string(kOwnDirectory) + "/");
  if (!vhost.directory.empty() && (is_ours || !exists(vhost.directory))) record.directory = vhost.directory;
  if (!record.device_info.empty()) record.device_info_before = cni::read_device_info(record.device_info);
  return record;
}

void prepare(const VhostUser& vhost, const VhostRecord& record) {
  if (vhost.directory.empty()) return;
  clear_path(record.socket);
  make_directories(vhost.directory, kDirectoryMode);
  if (vhost.pod_listens) give_to_pod(vhost.directory, vhost);
}

void publish(const VhostUser& vhost, const VhostRecord& record, const std::string& port) {
  if (!vhost.pod_listens) {
    const std::string made = fmt::format("{}/{}", vhost.switch_directory, port);
    give_to_pod(made, vhost);
    if (made != record.socket && ::link(made.c_str(), record.socket.c_str()) != 0)
      throw_not_linked(vhost, made, record);
  }
  if (!record.device_info.empty()) tell_device(vhost, record);
}

void withdraw(const VhostRecord& record) {
  Collector undo;
  undo.run("removing the socket", [&] {
    if (is_socket(record.socket)) remove_file(record.socket);
  });
  undo.run("removing the socket's directory", [&] {
    if (record.directory.empty() || ::rmdir(record.directory.c_str()) == 0) return;
    if (errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY) throw sys_error("removing {}", record.directory);
  });
  undo.run("restoring the device-info file", [&] {
    if (!record.device_info.empty()) cni::undo_device_info(record.device_info, record.device_info_before);
  });
  undo.finish();
}

}  // namespace barewire::ovs
