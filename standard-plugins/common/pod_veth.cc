// SPDX-License-Identifier: Apache-2.0
// Both ends in one request: a pair is never half there.
#include "standard-plugins/common/pod_veth.h"

#include <fmt/ranges.h>
#include <linux/if.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/cni/configure.h"
#include "core/json_view.h"
#include "core/kernel/sysctl.h"
#include "core/trace.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace {

/// As long as the reference plugins wait in all.
constexpr std::chrono::milliseconds kLinkWait{2550};

/// After a carrier comes the kernel starts the link's queues and IPv6 a moment later; on Linux 6.8 and newer, at once
/// when asked for the link. Source: Documentation/networking/operstates.rst; net/core/link_watch.c.
bool wait_until_operational(kernel::NlSocket& socket, int index) {
  const trace::Span span("kernel wait", "link");
  constexpr std::chrono::milliseconds kPoll{1};
  const auto deadline = std::chrono::steady_clock::now() + kLinkWait;
  while (true) {
    const auto link = kernel::find_link(socket, index);
    if (link && link->oper_state == IF_OPER_UP) return true;
    if (!link || std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

void remove_by_container_end(const state::Attachment& attachment) {
  const auto netns = netns_of(attachment);
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  // Of a pod without record only the pod's end can be known; its other end goes with it.
  const auto link = kernel::find_link(inside, attachment.id.ifname);
  if (link && link->kind == "veth")
    kernel::delete_link(inside, link->index, fmt::format("removing {} of {}", link->name, netns->path()));
}

}  // namespace

void remove_pod_veth(const state::Attachment& attachment) {
  const boost::json::value* name = attachment.data.if_contains("hostInterface");
  if (name == nullptr || !name->is_string()) return remove_by_container_end(attachment);
  kernel::NlSocket host;
  const auto link = kernel::find_link(host, std::string(name->get_string()));
  // The name may be another's by now: at least a link of another kind is never taken for ours.
  if (link && link->kind == "veth") kernel::delete_link(host, link->index, "removing " + link->name);
}

cni::Interface interface_of(const kernel::Link& link, const std::string& sandbox) {
  cni::Interface interface;
  interface.name = link.name;
  interface.mac = link.mac ? link.mac->text() : link.hardware_address;
  interface.mtu = link.mtu;
  interface.sandbox = sandbox;
  return interface;
}

kernel::Link check_container_interface(kernel::NlSocket& inside, const cni::Request& request,
                                       const cni::Result& previous, int position) {
  const cni::Interface& expected = previous.interfaces.at(static_cast<std::size_t>(position));
  const auto link = kernel::find_link(inside, request.ifname);
  if (!link) throw Error(Error::Code::drift, fmt::format("{} is missing in {}", request.ifname, request.netns));
  const auto mac = MacAddress::parse(expected.mac);
  std::vector<std::string> clauses;
  if (mac && link->mac && *mac != *link->mac && !cni::is_bonded(inside, *link))
    clauses.push_back(fmt::format("its MAC address is {}, not {}", link->mac->text(), mac->text()));
  if (expected.sandbox != request.netns)
    clauses.push_back(fmt::format("it was made in {}, not in {}", expected.sandbox, request.netns));
  throw_drift(request.ifname, clauses);
  return *link;
}

void wait_for_pod_veth(kernel::NlSocket& host, const kernel::Link& port, kernel::NlSocket& inside,
                       const kernel::Link& link) {
  for (auto& [socket, end] : {std::pair{&host, &port}, std::pair{&inside, &link}})
    if (!wait_until_operational(*socket, end->index))
      throw Error(Error::Code::device,
                  fmt::format("waiting for {} to pass packets failed: it is still down", end->name),
                  "both ends of the pair are up; has something else on this node taken one down?");
}

void ignore_router_advertisements(const kernel::Link& host_link) {
  if (host_link.conf.accept_ra.value_or(0) != 0)
    kernel::write_sysctl(fmt::format("net/ipv6/conf/{}/accept_ra", host_link.name), "0");
}

void prepare_for_addresses(const kernel::NetNs& netns, const kernel::Link& link, std::optional<bool> probing) {
  std::vector<kernel::Sysctl> changes;
  const auto want = [&](const char* family, const char* key, std::optional<std::int32_t> now, std::int32_t wanted) {
    if (now && *now != wanted)
      changes.push_back({fmt::format("net/{}/conf/{}/{}", family, link.name, key), wanted == 0 ? "0" : "1"});
  };
  want("ipv4", "arp_notify", link.conf.arp_notify, 1);
  // With a nonce, so that a probe that comes back over a hairpin port is not taken for another's. Source: RFC 7527.
  if (probing == true) want("ipv6", "enhanced_dad", link.conf.enhanced_dad, 1);
  if (probing) want("ipv6", "accept_dad", link.conf.accept_dad, *probing ? 1 : 0);
  kernel::write_sysctls(netns, changes);
}

void throw_drift(const std::string& subject, const std::vector<std::string>& clauses) {
  if (!clauses.empty()) throw Error(Error::Code::drift, fmt::format("{}: {}", subject, fmt::join(clauses, "; ")));
}

}  // namespace barewire::standard
