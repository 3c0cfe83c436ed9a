// SPDX-License-Identifier: Apache-2.0
/// The loopback plugin: lo of the pod, up. It keeps no record, since lo comes and goes with the netns.
#include "core/cni/life.h"
#include "core/error.h"
#include "core/kernel/address.h"
#include "core/kernel/link.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr const char* kLo = "lo";  // whatever CNI_IFNAME says

cni::Result result_of(kernel::NlSocket& inside, const kernel::Link& lo, const std::string& sandbox) {
  cni::Result result;
  cni::Interface interface = interface_of(lo, sandbox);
  interface.mac = MacAddress().text();
  result.interfaces.push_back(interface);
  for (const kernel::AddressInfo& address : kernel::list_addresses(inside, lo.index))
    if (address.prefix.address.is_loopback())
      result.ips.push_back({.address = address.prefix, .gateway = std::nullopt, .interface = 0});
  return result;
}

cni::Result add(const cni::Request& request, Node&) {
  const kernel::NetNs& netns = request.pod_netns();
  kernel::NlSocket inside = kernel::NlSocket::in(netns);
  const kernel::Link lo = kernel::get_link(inside, kLo);
  if (!lo.is_up()) kernel::set_up(inside, lo);
  // In a chain the result of the plugins before is handed on.
  return request.conf.previous ? *request.conf.previous : result_of(inside, lo, request.netns);
}

void del(const cni::Request& request, Node& node) {
  // A path that another pod has by now leads to that pod's lo.
  const auto netns = find_unclaimed_netns(request, store_of(node), "");
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  kernel::set_down(inside, kernel::get_link(inside, kLo));
}

void check(const cni::Request& request, Node&) {
  kernel::NlSocket& inside = request.pod_socket();
  if (!kernel::get_link(inside, kLo).is_up()) throw_drift(kLo, {"it is down"});
}

}  // namespace

const cni::Plugin kLoopback{
    .name = "loopback", .about = "brings up lo in the pod", .add = add, .del = del, .check = check};

}  // namespace barewire::standard
