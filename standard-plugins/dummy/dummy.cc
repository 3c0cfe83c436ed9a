// SPDX-License-Identifier: Apache-2.0
/// The dummy plugin: an interface in the pod that leads nowhere, to hold addresses.
#include "core/kernel/new_link.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr PodLinkKind kKind{.plugin = "dummy", .kind = "dummy"};

cni::Result add(const cni::Request& request, Node& node) {
  require_ipam_type(request);
  return add_pod_link(kKind, request, node, [&](const kernel::NetNs&, kernel::NlSocket& inside) {
    kernel::NewLink link;
    link.name = request.ifname;
    kernel::create_link(inside, kKind.kind, link);
  });
}

void del(const cni::Request& request, Node& node) {
  delete_pod_link(kKind, request, node);
}

void check(const cni::Request& request, Node& node) {
  require_ipam_type(request);
  check_pod_link(kKind, request, node,
                 [](kernel::NlSocket&, const kernel::Link&) { return std::vector<std::string>(); });
}

void gc(const cni::Request& request, Node& node) {
  collect_pod_links(kKind, request, node);
}

}  // namespace

const cni::Plugin kDummy{.name = kKind.plugin,
                         .about = "gives the pod an interface that leads nowhere",
                         .add = add,
                         .del = del,
                         .check = check,
                         .gc = gc,
                         .status = pod_link_status};

}  // namespace barewire::standard
