// SPDX-License-Identifier: Apache-2.0
/// The portmap plugin, chained: ports of the node lead to ports of the pod.
#include <cerrno>

#include "core/kernel/conntrack.h"
#include "core/kernel/nftables.h"
#include "core/log.h"
#include "core/rollback.h"
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/iptables_batch.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/common/reference.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/portmap/conditions.h"
#include "standard-plugins/portmap/loopback.h"
#include "standard-plugins/portmap/plan.h"
#include "standard-plugins/repair.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "portmap";
constexpr const char* kBackendKey = "backend";

/// A key that iptables alone can do; nullptr when there is none.
const char* find_key_for_iptables(const PortmapConfig& config) {
  const char* key = config.external_mark_chain.empty() ? nullptr : "externalSetMarkChain";
  for (const bool v4 : {true, false})
    if (!parse_conditions(v4, config.conditions(v4))) key = v4 ? "conditionsV4" : "conditionsV6";
  return key;
}
bool is_for_nftables(const PortmapConfig& config) {
  return is_nft_condition(config.conditions_v4) || is_nft_condition(config.conditions_v6);
}

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
  Collector collector;
  collector.run("mappings", [&] {
    if (plan.backend == NatBackend::iptables) {
      const state::FileLock lock = lock_iptables(node);
      unmap_with_iptables(plan);
    } else {
      unmap_with_nftables(plan, node);
    }
  });
  collector.run("loopback", [&] { close_loopback(plan, node); });
  collector.finish();
  // After the rules are gone, not before: a packet in between would make the flow anew.
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

/// A kernel without nf_tables has no guard to offer, and so no mappings through 127.0.0.1 either.
void let_loopback_through(const PortmapPlan& plan, const Node& node) {
  try {
    open_loopback(plan, node);
  } catch (const kernel::KernelError& error) {
    if (plan.backend != NatBackend::iptables || (error.err() != EPROTONOSUPPORT && error.err() != EOPNOTSUPP)) throw;
    log_warning("{} is not reached through 127.0.0.1: {}", plan.id.text(), error.what());
  }
}

void map(const PortmapPlan& plan, const Node& node) {
  if (plan.backend == NatBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    map_with_iptables(plan);
  } else {
    map_with_nftables(plan, node);
  }
  let_loopback_through(plan, node);
  forget_flows(plan);
}

/// The backend chosen for want of one in the configuration may turn out to be nothing but a command.
void map_or_change(PortmapPlan& plan, state::Attachment& attachment, const Node& node) {
  const auto save = [&] {
    attachment.data[kBackendKey] = plan.backend == NatBackend::iptables ? "iptables" : "nftables";
    store_of(node).save(attachment);
  };
  // The backend is on record before the first rule of it: DEL has to know whose rules to remove.
  save();
  if (plan.empty()) return;
  try {
    map(plan, node);
  } catch (const IptablesUnsupported& error) {
    // The configuration wants iptables, so there is nothing to change to.
    if (plan.config.backend || find_key_for_iptables(plan.config) != nullptr) throw;
    log_warning("mapping ports with nftables: {} ({})", error.what(), error.hint());
    unmap_with_iptables(plan);  // one family may have been served
    plan.backend = NatBackend::nftables;
    save();
    map(plan, node);
  }
}

cni::Result add(const cni::Request& request, Node& node) {
  const cni::Result result = require_previous(request);
  PortmapPlan plan = plan_of(state::attachment_id(request, kName), request.conf);
  if (plan.config.mappings.empty()) return result;
  plan.backend = backend_of(plan.config);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    map_or_change(plan, attachment, node);
    return result;
  });
}

/// Without a record it is perhaps the reference plugin's, which names its rules by the container alone. Of both
/// backends: which one made them nobody knows.
void undo_told(const state::Attachment& attachment, Node& node) {
  remove_reference_mappings(attachment.id);
  PortmapPlan plan = plan_of(attachment.id, cni::NetConf::parse(attachment.config));
  for (const NatBackend backend : {NatBackend::nftables, NatBackend::iptables}) {
    plan.backend = backend;
    unmap(plan, node);
  }
}

void undo_leniently(const state::Attachment& attachment, Node& node) {
  if (recorded_backend(attachment)) return undo(attachment, node);
  undo_unrecorded(attachment, node, undo_told);
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo_leniently);
}

std::vector<std::string> compare(const PortmapPlan& plan) {
  std::vector<std::string> missing =
      plan.backend == NatBackend::iptables ? compare_with_iptables(plan) : compare_with_nftables(plan);
  for (std::string& clause : compare_loopback(plan)) missing.push_back(std::move(clause));
  return missing;
}

void check(const cni::Request& request, Node& node) {
  require_previous(request);
  const auto record = find_record(request, node, kName);
  PortmapPlan plan = plan_of(state::attachment_id(request, kName), request.conf);
  if (plan.empty()) return;
  if (!record) throw Error(Error::Code::drift, fmt::format("{}: there is no record of port mappings", plan.id.text()));
  plan.backend = recorded_backend(*record).value_or(NatBackend::nftables);
  throw_drift(plan.id.text(), compare(plan));
}

void gc(const cni::Request& request, Node& node) {
  Collector collector;
  collector.run("mappings", [&] { collect_unlisted(request, node, kName, undo); });
  collector.run("mappings of the reference plugin", [&] { collect_reference_mappings(request); });
  collector.finish();
}

void status(const cni::Request& request, Node&) {
  try {
    if (backend_of(PortmapConfig::parse(request.conf)) == NatBackend::iptables) return;
    kernel::NlSocket socket = kernel::nft::open_socket();
    // Any question will do: a kernel without nf_tables refuses it.
    kernel::nft::generation(socket);
  } catch (const Error& error) {
    throw Error(Error::Code::not_available, fmt::format("ports cannot be mapped: {}", error.what()), error.hint());
  }
}

}  // namespace

NatBackend backend_of(const PortmapConfig& config) {
  const char* needs_iptables = find_key_for_iptables(config);
  if (config.backend == NatBackend::iptables) {
    for (const bool v4 : {true, false}) const Iptables probe(v4, kBackendKey);
    if (is_for_nftables(config))
      throw Error(Error::Code::config, "config key \"backend\" is \"iptables\", but the conditions are nftables'",
                  "write them as options of iptables: [\"!\", \"-s\", \"192.0.2.0/24\"]");
    return NatBackend::iptables;
  }
  if (needs_iptables == nullptr && (config.backend || is_for_nftables(config) || !has_iptables_commands()))
    return NatBackend::nftables;
  if (!config.backend && !is_for_nftables(config) && has_iptables_commands()) return NatBackend::iptables;
  if (is_for_nftables(config) && std::string_view(needs_iptables).starts_with("conditions"))
    throw Error(Error::Code::config,
                fmt::format("config key \"{}\" is a condition of nft that is not known", needs_iptables),
                "nftables takes conditions on addresses and the incoming interface; docs/configuration/portmap.md");
  throw Error(Error::Code::config,
              fmt::format("config key \"{}\" needs the iptables commands, which are {}", needs_iptables,
                          config.backend || is_for_nftables(config) ? "not the backend asked for" : "not on this node"),
              "nftables takes conditions on addresses and the incoming interface; docs/configuration/portmap.md");
}

/// Of nftables nothing is removed first: a port would go to whoever waits for it.
std::vector<std::string> repair_mappings(const state::Attachment& attachment, Node& node, bool dry_run) {
  PortmapPlan plan = plan_of(attachment.id, cni::NetConf::parse(attachment.config));
  if (plan.empty()) return {};
  plan.backend = recorded_backend(attachment).value_or(NatBackend::nftables);
  std::vector<std::string> missing = compare(plan);
  if (missing.empty() || dry_run) return missing;
  if (plan.backend == NatBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    unmap_with_iptables(plan);
  }
  map(plan, node);
  return missing;
}

const cni::Plugin kPortmap{.name = kName,
                           .about = "leads ports of the node to ports of the pod",
                           .add = add,
                           .del = del,
                           .check = check,
                           .gc = gc,
                           .status = status,
                           .validate = [](const cni::Request& request) { PortmapConfig::parse(request.conf); },
                           .repair = repair_rules};

}  // namespace barewire::standard
