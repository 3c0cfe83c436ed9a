// SPDX-License-Identifier: Apache-2.0
/// The dummy plugin: an interface in the pod that leads nowhere, to hold addresses.
#include "core/kernel/new_link.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr PodLinkKind kKind{.plugin = "dummy", .kind = "dummy"};

struct Config {};

Config parse_config(const cni::Request& request) {
  // As the reference: a dummy without an address is good for nothing.
  require_ipam_type(request);
  return {};
}

void create(const Config&, const cni::Request& request, const kernel::NetNs&, kernel::NlSocket& inside) {
  kernel::NewLink link;
  link.name = request.ifname;
  kernel::create_link(inside, kKind.kind, link);
}

std::vector<std::string> compare(const Config&, const cni::Request&, kernel::NlSocket&, const kernel::Link&) {
  return {};
}

}  // namespace

const cni::Plugin kDummy =
    pod_link_plugin<kKind, parse_config, create, compare>("gives the pod an interface that leads nowhere");

}  // namespace barewire::standard
