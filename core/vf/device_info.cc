// SPDX-License-Identifier: Apache-2.0
// The device-info file of the Network Plumbing Working Group: the device plugin may have begun it, so its keys stay and
// ours are put among them.
#include "core/vf/device_info.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>

namespace barewire::vf {

namespace json = boost::json;

void write_device_info(const kernel::Sysfs& sysfs, const std::string& path, const std::optional<std::string>& before,
                       const VfRecord& record, const std::string& representor) {
  json::object info = cni::parse_device_info(path, before);
  info["type"] = "pci";
  // Source: k8snetworkplumbingwg device-info-spec, version 1.1.0.
  info["version"] = "1.1.0";
  json::value& pci = info["pci"];
  if (!pci.is_object()) pci = json::object();
  json::object& device = pci.get_object();
  device["pci-address"] = record.device;
  device["pf-pci-address"] = record.pf;
  const auto rdma = sysfs.list(fmt::format("bus/pci/devices/{}/infiniband", record.device));
  if (!rdma.empty()) device["rdma-device"] = rdma.front();
  if (!representor.empty()) device["representor-device"] = representor;
  cni::write_device_info(path, info);
}

}  // namespace barewire::vf
