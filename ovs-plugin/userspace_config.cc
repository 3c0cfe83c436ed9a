// SPDX-License-Identifier: Apache-2.0
// The keys of userspace-cni, read as the ovs plugin's configuration of a vhost-user port.
#include <algorithm>

#include "ovs-plugin/ovs_config.h"

namespace barewire::ovs {

namespace {

// Where userspace-cni puts sockets when no "sharedDir" is given.
constexpr const char* kSharedDirectory = "/var/lib/cni/usrspcni";

/// One of `accepted`; of the peer's others, `refused` says why not.
std::string choice(const JsonView& from, std::string_view key, const std::string& accepted,
                   std::initializer_list<std::string_view> refused, const std::string& hint) {
  const JsonView found = from.at(key);
  const std::string text = found.string();
  if (text == accepted) return text;
  if (std::find(refused.begin(), refused.end(), text) == refused.end()) found.reject(accepted);
  throw Error(Error::Code::unsupported_field,
              fmt::format("config key \"{}\" is \"{}\": only {} is supported", found.path(), text, accepted), hint);
}

std::string bridge_of(const JsonView& host) {
  const std::string type = host.string_or("netType", "bridge");
  if (type != "bridge")
    throw Error(Error::Code::unsupported_field,
                fmt::format("config key \"host.netType\" is \"{}\": only bridge is supported", type),
                "an Open vSwitch port is always on a bridge");
  const auto bridge = host.find("bridge");
  return bridge ? bridge->string_or("bridgeName", "br0") : "br0";
}

std::string interface_type_of(const std::optional<JsonView>& vhost) {
  const auto mode = vhost ? vhost->find("mode") : std::nullopt;
  if (!mode) return kVhostServer;
  const std::string text = mode->string();
  if (text != "client" && text != "server") mode->reject("client or server");
  return text == "client" ? kVhostClient : kVhostServer;
}

VhostUser vhost_of(const cni::Request& request, const std::optional<JsonView>& vhost, const std::string& type) {
  const JsonView root = request.conf.root();
  VhostUser parsed;
  parsed.pod_listens = type == kVhostClient;
  parsed.switch_directory = root.string_or("ovs_run_dir", "/var/run/openvswitch");
  parsed.directory = root.string_or("sharedDir", fmt::format("{}/{}", kSharedDirectory, request.container_id));
  // Records compare directories as text.
  while (parsed.directory.size() > 1 && parsed.directory.ends_with('/')) parsed.directory.pop_back();
  if (!parsed.directory.starts_with('/')) root.at("sharedDir").reject("an absolute path");
  parsed.name = fmt::format("{}-{}", request.container_id.substr(0, 12), request.ifname);
  if (vhost) parsed.name = vhost->string_or("socketfile", parsed.name);
  if (parsed.name.find('/') != std::string::npos || parsed.name.starts_with('.'))
    vhost->at("socketfile").reject("a file name that does not begin with a dot");
  if (const auto group = vhost ? vhost->find("group") : std::nullopt) {
    parsed.group = parse_group(*group);
    parsed.mode = 0770;  // else the group would not help
  }
  if (const auto file = request.conf.runtime_config("CNIDeviceInfoFile")) parsed.device_info_file = file->string();
  require_socket_path(parsed.path({}));
  return parsed;
}

void require_no_memif(const JsonView& root) {
  const auto container = root.find("container");
  if (container && container->string_or("iftype", "vhostuser") != "vhostuser")
    choice(*container, "iftype", "vhostuser", {"memif"}, "memif is VPP's; Open vSwitch has vhostuser");
}

}  // namespace

OvsConfig parse_userspace(const cni::Request& request) {
  const JsonView root = request.conf.root(), host = root.at("host");
  choice(host, "engine", "ovs-dpdk", {"vpp"}, "pods of VPP need VPP's own plugin");
  choice(host, "iftype", "vhostuser", {"memif"}, "memif is VPP's; Open vSwitch has vhostuser");
  require_no_memif(root);
  const LayeredConfig config = LayeredConfig::read(request);
  const auto vhost = host.find("vhost"), bridge = host.find("bridge");
  OvsConfig parsed;
  parsed.endpoint = parse_socket(config);
  parsed.bridge = bridge_of(host);
  if (const auto vlan = bridge ? bridge->find("vlanId") : std::nullopt) {
    const std::int64_t tag = vlan->integer(0, 4094, "an 802.1Q VLAN id, 0 for none");
    if (tag != 0) parsed.vlan.tag = tag;
    if (tag != 0) parsed.vlan.mode = "access";
  }
  parsed.mac = cni::requested_mac(request);
  parsed.interface_type = interface_type_of(vhost);
  parsed.vhost = vhost_of(request, vhost, parsed.interface_type);
  // Every port of this plugin is DPDK's, whose policer counts otherwise than the kernel's.
  parsed.qos = parse_qos(request, config, true);
  return parsed;
}

}  // namespace barewire::ovs
