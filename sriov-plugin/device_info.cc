// SPDX-License-Identifier: Apache-2.0
#include "sriov-plugin/device_info.h"

#include <sys/stat.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/log.h"

namespace barewire::sriov {

namespace json = boost::json;

namespace {

constexpr mode_t kMode = 0444;  // readable by the pod's user, changed by no one but a CNI plugin

/// What the device plugin wrote, when that can be read.
json::object parse_before(const std::string& path, const std::optional<std::string>& before) {
  if (!before || before->empty()) return {};
  json::error_code failed;
  json::value value = json::parse(*before, failed);
  if (!failed && value.is_object()) return std::move(value.get_object());
  log_warning("device-info file {} is not a JSON object; writing it anew", path);
  return {};
}

std::string parent_directory(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

std::optional<std::string> read_device_info(const std::string& path) {
  return read_file(path);
}

void write_device_info(const kernel::Sysfs& sysfs, const std::string& path, const std::optional<std::string>& before,
                       const vf::VfRecord& record) {
  json::object info = parse_before(path, before);
  info["type"] = "pci";
  info["version"] = "1.1.0";
  json::value& pci = info["pci"];
  if (!pci.is_object()) pci = json::object();
  json::object& device = pci.get_object();
  device["pci-address"] = record.device;
  device["pf-pci-address"] = record.pf;
  const auto rdma = sysfs.list(fmt::format("bus/pci/devices/{}/infiniband", record.device));
  if (!rdma.empty()) device["rdma-device"] = rdma.front();
  make_directories(parent_directory(path));
  write_file_atomically(path, json::serialize(info), Durability::until_reboot, kMode);
  ::chmod(path.c_str(), kMode);  // whatever the umask
}

void undo_device_info(const std::string& path, const std::optional<std::string>& before) {
  if (!before) {
    remove_file(path);
    return;
  }
  const auto now = read_file(path);
  if (!now || now == before) return;
  write_file_atomically(path, *before, Durability::until_reboot, kMode);
  ::chmod(path.c_str(), kMode);
}

}  // namespace barewire::sriov
