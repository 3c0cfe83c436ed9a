// SPDX-License-Identifier: Apache-2.0
/// Contents of an Allocate answer.
/// Byte by byte what the SR-IOV network device plugin answers, since programs in containers parse it: names of
/// variables, order of keys, escapes.
#include "device-manager/inventory/grant.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace barewire::inventory {
namespace {

using Values = std::map<std::string, std::string>;
using Info = std::map<std::string, Values>;  ///< provider → key → value

/// As Go's encoding/json writes a string: HTML's special characters escaped, UTF-8 as it is.
std::string go_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      result += fmt::format("\\{}", c);
    else if (c == '\n')
      result += "\\n";
    else if (c == '\r')
      result += "\\r";
    else if (c == '\t')
      result += "\\t";
    // Source: Go's encoding/json, whose SetEscapeHTML is on by default.
    else if (byte < 0x20 || c == '<' || c == '>' || c == '&')
      result += fmt::format("\\u{:04x}", byte);
    else
      result += c;
  }
  return result + "\"";
}

/// The members in the order given, which std::map makes that of Go: by key.
template <typename Members, typename Write>
std::string object(const Members& members, const Write& write) {
  std::string text;
  for (const auto& [key, value] : members)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", go_string(key), write(value));
  return "{" + text + "}";
}

std::string json(const Values& values) {
  return object(values, [](const std::string& value) { return go_string(value); });
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool is_vfio(const Device& device) {
  return device.driver == "vfio-pci";
}

bool is_uio(const Device& device) {
  return device.driver == "igb_uio" || device.driver == "uio" || device.driver == "uio_pci_generic";
}

bool wants_rdma(const Member& member) {
  return member.selector != nullptr && member.selector->rdma && !member.device->rdma.empty();
}

bool wants_vdpa(const Member& member) {
  return member.selector != nullptr && !member.selector->vdpa_type.empty() && member.device->vdpa;
}

bool wants_vhost_net(const Member& member, const DevRoots& roots) {
  return member.selector != nullptr && member.selector->vhost_net && exists(roots.dev + "/vhost-net");
}

std::vector<std::string> rdma_nodes(const Member& member, const DevRoots& roots) {
  std::vector<std::string> nodes;
  for (const std::string& rdma : member.device->rdma)
    for (std::string& node : rdma_char_devices(roots.sysfs, rdma, roots.dev)) nodes.push_back(std::move(node));
  return nodes;
}

/// Each key holds one path: where a device has several nodes of a kind, the last one counts.
Values rdma_values(const Member& member, const DevRoots& roots) {
  Values values;
  for (const std::string& node : rdma_nodes(member, roots)) {
    for (const char* key : {"uverbs", "umad", "issm", "rdma_cm"}) {
      if (node.find(key) == std::string::npos) continue;
      values[key] = node;
      break;
    }
  }
  values["rdma_dev"] = member.device->rdma.front();
  return values;
}

Values vfio_values(const Device& device) {
  Values values = {{"mount", "/dev/vfio/vfio"}};
  if (device.iommu_group) values["dev-mount"] = "/dev/vfio/" + *device.iommu_group;
  return values;
}

/// What is given for every device, then for this one.
Values extra_values(const Pool& pool, const Device& device) {
  Values values;
  for (const std::string& of : {std::string("*"), device.id}) {
    const auto found = pool.additional_info->find(of);
    if (found == pool.additional_info->end()) continue;
    for (const auto& [key, value] : found->second) values[key] = value;
  }
  return values;
}

Info info_of(const Pool& pool, const Member& member, const DevRoots& roots) {
  const Device& device = *member.device;
  Info info = {{"generic", {{"deviceID", device.id}}}};
  if (is_vfio(device)) info["vfio"] = vfio_values(device);
  if (is_uio(device)) info["uio"] = device.uio.empty() ? Values{} : Values{{"mount", "/dev/" + device.uio}};
  if (pool.additional_info) info["extra"] = extra_values(pool, device);
  if (wants_rdma(member)) info["rdma"] = rdma_values(member, roots);
  if (wants_vdpa(member)) info["vdpa"] = device.vdpa->path.empty() ? Values{} : Values{{"mount", device.vdpa->path}};
  if (wants_vhost_net(member, roots)) info["vhost"] = {{"net-mount", "/dev/vhost-net"}, {"tun-mount", "/dev/net/tun"}};
  return info;
}

/// "PCIDEVICE_EXAMPLE_COM_VF"
std::string variable_of(const Pool& pool, std::string_view end) {
  std::string name = fmt::format("PCIDEVICE_{}_{}{}", pool.prefix, pool.name, end);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '.' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

/// Source: the SR-IOV network device plugin, GetCDIName of its three pools.
std::string_view cdi_class(const Pool& pool) {
  return pool.type == DeviceType::net ? "net-pci" : pool.type == DeviceType::auxiliary ? "net-sf" : "net-accel";
}

std::string cdi_name(const Pool& pool, const std::string& device) {
  return fmt::format("{}/{}={}", pool.prefix, cdi_class(pool), device);
}

std::string cdi_device(const Member& member, const DevRoots& roots) {
  std::vector<std::string> nodes;
  for (const DeviceNode& node : nodes_of(member, roots))
    nodes.push_back(fmt::format(R"({{"path":{},"hostPath":{},"permissions":"rw"}})", go_string(node.container_path),
                                go_string(node.host_path)));
  return fmt::format(R"({{"name":{},"containerEdits":{{"deviceNodes":[{}]}}}})", go_string(member.device->id),
                     fmt::join(nodes, ","));
}

std::string vdpa_info(const Device& device) {
  const Vdpa& vdpa = *device.vdpa;
  std::string text = fmt::format(R"("parent-device":{},"driver":{})", go_string(vdpa.name),
                                 go_string(vdpa.driver == "vhost_vdpa" ? "vhost" : "virtio"));
  if (!vdpa.path.empty()) text += fmt::format(R"(,"path":{})", go_string(vdpa.path));
  return fmt::format(R"({{"type":"vdpa","version":"1.1.0","vdpa":{{{},"pci-address":{}}}}})", text,
                     go_string(device.id));
}

}  // namespace

std::vector<DeviceNode> nodes_of(const Member& member, const DevRoots& roots) {
  const Device& device = *member.device;
  std::vector<DeviceNode> nodes;
  const auto add = [&](const std::string& path) { nodes.push_back({path, path}); };
  if (is_vfio(device)) add("/dev/vfio/vfio");
  if (is_vfio(device) && device.iommu_group)
    // In the container without "noiommu-": programs look for the group's number alone.
    nodes.push_back({fmt::format("/dev/vfio/{}{}", device.noiommu ? "noiommu-" : "", *device.iommu_group),
                     "/dev/vfio/" + *device.iommu_group});
  if (is_uio(device) && !device.uio.empty()) add("/dev/" + device.uio);
  if (wants_vdpa(member) && !device.vdpa->path.empty()) add(device.vdpa->path);
  if (wants_rdma(member))
    for (const std::string& node : rdma_nodes(member, roots)) add(node);
  if (wants_vhost_net(member, roots) && exists(roots.dev + "/net/tun")) {
    add("/dev/vhost-net");
    add("/dev/net/tun");
  }
  return nodes;
}

Grant grant(const Pool& pool, const std::vector<Member>& devices, const DevRoots& roots, bool use_cdi) {
  Grant result;
  std::vector<std::string> ids, names;  // names: a device without nodes edits nothing, and CDI refuses empty edits
  std::map<std::string, Info> infos;
  for (const Member& member : devices) {
    ids.push_back(member.device->id);
    infos[member.device->id] = info_of(pool, member, roots);
    const auto nodes = nodes_of(member, roots);
    if (!nodes.empty()) names.push_back(cdi_name(pool, member.device->id));
    if (use_cdi) continue;
    for (const DeviceNode& node : nodes) {
      // /dev/vfio/vfio comes with each device of the pool, and is to be named once.
      const auto is_same = [&](const DeviceNode& each) { return each.host_path == node.host_path; };
      if (std::none_of(result.nodes.begin(), result.nodes.end(), is_same)) result.nodes.push_back(node);
    }
  }
  result.environment[variable_of(pool, "")] = fmt::format("{}", fmt::join(ids, ","));
  result.environment[variable_of(pool, "_INFO")] =
      object(infos, [](const Info& info) { return object(info, [](const Values& values) { return json(values); }); });
  if (use_cdi && !names.empty())
    result.annotations[fmt::format("cdi.k8s.io/{}_{}", pool.prefix, cdi_class(pool))] =
        fmt::format("{}", fmt::join(names, ","));
  return result;
}

std::string cdi_specification(const Pool& pool, const std::vector<Member>& members, const DevRoots& roots) {
  std::vector<std::string> devices;
  for (const Member& member : members)
    // CDI refuses a device that changes nothing.
    if (!nodes_of(member, roots).empty()) devices.push_back(cdi_device(member, roots));
  if (devices.empty()) return {};
  return fmt::format(R"({{"cdiVersion":"0.5.0","kind":{},"devices":[{}]}})",
                     go_string(fmt::format("{}/{}", pool.prefix, cdi_class(pool))), fmt::join(devices, ","));
}

std::string cdi_file_name(const Pool& pool) {
  return fmt::format("sriov-dp-{}-{}-{}.json", pool.prefix, cdi_class(pool), pool.name);
}

std::string device_info(const Member& member) {
  const Device& device = *member.device;
  if (device.type != DeviceType::net) return {};
  if (wants_vdpa(member)) return vdpa_info(device);
  std::string text = fmt::format(R"("pci-address":{})", go_string(device.id));
  if (wants_rdma(member))
    text += fmt::format(R"(,"rdma-device":{})", go_string(fmt::format("{}", fmt::join(device.rdma, ","))));
  return fmt::format(R"({{"type":"pci","version":"1.1.0","pci":{{{}}}}})", text);
}

std::string device_info_file_name(const Pool& pool, const std::string& device) {
  std::string name = fmt::format("{}-{}-{}-device.json", pool.prefix, pool.name, device);
  std::replace(name.begin(), name.end(), '/', '-');
  return name;
}

}  // namespace barewire::inventory
