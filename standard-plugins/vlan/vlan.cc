// SPDX-License-Identifier: Apache-2.0
/// The vlan plugin: an 802.1Q VLAN of an interface of the node, in the pod.
#include <linux/if_link.h>

#include "core/kernel/attributes.h"
#include "standard-plugins/common/parent.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr PodLinkKind kKind{.plugin = "vlan", .kind = "vlan"};

struct Config {
  std::string master;
  std::uint16_t id = 0;
};

Config parse_config(const cni::Request& request) {
  constexpr std::int64_t kLargestVlan = 4094;
  const JsonView root = request.conf.root();
  Config config;
  config.master = root.at("master").string();
  if (config.master.empty()) root.at("master").reject("the name of an interface");
  config.id = static_cast<std::uint16_t>(root.integer_or("vlanId", 0, kLargestVlan, "an 802.1Q VLAN id", 0));
  // For their refusals alone: a wrong key is found before anything is made.
  is_parent_in_container(request);
  require_valid_mtu(request);
  require_ipam_type(request);
  return config;
}

void create(const Config& config, const cni::Request& request, const kernel::NetNs&, kernel::NlSocket& inside) {
  const Parent parent = find_parent(request, inside, config.master);
  const kernel::NewLink link = link_on(parent, request, inside);
  try {
    kernel::create_link(inside, kKind.kind, link,
                        [&](kernel::NlMessage& data) { data.put_u16(IFLA_VLAN_ID, config.id); });
  } catch (const kernel::KernelError& error) {
    // The kernel says the same of a name that is taken; that was looked for before (pod_link.cc).
    if (error.err() != EEXIST) throw;
    throw Error(
        Error::Code::held, fmt::format("VLAN {} of {} is in use", config.id, parent.link.name),
        "an interface has each VLAN once, whatever netns it is in: take another \"vlanId\", or DEL the pod that "
        "has it");
  }
}

std::vector<std::string> compare(const Config& config, const cni::Request& request, kernel::NlSocket& inside,
                                 const kernel::Link& link) {
  std::vector<std::string> clauses = compare_parent(find_parent(request, inside, config.master), link);
  std::optional<std::uint16_t> id;
  kernel::read_link_data(inside, link.index, kKind.kind,
                         [&](const kernel::NlAttributes& data) { id = data.value<std::uint16_t>(IFLA_VLAN_ID); });
  if (id != config.id) clauses.push_back(fmt::format("its VLAN is {}, not {}", id.value_or(0), config.id));
  return clauses;
}

}  // namespace

const cni::Plugin kVlan =
    pod_link_plugin<kKind, parse_config, create, compare>("puts a VLAN of an interface of the node into the pod");

}  // namespace barewire::standard
