// SPDX-License-Identifier: Apache-2.0
/// The ipvlan plugin: an interface in the pod that shares the MAC address of an interface of the node. In a chain, on
/// the interface of the plugin before.
#include <linux/if_link.h>

#include <array>

#include "core/kernel/attributes.h"
#include "standard-plugins/common/parent.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr PodLinkKind kKind{
    .plugin = "ipvlan", .kind = "ipvlan", .without_ipam = PodLinkKind::Without::previous_result};

struct Mode {
  std::string_view name;
  std::uint16_t number;
};
constexpr std::array kModes{Mode{"l2", IPVLAN_MODE_L2}, Mode{"l3", IPVLAN_MODE_L3}, Mode{"l3s", IPVLAN_MODE_L3S}};

struct Config {
  std::string master;
  std::uint16_t mode = IPVLAN_MODE_L2;
};

/// The kernel lets no broadcast out of a pod on layer 3. Source: drivers/net/ipvlan/ipvlan_core.c,
/// ipvlan_process_outbound.
std::uint16_t parse_mode(const cni::Request& request) {
  const auto key = request.conf.root().find("mode");
  if (!key || key->string().empty()) return IPVLAN_MODE_L2;
  const bool has_dhcp = request.conf.ipam_type == "dhcp";
  for (const Mode& mode : kModes)
    if (mode.name == key->string() && (mode.number == IPVLAN_MODE_L2 || !has_dhcp)) return mode.number;
  key->reject(has_dhcp ? "\"l2\", since no DHCP server hears a pod on layer 3" : "\"l2\", \"l3\" or \"l3s\"");
}

/// "master"; in a chain without it, the one interface of the plugin before.
std::string parse_master(const cni::Request& request) {
  std::string master = request.conf.root().string_or("master", "");
  if (!master.empty() || request.command != cni::Command::add || !request.conf.previous) return master;
  const auto& interfaces = request.conf.previous->interfaces;
  if (interfaces.size() == 1 && !interfaces.front().name.empty()) return interfaces.front().name;
  throw Error(Error::Code::config,
              "config key \"master\" is missing, and \"prevResult\" does not have one interface to take its place");
}

Config parse_config(const cni::Request& request) {
  Config config;
  config.master = parse_master(request);
  config.mode = parse_mode(request);
  // Both are read for their types alone here, so that a wrong one is refused before anything is made.
  is_parent_in_container(request);
  require_valid_mtu(request);
  const bool has_previous_address = request.conf.previous && !request.conf.previous->ips.empty();
  if (!has_previous_address) require_ipam_type(request);
  return config;
}

void create(const Config& config, const cni::Request& request, const kernel::NetNs&, kernel::NlSocket& inside) {
  const Parent parent = find_parent(request, inside, config.master);
  const kernel::NewLink link = link_on(parent, request, inside);
  kernel::create_link(inside, kKind.kind, link,
                      [&](kernel::NlMessage& data) { data.put_u16(IFLA_IPVLAN_MODE, config.mode); });
}

/// A chain's CHECK gets the result of the whole chain, which no longer tells what ADD took for the master.
std::vector<std::string> compare(const Config& config, const cni::Request& request, kernel::NlSocket& inside,
                                 const kernel::Link& link) {
  std::vector<std::string> clauses;
  if (!config.master.empty()) clauses = compare_parent(find_parent(request, inside, config.master), link);
  std::optional<std::uint16_t> mode;
  kernel::read_link_data(inside, link.index, kKind.kind,
                         [&](const kernel::NlAttributes& data) { mode = data.value<std::uint16_t>(IFLA_IPVLAN_MODE); });
  if (mode != config.mode) clauses.emplace_back("its mode is another");
  return clauses;
}

}  // namespace

const cni::Plugin kIpvlan = pod_link_plugin<kKind, parse_config, create, compare>(
    "gives the pod an interface that shares a MAC address of the node");

}  // namespace barewire::standard
