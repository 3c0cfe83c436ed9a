// SPDX-License-Identifier: Apache-2.0
// The userspace datapath reads a veth's packets before any queue of the node's end, so queues go to the pod's end.
#include "standard-plugins/bandwidth/switch_port.h"

#include "core/cni/fallback.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace {

bool was_added_by_switch_plugin(const cni::Request& request, const Node& node) {
  for (const char* plugin : {"ovs", "userspace"}) {
    const auto record = find_record(request, node, plugin);
    // By fallback another plugin made the interface, and no switch has it.
    if (record && !cni::is_by_fallback(*record)) return true;
  }
  return false;
}

bool is_in_kernel_datapath(const kernel::Link& pod_end) {
  kernel::NlSocket host;
  const auto peer = kernel::find_link(host, pod_end.parent);
  const auto master = peer && peer->master != 0 ? kernel::find_link(host, peer->master) : std::nullopt;
  // The kernel datapath has all its ports under one link of its own, "ovs-system".
  return master && master->kind == "openvswitch";
}

}  // namespace

std::optional<SwitchPort> find_switch_port(const cni::Request& request, const Node& node) {
  kernel::NlSocket& inside = request.pod_socket();
  const auto link = kernel::find_link(inside, request.ifname);
  const bool added_by_us = was_added_by_switch_plugin(request, node);
  if (!link && added_by_us)
    throw Error(
        Error::Code::device,
        fmt::format("limiting the bandwidth of {} failed: it is a socket, which no qdisc can limit", request.ifname),
        "declare \"capabilities\": {\"bandwidth\": true} of the ovs plugin instead: it sets the rates of the port");
  if (!link || link->kind != "veth") return std::nullopt;
  if (!added_by_us && !is_in_kernel_datapath(*link)) return std::nullopt;
  return SwitchPort{std::move(inside), *link};
}

}  // namespace barewire::standard
