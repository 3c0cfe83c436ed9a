// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/common/pod_veth.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/json_view.h"
#include "core/kernel/sysctl.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace {

void remove_by_container_end(const state::Attachment& attachment) {
  const auto netns = netns_of(attachment);
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
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
  if (mac && link->mac && *mac != *link->mac)
    clauses.push_back(fmt::format("its MAC address is {}, not {}", link->mac->text(), mac->text()));
  if (expected.sandbox != request.netns)
    clauses.push_back(fmt::format("it was made in {}, not in {}", expected.sandbox, request.netns));
  throw_drift(request.ifname, clauses);
  return *link;
}

void set_announcing(const kernel::NetNs& netns, const std::string& ifname, const cni::Result& result,
                    bool duplicate_address_detection) {
  const std::string v4 = fmt::format("net/ipv4/conf/{}/", ifname), v6 = fmt::format("net/ipv6/conf/{}/", ifname);
  kernel::write_sysctl(netns, v4 + "arp_notify", "1");
  const bool has_v6 = std::any_of(result.ips.begin(), result.ips.end(),
                                  [](const cni::IpConfig& ip) { return ip.address.address.is_v6(); });
  if (!has_v6 && !duplicate_address_detection) return;
  if (!kernel::read_sysctl(netns, v6 + "accept_dad")) return;  // a kernel without IPv6
  if (duplicate_address_detection) kernel::write_sysctl(netns, v6 + "enhanced_dad", "1");
  kernel::write_sysctl(netns, v6 + "accept_dad", duplicate_address_detection ? "1" : "0");
}

void throw_drift(const std::string& subject, const std::vector<std::string>& clauses) {
  if (!clauses.empty()) throw Error(Error::Code::drift, fmt::format("{}: {}", subject, fmt::join(clauses, "; ")));
}

}  // namespace barewire::standard
