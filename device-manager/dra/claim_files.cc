// SPDX-License-Identifier: Apache-2.0
/// A runtime refuses a CDI file whole for a field that its version does not have: only what is needed is written.
#include "device-manager/dra/claim_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "core/fd.h"
#include "device-manager/kubelet/bridge_ports.h"

namespace barewire::dra {

namespace json = boost::json;

namespace {

/// Readable by all, as Multus and container runtimes expect.
void write_public(const std::string& path, const std::string& bytes, mode_t mode) {
  // Runtimes watch the directory and read all of it after each change: what is as it should be is left alone.
  if (read_file(path) == bytes) return;
  make_directories(path.substr(0, path.rfind('/')));
  // Below /run, where no fsync helps: after a reboot everything here is made anew from the records.
  write_file_atomically(path, bytes, Durability::until_reboot, mode);
  ::chmod(path.c_str(), mode);  // whatever the umask
}

/// "BAREWIRE_DEVICE_MAIN", "…_MAIN_2" for the second device of a request.
std::string variable_of(const std::string& request, int count) {
  std::string name = "BAREWIRE_DEVICE_" + request;
  if (count > 1) name += fmt::format("_{}", count);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z')   ? static_cast<char>(c - 'a' + 'A')
           : (c == '-' || c == '.') ? '_'
                                    : static_cast<char>(c);
  });
  return name;
}

json::array nodes_json(const std::vector<inventory::DeviceNode>& nodes) {
  json::array result;
  for (const inventory::DeviceNode& node : nodes) {
    json::object each{{"path", node.container_path}, {"permissions", node.permissions}};
    if (node.host_path != node.container_path) each["hostPath"] = node.host_path;
    result.push_back(std::move(each));
  }
  return result;
}

}  // namespace

ClaimFiles::ClaimFiles(std::string driver, std::string cdi_dir, std::string device_info_dir, inventory::DevRoots roots,
                       MetadataFiles metadata)
    : driver_(std::move(driver)),
      cdi_dir_(std::move(cdi_dir)),
      device_info_dir_(std::move(device_info_dir)),
      roots_(std::move(roots)),
      metadata_(std::move(metadata)) {}

std::string ClaimFiles::cdi_path(const state::ClaimRecord& record) const {
  return fmt::format("{}/{}-claim_{}.json", cdi_dir_, driver_, record.uid);
}

std::string ClaimFiles::device_info_path(const state::ClaimedDevice& device) const {
  // A resource has a '/' in its name, a file cannot; Multus's client library makes it a '-' too.
  std::string name = fmt::format("{}-{}-device.json", device.resource, device.id);
  std::replace(name.begin(), name.end(), '/', '-');
  return device_info_dir_ + "/" + name;
}

std::string ClaimFiles::cdi_kind(const state::ClaimRecord& record) const {
  return fmt::format("{}/claim-{}", driver_, record.uid);
}

/// Within the claim's kind.
static std::string cdi_name(const state::ClaimRecord& record, std::size_t device) {
  const state::ClaimedDevice& claimed = record.devices[device];
  return claimed.is_port ? fmt::format("port-{}", device) : claimed.id;
}

std::string ClaimFiles::cdi_id(const state::ClaimRecord& record, std::size_t device) const {
  return fmt::format("{}={}", cdi_kind(record), cdi_name(record, device));
}

std::string ClaimFiles::specification(const state::ClaimRecord& record,
                                      const std::vector<inventory::Member>& members) const {
  std::map<std::string, int> count;
  json::array devices;
  bool has_host_path = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const state::ClaimedDevice& claimed = record.devices[i];
    // Every device has the variable: CDI refuses a device whose edits are empty, and a VF on a kernel driver has no
    // nodes.
    json::array environment{fmt::format("{}={}", variable_of(claimed.request, ++count[claimed.request]), claimed.id)};
    if (claimed.is_port)  // as the device plugin gives it
      environment.push_back(json::value(fmt::format(
          "{}={}", kubelet::bridge_variable(claimed.resource.substr(claimed.resource.find('/') + 1)), claimed.id)));
    json::object edits{{"env", std::move(environment)}};
    const auto nodes = inventory::nodes_of(members[i], roots_);
    for (const auto& node : nodes) has_host_path |= node.host_path != node.container_path;
    if (!nodes.empty()) edits["deviceNodes"] = nodes_json(nodes);
    if (auto mount = metadata_.mount_of(record, i)) edits["mounts"] = json::array{*std::move(mount)};
    devices.push_back(json::object{{"name", cdi_name(record, i)}, {"containerEdits", std::move(edits)}});
  }
  // hostPath came with 0.5.0. The lowest version that will do is told, as an older runtime refuses one it does not
  // know.
  return json::serialize(json::object{
      {"cdiVersion", has_host_path ? "0.5.0" : "0.3.0"}, {"kind", cdi_kind(record)}, {"devices", std::move(devices)}});
}

void ClaimFiles::write(const state::ClaimRecord& record, const std::vector<inventory::Member>& members) const {
  for (std::size_t i = 0; i < members.size(); ++i)
    if (const std::string info = inventory::device_info(members[i]); !info.empty())
      write_public(device_info_path(record.devices[i]), info, 0444);
  metadata_.make(record);  // before what has it mounted
  write_public(cdi_path(record), specification(record, members), 0644);
}

void ClaimFiles::remove_cdi(const state::ClaimRecord& record) const {
  remove_file(cdi_path(record));
  metadata_.remove(record);
}

void ClaimFiles::remove_device_info(const state::ClaimedDevice& device) const {
  remove_file(device_info_path(device));
}

}  // namespace barewire::dra
