// SPDX-License-Identifier: Apache-2.0
/// The portmap plugin, chained: ports of the node lead to ports of the pod.
#include <linux/rtnetlink.h>

#include <cerrno>

#include "core/kernel/attributes.h"
#include "core/kernel/conntrack.h"
#include "core/kernel/link.h"
#include "core/kernel/nftables.h"
#include "core/kernel/sysctl.h"
#include "core/log.h"
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/portmap/conditions.h"
#include "standard-plugins/portmap/plan.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "portmap";
constexpr const char* kBackendKey = "backend";

/// What a configuration, kept in a record or just read, means for attachment `id`.
PortmapPlan plan_of(const state::AttachmentId& id, const cni::NetConf& conf) {
  PortmapPlan plan{.id = id, .config = PortmapConfig::parse(conf), .backend = {}, .addresses = {}};
  if (const auto previous = conf.root().find("prevResult"))
    plan.addresses = pod_addresses(cni::Result::parse(*previous, conf.cni_version), id.ifname);
  return plan;
}

/// A flow that began before the mapping came or went would go on as if nothing had changed.
void forget_flows(const PortmapPlan& plan) {
  for (const IpPrefix& address : plan.addresses)
    for (const PortMapping& mapping : plan.config.mappings) {
      const bool v4 = address.address.is_v4();
      if (mapping.protocol != "udp" || !mapping.serves(v4)) continue;
      try {
        kernel::NlSocket socket = kernel::nft::open_socket();
        kernel::forget_udp_flows(socket, {v4, mapping.host_port, mapping.only_address()});
      } catch (const Error& error) {
        log_warning("ignoring: {}", error.what());  // new flows are mapped all the same
      }
    }
}

void unmap(const PortmapPlan& plan, const Node& node) {
  if (plan.empty()) return;
  if (plan.backend == NatBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    unmap_with_iptables(plan);
  } else {
    unmap_with_nftables(plan);
  }
  forget_flows(plan);
}

/// Of ADD, for the node may have another by now.
std::optional<NatBackend> recorded_backend(const state::Attachment& attachment) {
  const boost::json::value* name = attachment.data.if_contains(kBackendKey);
  if (name == nullptr) return std::nullopt;
  return *name == "iptables" ? NatBackend::iptables : NatBackend::nftables;
}

/// The configuration of ADD tells what was made.
void undo(const state::Attachment& attachment, Node& node) {
  PortmapPlan plan = plan_of(attachment.id, cni::NetConf::parse(attachment.config));
  plan.backend = recorded_backend(attachment).value_or(plan.config.backend.value_or(NatBackend::nftables));
  unmap(plan, node);
}

/// The ifindex packets to `destination` leave by; nullopt when there is no route. Source: ip-route(8), "get".
std::optional<int> find_output_interface(kernel::NlSocket& host, const IpAddress& destination) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(destination.family());
  header.rtm_dst_len = static_cast<std::uint8_t>(destination.size() * 8);
  kernel::NlMessage message(RTM_GETROUTE, 0);
  message.header(header).put(RTA_DST, destination.data(), destination.size());
  std::optional<std::int32_t> index;
  const auto keep = [&](const nlmsghdr& answer) {
    index = kernel::NlAttributes(answer, sizeof(rtmsg)).value<std::int32_t>(RTA_OIF);
  };
  try {
    host.get(std::move(message), "looking for the route to " + destination.text(), keep);
  } catch (const kernel::KernelError& error) {
    if (error.err() != ENETUNREACH && error.err() != EHOSTUNREACH) throw;
  }
  return index;
}

/// What comes from 127.0.0.1 may leave the node by the pod's link. Source: ip-sysctl.rst, route_localnet.
void let_loopback_through(const PortmapPlan& plan) {
  if (!plan.config.source_nat) return;
  for (const IpPrefix& address : plan.addresses) {
    if (!address.address.is_v4()) continue;
    kernel::NlSocket host;
    const auto index = find_output_interface(host, address.address);
    const auto link = index ? kernel::find_link(host, *index) : std::nullopt;
    if (!link || link->is_loopback()) continue;
    kernel::write_sysctl(kernel::NetNs::current(), fmt::format("net/ipv4/conf/{}/route_localnet", link->name), "1");
  }
}

void map(const PortmapPlan& plan, const Node& node) {
  if (plan.backend == NatBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    map_with_iptables(plan);
  } else {
    map_with_nftables(plan, node);
  }
  let_loopback_through(plan);
  forget_flows(plan);
}

cni::Result add(const cni::Request& request, Node& node) {
  const cni::Result result = require_previous(request);
  PortmapPlan plan = plan_of(state::attachment_id(request, kName), request.conf);
  if (plan.config.mappings.empty()) return result;
  plan.backend = backend_of(plan.config);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    attachment.data[kBackendKey] = plan.backend == NatBackend::iptables ? "iptables" : "nftables";
    store_of(node).save(attachment);
    if (!plan.empty()) map(plan, node);
    return result;
  });
}

void undo_leniently(const state::Attachment& attachment, Node& node) {
  if (recorded_backend(attachment)) return undo(attachment, node);
  undo_unrecorded(attachment, node, undo);
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo_leniently);
}

void check(const cni::Request& request, Node& node) {
  require_previous(request);
  const auto record = find_record(request, node, kName);
  PortmapPlan plan = plan_of(state::attachment_id(request, kName), request.conf);
  if (plan.empty()) return;
  if (!record) throw Error(Error::Code::drift, fmt::format("{}: there is no record of port mappings", plan.id.text()));
  plan.backend = recorded_backend(*record).value_or(NatBackend::nftables);
  throw_drift(plan.id.text(),
              plan.backend == NatBackend::iptables ? compare_with_iptables(plan) : compare_with_nftables(plan));
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

void status(const cni::Request& request, Node&) {
  try {
    if (backend_of(PortmapConfig::parse(request.conf)) == NatBackend::iptables) return;
    kernel::NlSocket socket = kernel::nft::open_socket();
    kernel::nft::generation(socket);
  } catch (const Error& error) {
    throw Error(Error::Code::not_available, fmt::format("ports cannot be mapped: {}", error.what()), error.hint());
  }
}

}  // namespace

NatBackend backend_of(const PortmapConfig& config) {
  const char* needs_iptables = nullptr;
  if (!config.external_mark_chain.empty()) needs_iptables = "externalSetMarkChain";
  for (const bool v4 : {true, false})
    if (!parse_conditions(v4, config.conditions(v4))) needs_iptables = v4 ? "conditionsV4" : "conditionsV6";
  if (config.backend == NatBackend::iptables) const Iptables probe(true, kBackendKey);
  if (config.backend == NatBackend::iptables) return NatBackend::iptables;
  if (needs_iptables == nullptr) return NatBackend::nftables;
  if (!config.backend && Iptables::is_installed(true)) return NatBackend::iptables;
  throw Error(Error::Code::config,
              fmt::format("config key \"{}\" needs the iptables command, which is {}", needs_iptables,
                          config.backend ? "not the backend asked for" : "not on this node"),
              "nftables takes conditions on addresses and the incoming interface; docs/configuration/portmap.md");
}

const cni::Plugin kPortmap{.name = kName,
                           .about = "leads ports of the node to ports of the pod",
                           .add = add,
                           .del = del,
                           .check = check,
                           .gc = gc,
                           .status = status};

}  // namespace barewire::standard
