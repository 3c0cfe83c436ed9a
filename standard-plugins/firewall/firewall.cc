// SPDX-License-Identifier: Apache-2.0
/// The firewall plugin, chained: has the node let the pod's packets through, and keeps other pods away from it.
#include "core/kernel/link.h"
#include "core/kernel/nftables.h"
#include "core/rollback.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/firewall/accept.h"
#include "standard-plugins/firewall/isolation.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/repair.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "firewall";
constexpr const char* kBackendKey = "backend";

/// Also of a configuration that a record kept.
cni::Result previous_of(const cni::NetConf& conf) {
  // The addresses are not in the record by themselves: the configuration that is kept there has them.
  const auto previous = conf.root().find("prevResult");
  return previous ? cni::Result::parse(*previous, conf.cni_version) : cni::Result();
}

std::vector<IpAddress> addresses_of(const cni::NetConf& conf) {
  std::vector<IpAddress> addresses;
  for (const cni::IpConfig& ip : previous_of(conf).ips) addresses.push_back(ip.address.address);
  return addresses;
}

/// The backend is still to be set.
PodAccept accept_of(const state::AttachmentId& id, const cni::NetConf& conf) {
  return {.id = id,
          .config = FirewallConfig::parse(conf.root()),
          .backend = {},
          .addresses = addresses_of(conf),
          .has_record = true};
}

/// The node's interface that leads to the pod: the bridge, which comes first in the result of the bridge plugin.
std::string bridge_of(const cni::Result& previous) {
  if (previous.interfaces.empty() || !previous.interfaces.front().sandbox.empty())
    throw Error(Error::Code::config,
                "config key \"ingressPolicy\" needs the first interface of prevResult to be one of the node",
                "chain firewall behind bridge");
  return previous.interfaces.front().name;
}

std::string port_of(const cni::Request& request) {
  kernel::NlSocket& inside = request.pod_socket();
  kernel::NlSocket host;
  const kernel::Link link = kernel::get_link(inside, request.ifname);
  const auto port = link.kind == "veth" ? kernel::find_link(host, link.parent) : std::nullopt;
  if (!port || port->kind != "veth")
    throw Error(Error::Code::device,
                fmt::format("isolating {} failed: it is no veth pair with an end on this node", request.ifname),
                "ingressPolicy \"isolated\" is for pods on a bridge");
  return port->name;
}

std::optional<Isolation> isolation_of(const cni::Request& request, const FirewallConfig& config) {
  if (config.policy == IngressPolicy::open) return std::nullopt;
  Isolation isolation;
  isolation.policy = config.policy;
  isolation.bridge = bridge_of(*request.conf.previous);
  if (config.policy == IngressPolicy::isolated) isolation.port = port_of(request);
  isolation.addresses = addresses_of(request.conf);
  return isolation;
}

/// What the call alone tells, where there is no record: the links of the node in the bridge plugin's result.
std::optional<Isolation> isolation_told(const cni::NetConf& conf) {
  const IngressPolicy policy = FirewallConfig::parse(conf.root()).policy;
  const cni::Result previous = previous_of(conf);
  if (policy == IngressPolicy::open || previous.interfaces.empty()) return std::nullopt;
  Isolation isolation{
      .policy = policy, .bridge = previous.interfaces.front().name, .port = {}, .addresses = addresses_of(conf)};
  for (const cni::Interface& interface : previous.interfaces)
    // The last one of the node: bridge, then the pod's port.
    if (interface.sandbox.empty()) isolation.port = interface.name;
  return isolation;
}

/// Of ADD, for the node may use another by now.
std::optional<FirewallBackend> recorded_backend(const state::Attachment& attachment) {
  const boost::json::value* name = attachment.data.if_contains(kBackendKey);
  if (name == nullptr || !name->is_string()) return std::nullopt;
  return parse_firewall_backend(std::string_view(name->get_string()));
}

void undo(const state::Attachment& attachment, Node& node) {
  const auto conf = cni::NetConf::parse(attachment.config);
  PodAccept pod = accept_of(attachment.id, conf);
  const auto backend = recorded_backend(attachment);
  pod.has_record = backend.has_value();
  Collector collector;
  collector.run("isolation", [&] {
    const auto isolation = backend ? Isolation::from_record(attachment) : isolation_told(conf);
    if (isolation) remove_isolation(attachment.id, *isolation);
  });
  collector.run("acceptance", [&] {
    pod.backend = backend ? *backend : choose_backend(pod.config);
    no_longer_accept_pod(pod, node);
  });
  collector.finish();
}

void undo_leniently(const state::Attachment& attachment, Node& node) {
  if (recorded_backend(attachment)) return undo(attachment, node);
  undo_unrecorded(attachment, node, undo);
}

cni::Result add(const cni::Request& request, Node& node) {
  const cni::Result result = require_previous(request);
  PodAccept pod = accept_of(state::attachment_id(request, kName), request.conf);
  // On record before anything is made (see add): DEL uses the backend of then, whatever the node uses by now.
  pod.backend = choose_backend(pod.config);
  const auto isolation = isolation_of(request, pod.config);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    attachment.data[kBackendKey] = name_of(pod.backend);
    if (isolation) isolation->to_record(attachment);
    store_of(node).save(attachment);
    accept_pod(pod, node);
    if (isolation) add_isolation(attachment.id, *isolation);
    return result;
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo_leniently);
}

void check(const cni::Request& request, Node& node) {
  require_previous(request);
  PodAccept pod = accept_of(state::attachment_id(request, kName), request.conf);
  const auto record = find_record(request, node, kName);
  const auto backend = record ? recorded_backend(*record) : std::nullopt;
  if (!backend) throw Error(Error::Code::drift, fmt::format("{}: there is no record of its firewall", pod.id.text()));
  pod.backend = *backend;
  std::vector<std::string> clauses = compare_accepted(pod);
  if (const auto isolation = Isolation::from_record(*record))
    for (std::string& clause : compare_isolation(pod.id, *isolation)) clauses.push_back(std::move(clause));
  throw_drift(pod.id.text(), clauses);
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

void status(const cni::Request& request, Node&) {
  std::string dropper;
  try {
    const FirewallConfig config = FirewallConfig::parse(request.conf.root());
    dropper = find_dropper(choose_backend(config));
    kernel::NlSocket socket = kernel::nft::open_socket();
    // Asks the kernel for nftables at all; without a policy it is not needed.
    if (config.policy != IngressPolicy::open) kernel::nft::generation(socket);
  } catch (const Error& error) {
    throw Error(Error::Code::not_available, fmt::format("the firewall cannot be set: {}", error.what()), error.hint());
  }
  if (!dropper.empty())
    throw Error(Error::Code::limited_connectivity, "packets of pods may not pass: " + dropper,
                "\"backend\": \"iptables\" adds rules there; it needs the iptables command");
}

}  // namespace

std::vector<std::string> repair_firewall(const state::Attachment& attachment, Node& node, bool dry_run) {
  PodAccept pod = accept_of(attachment.id, cni::NetConf::parse(attachment.config));
  pod.backend = recorded_backend(attachment).value_or(FirewallBackend::nftables);
  const auto isolation = Isolation::from_record(attachment);
  std::vector<std::string> missing = compare_accepted(pod);
  if (!missing.empty() && !dry_run) {
    // Removed and made anew: rules that are half there would otherwise be doubled.
    no_longer_accept_pod(pod, node);
    accept_pod(pod, node);
  }
  const std::vector<std::string> open =
      isolation ? compare_isolation(attachment.id, *isolation) : std::vector<std::string>();
  if (!open.empty() && !dry_run) add_isolation(attachment.id, *isolation);
  missing.insert(missing.end(), open.begin(), open.end());
  return missing;
}

const cni::Plugin kFirewall{.name = kName,
                            .about = "lets a pod's packets through, and keeps other pods away from it",
                            .add = add,
                            .del = del,
                            .check = check,
                            .gc = gc,
                            .status = status,
                            .validate = [](const cni::Request& request) { FirewallConfig::parse(request.conf.root()); },
                            .repair = repair_rules};

}  // namespace barewire::standard
