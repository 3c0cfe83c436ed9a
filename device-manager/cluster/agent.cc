// SPDX-License-Identifier: Apache-2.0
// The order of a pass: what is declared is on disk before a NIC changes, so that a reboot in between ends as declared;
// the status is written last, and before what takes long.
#include "device-manager/cluster/agent.h"

#include <algorithm>

#include "core/fd.h"
#include "core/journal.h"
#include "core/kernel/netns.h"
#include "core/kernel/rdma.h"
#include "core/trusted_file.h"
#include "device-manager/cluster/objects.h"
#include "device-manager/plugin_call.h"
#include "device-manager/snapshot_json.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;
using State = Sync::State;

Error refuse_kept(const std::string& path, std::string_view why) {
  return Error(Error::Code::config, fmt::format("what the cluster declared last cannot be read from {}: {}", path, why),
               "what it made of this node is not known: remove the file when nothing of it is to go");
}

std::string joined(const std::vector<declared::Problem>& problems) {
  std::vector<std::string> parts;
  parts.reserve(problems.size());
  for (const auto& each : problems)
    parts.push_back(each.hint.empty() ? each.text : fmt::format("{} ({})", each.text, each.hint));
  return fmt::format("{}", fmt::join(parts, "; "));
}

/// The kernel takes another mode only while no netns but its own is there: at boot. So it is only compared.
std::string rdma_difference(const Limit& pool) {
  if (pool.rdma_mode.empty()) return {};
  auto socket = kernel::open_rdma_socket(kernel::NetNs::current());
  if (!socket) return {};
  const std::string_view now = name_of(kernel::rdma_netns_mode(*socket));
  if (now == pool.rdma_mode) return {};
  return fmt::format(
      "the RDMA mode is {}, and SriovNetworkPoolConfig {} wants {}: it is set at boot, where {} has \"rdmaMode\": "
      "\"{}\"",
      now, pool.pool, pool.rdma_mode, declared::kDeclarationFile, pool.rdma_mode);
}

const declared::NicFacts& facts_of(const std::vector<declared::NicFacts>& facts, const std::string& address) {
  return *std::find_if(facts.begin(), facts.end(), [&](const auto& each) { return each.pf().pci.address == address; });
}

}  // namespace

Agent::Agent(const Node& node, kubernetes::Api& api, AgentSettings settings, Say say)
    : node_(node),
      api_(api),
      settings_(std::move(settings)),
      say_(std::move(say)),
      drain_(api, settings_.name_space, settings_.node) {}

Sources Agent::read_sources(const json::value& node) {
  Sources sources{.labels = labels_of(node), .prefix = settings_.prefix};
  const std::string& space = settings_.name_space;
  sources.policies = find_all(api_, path_of(kSriovApi, space, "sriovnetworknodepolicies"));
  sources.config_maps = list_all(api_, path_of("/api/v1", space, "configmaps"),
                                 "labelSelector=" + kubernetes::percent_encoded(kDeclarationLabel));
  sources.own = declared::read_declaration(settings_.own_file);
  if (const auto bytes = read_trusted(settings_.kept_file, refuse_kept))
    sources.kept = parse_json(*bytes, settings_.kept_file);
  return sources;
}

std::string Agent::read_pool(const json::value& node) {
  pool_.reset();
  const auto pools = find_all(api_, path_of(kSriovApi, settings_.name_space, "sriovnetworkpoolconfigs"));
  const auto list_nodes = [this] {
    std::vector<Labels> labels;
    for (const json::value& each : list_all(api_, "/api/v1/nodes")) labels.push_back(labels_of(each));
    return labels;
  };
  try {
    pool_ = limit_of(pools.value_or(std::vector<json::value>()), labels_of(node), list_nodes);
    return rdma_difference(*pool_);
  } catch (const Error& error) {
    if (!error.is(Error::Code::config)) throw;
    return manager::describe(error);
  }
}

void Agent::keep(const json::object& document) const {
  const bool is_empty = document.at("nics").as_array().empty() && !document.contains("resourceList");
  if (is_empty) {
    remove_file(settings_.kept_file);
    return;
  }
  const std::string bytes = manager::pretty(document);
  if (read_file(settings_.kept_file) == bytes) return;
  make_directories(directory_of(settings_.kept_file));
  write_file_atomically(settings_.kept_file, bytes, Durability::durable, 0644);
}

void Agent::apply(const declared::NicPlan& plan) {
  try {
    if (!declared::apply_nic(node_, *plan.nic, plan.address, [](const manager::Progress&) {})) return;
    journal::record({.kind = journal::Kind::change,
                     .command = "apply",
                     .pf = plan.address,
                     .what = fmt::format("{} was made as declared at {}", plan.name, plan.nic->place())});
    say_("applied " + plan.address, fmt::format("{} is as declared at {} now", plan.name, plan.nic->place()));
    say_("applied " + plan.address, "");
  } catch (const Error& error) {
    failures_.push_back(manager::describe(error));
  }
}

bool Agent::is_ours_to_change(const Assembled& assembled, const declared::NicPlan& plan) {
  return assembled.is_from_cluster(*plan.nic) && !plan.nic->externally_managed && !plan.steps.empty();
}

bool Agent::will_change(const Assembled& assembled, const declared::NodePlan& plan) {
  return std::any_of(plan.nics.begin(), plan.nics.end(),
                     [&](const declared::NicPlan& each) { return is_ours_to_change(assembled, each); });
}

void Agent::apply_all(const Assembled& assembled, const declared::NodePlan& plan) {
  for (const declared::NicPlan& each : plan.nics)
    if (is_ours_to_change(assembled, each)) apply(each);
  declared::write_pools(node_, declared::pools_document(assembled.whole, plan));
}

Sync Agent::drain(const json::value& node, const Holders& holders) {
  std::vector<std::string> stays;
  for (const state::Pod& each : holders.pods)
    if (auto why = drain_.find_obstacle(each)) stays.push_back(*std::move(why));
  const bool has_begun = !annotation_of(node, kCordonAnnotation).empty();
  const std::string unknown = fmt::format("{}", fmt::join(holders.unknown, "; "));
  // While pods end, a VF may be on its way back: who has it shows later. Before that, nobody is sent away in vain.
  if (!has_begun && !unknown.empty()) stays.push_back(unknown);
  if (!stays.empty()) {
    drain_.finish(node);
    return {State::failed, fmt::format("VFs in use stay in use: {}", fmt::join(stays, "; "))};
  }
  if (!pool_) return {State::failed, "how many nodes may be drained at once is not understood"};
  const Drain::Step step = drain_.step(node, holders.pods, *pool_);
  return {State::in_progress, unknown.empty() ? step.waits_for : step.waits_for + "; " + unknown, step.has_place};
}

bool Agent::find_waiting(const Assembled& assembled, const declared::NodePlan& plan,
                         const std::vector<declared::NicFacts>& facts, std::vector<std::string>& differs,
                         Holders& holders) const {
  const auto snapshot = manager::take_snapshot(node_, {});
  bool wants_drain = false;
  for (const declared::NicPlan& each : plan.nics) {
    if (!assembled.is_from_cluster(*each.nic)) continue;
    if (each.nic->externally_managed && !each.is_as_declared())
      differs.push_back(fmt::format("{} is managed by others and not as declared at {}: {} is {}, declared {}",
                                    each.name, each.nic->place(), each.changes[0].what, each.changes[0].now,
                                    each.changes[0].wanted));
    if (each.refusals.empty()) continue;
    const auto& nic = facts_of(facts, each.address);
    if (!would_drain_help(*each.nic, nic)) {
      differs.push_back(fmt::format("{}: {}: {}", each.name, each.nic->place(), fmt::join(each.refusals, "; ")));
      continue;
    }
    wants_drain = true;
    for (const manager::PfEntry& pf : snapshot.pfs)
      if (pf.pf.pci.address == each.address) add_holders(holders, *each.nic, nic, pf);
  }
  return wants_drain;
}

Sync Agent::make_so(const json::value& node, const Assembled& assembled, const std::vector<declared::NicFacts>& facts,
                    const declared::NodePlan& plan) {
  apply_all(assembled, plan);
  std::vector<std::string> differs = failures_;
  if (auto problem = read_pool(node); !problem.empty()) differs.push_back(std::move(problem));
  Holders holders;
  Sync sync;
  if (find_waiting(assembled, plan, facts, differs, holders))
    sync = drain(node, holders);
  else if (failures_.empty())
    // One whose NICs could not be changed stays out of use, and within the limit, until that is mended.
    drain_.finish(node);
  if (differs.empty()) return sync;
  if (!sync.message.empty()) differs.push_back(sync.message);
  const State state = sync.state == State::in_progress ? sync.state : State::failed;
  return {state, fmt::format("{}", fmt::join(differs, "; ")), sync.soon};
}

bool Agent::pass() {
  failures_.clear();
  external_.clear();
  const json::value node = api_.require({.path = path_of("/api/v1", "", "nodes", settings_.node)});
  const Sources sources = read_sources(node);
  const auto facts = declared::read_facts(node_);
  const Assembled assembled = assemble(sources, facts);
  NodeStateObject status(api_, settings_.name_space, node);
  Sync sync{State::failed, joined(assembled.problems)};
  if (assembled.problems.empty()) {
    keep(assembled.document);
    const auto plan = declared::plan_node(assembled.whole, facts);
    for (const auto& each : plan.nics)
      if (each.nic->externally_managed) external_.insert(each.address);
    // Changing a NIC takes up to minutes.
    if (will_change(assembled, plan))
      status.write(manager::take_snapshot(node_, {}), {State::in_progress, "NICs are being changed"}, external_);
    sync = make_so(node, assembled, facts, plan);
  } else {
    drain_.finish(node);
  }
  say_("sync", sync.message);
  status.write(manager::take_snapshot(node_, {}), sync, external_);
  return sync.soon;
}

void Agent::apply_kept() {
  failures_.clear();
  Assembled kept{.whole = declared::read_declaration(settings_.own_file)};
  kept.own_nics = kept.whole.nics.size();
  const auto bytes = read_trusted(settings_.kept_file, refuse_kept);
  if (!bytes) return;
  declared::add_file(kept.whole, settings_.kept_file, *bytes);
  declared::check_together(kept.whole);
  if (!kept.whole.problems.empty()) return say_("kept", joined(kept.whole.problems));
  const auto plan = declared::plan_node(kept.whole, declared::read_facts(node_));
  if (!plan.problems.empty()) return say_("kept", joined(plan.problems));
  apply_all(kept, plan);
  say_("kept", fmt::format("{}", fmt::join(failures_, "; ")));
}

}  // namespace barewire::cluster
