// SPDX-License-Identifier: Apache-2.0
// A mirror twice, or a producer that copies nothing, is a slip that the switch would take silently.
#include "ovs-plugin/mirror_config.h"

#include <set>

#include "ovs-plugin/layered_config.h"
#include "ovs-plugin/ovs_config.h"

namespace barewire::ovs {

namespace {

Membership parse_membership(const JsonView& entry, std::string_view plugin) {
  const bool produces = plugin == kProducer;
  const JsonView name = entry.at("name");
  const Membership membership{name.string(),
                              {.source = produces && entry.boolean_or("ingress", false),
                               .destination = produces && entry.boolean_or("egress", false),
                               .output = !produces}};
  if (membership.mirror.empty()) name.reject("the name of a mirror");
  if (produces && !membership.role.source && !membership.role.destination)
    entry.reject("\"ingress\" or \"egress\" or both to be true: else there is nothing to copy");
  return membership;
}

}  // namespace

MirrorConfig MirrorConfig::parse(const cni::Request& request, std::string_view plugin) {
  const LayeredConfig config = LayeredConfig::read(request);
  MirrorConfig parsed{parse_socket(config), config.string_or("bridge", ""), {}};
  if (parsed.bridge.empty())
    throw Error(Error::Code::config, "config key \"bridge\" is missing; expected the name of an Open vSwitch bridge",
                "it is the bridge that the ovs plugin of the same chain put the pod on");
  const JsonView mirrors = request.conf.root().at("mirrors");
  std::set<std::string> names;
  for (const JsonView& entry : mirrors.array("a list of mirrors")) {
    parsed.memberships.push_back(parse_membership(entry, plugin));
    if (!names.insert(parsed.memberships.back().mirror).second) entry.reject("each mirror once");
  }
  if (names.empty()) mirrors.reject("at least one mirror");
  return parsed;
}

}  // namespace barewire::ovs
