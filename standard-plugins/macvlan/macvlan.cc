// SPDX-License-Identifier: Apache-2.0
/// The macvlan plugin: an interface with a MAC address of its own on an interface of the node, in the pod.
#include <linux/if_link.h>

#include <array>

#include "core/kernel/attributes.h"
#include "standard-plugins/common/parent.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr PodLinkKind kKind{.plugin = "macvlan", .kind = "macvlan"};

struct Mode {
  std::string_view name;
  std::uint32_t number;
};
constexpr std::array kModes{Mode{"bridge", MACVLAN_MODE_BRIDGE}, Mode{"private", MACVLAN_MODE_PRIVATE},
                            Mode{"vepa", MACVLAN_MODE_VEPA}, Mode{"passthru", MACVLAN_MODE_PASSTHRU}};

struct Config {
  std::string master;
  std::uint32_t mode = MACVLAN_MODE_BRIDGE;
  std::uint32_t broadcast_queue = 0;  ///< packets; 0 = the kernel's
  std::optional<MacAddress> mac;
};

std::uint32_t parse_mode(const JsonView& root) {
  const auto key = root.find("mode");
  if (!key || key->string().empty()) return MACVLAN_MODE_BRIDGE;
  for (const Mode& mode : kModes)
    if (mode.name == key->string()) return mode.number;
  key->reject("\"bridge\", \"private\", \"vepa\" or \"passthru\"");
}

Config parse_config(const cni::Request& request) {
  const JsonView root = request.conf.root();
  Config config;
  // Empty: the interface of the default route, as find_parent takes it.
  config.master = root.string_or("master", "");
  config.mode = parse_mode(root);
  config.broadcast_queue = static_cast<std::uint32_t>(
      root.integer_or("bcqueuelen", 0, std::int64_t{UINT32_MAX}, "a number of packets, 0 for the default", 0));
  config.mac = cni::requested_mac(request);
  is_parent_in_container(request);
  require_valid_mtu(request);
  return config;
}

void create(const Config& config, const cni::Request& request, const kernel::NetNs&, kernel::NlSocket& inside) {
  const Parent parent = find_parent(request, inside, config.master);
  kernel::NewLink link = link_on(parent, request, inside);
  link.mac = config.mac;
  kernel::create_link(inside, kKind.kind, link, [&](kernel::NlMessage& data) {
    data.put_u32(IFLA_MACVLAN_MODE, config.mode);
    // The queue is the master's, of all macvlans on it: the kernel takes the largest that any of them asks for. Source:
    // drivers/net/macvlan.c.
    if (config.broadcast_queue != 0) data.put_u32(IFLA_MACVLAN_BC_QUEUE_LEN, config.broadcast_queue);
  });
}

std::vector<std::string> compare(const Config& config, const cni::Request& request, kernel::NlSocket& inside,
                                 const kernel::Link& link) {
  std::vector<std::string> clauses = compare_parent(find_parent(request, inside, config.master), link);
  std::uint32_t mode = 0;
  kernel::read_link_data(inside, link.index, kKind.kind, [&](const kernel::NlAttributes& data) {
    mode = data.value_or<std::uint32_t>(IFLA_MACVLAN_MODE, 0);
  });
  if (mode != config.mode) clauses.emplace_back("its mode is another");
  return clauses;
}

}  // namespace

const cni::Plugin kMacvlan = pod_link_plugin<kKind, parse_config, create, compare>(
    "gives the pod a MAC address of its own on an interface of the node");

}  // namespace barewire::standard
