// SPDX-License-Identifier: Apache-2.0
// The loop's thread only decides when; a look that failed is followed by another after the back-off.
#include "device-manager/daemon/cluster_side.h"

#include <algorithm>
#include <random>

#include "device-manager/cluster/election.h"
#include "device-manager/cluster/networks.h"
#include "device-manager/daemon/dra_side.h"
#include "device-manager/kubernetes/api_client.h"
#include "device-manager/plugin_call.h"

namespace barewire::daemon {
namespace {

using Clock = std::chrono::steady_clock;

/// While pods end or another node has its turn; and what is between a change of the node and its telling, however many
/// changes there are: each look asks the API server.
constexpr std::chrono::milliseconds kSoon{2000};
constexpr std::chrono::seconds kLease{15};
constexpr const char* kOperatorPrefix = "openshift.io";  ///< of resources, unless its administrator said otherwise

kubernetes::Cluster cluster_of(const Options& options) {
  auto cluster = kubernetes::find_cluster(options.dra.kubeconfig);
  if (cluster) return *std::move(cluster);
  throw Error(Error::Code::config, "the API server is not known", "give --kubeconfig, or run in a pod");
}

std::string prefix_of(const Options& options) {
  return options.kubelet.prefix.empty() ? kOperatorPrefix : options.kubelet.prefix;
}

/// Of this process alone: two daemons of a node, as during an update, are two.
std::string identity_of(const Options& options) {
  std::random_device random;
  return fmt::format("{}_{:08x}", node_name(options.dra.node), random());
}

}  // namespace

struct ClusterSide::NodePart {
  NodePart(const Node& node, const Options& options, const cluster::Say& say)
      : api(cluster_of(options)),
        agent(node, api,
              {.node = node_name(options.dra.node),
               .name_space = options.cluster.name_space,
               .prefix = prefix_of(options)},
              say) {}
  kubernetes::ApiClient api;
  cluster::Agent agent;
};

struct ClusterSide::NetworkPart {
  NetworkPart(const Options& options, const cluster::Say& say)
      : api(cluster_of(options), kLease / 3),
        election(api, options.cluster.name_space, "barewire-networks", identity_of(options), kLease),
        networks(
            api, options.cluster.name_space, prefix_of(options), [this] { return election.is_leader(Clock::now()); },
            say) {}
  kubernetes::ApiClient api;
  cluster::Election election;
  cluster::Networks networks;
  Clock::time_point next_sync{};
};

ClusterSide::ClusterSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop)
    : node_(node),
      options_(options),
      log_(log),
      loop_(loop),
      node_worker_("node-policies", [log](std::string_view failure) { log->error("policies: {}", failure); }),
      network_worker_("networks", [log](std::string_view failure) { log->error("networks: {}", failure); }),
      node_turn_{.what = "policies", .worker = &node_worker_, .work = [this] { return look_at_policies(); }},
      network_turn_{.what = "networks", .worker = &network_worker_, .work = [this] { return look_at_networks(); }} {
  for (Turn* each : {&node_turn_, &network_turn_}) {
    each->timer = &loop.add_timer([this, each] { start(*each); });
    each->timer->set(Wait(0));
  }
}

ClusterSide::~ClusterSide() {
  stop();
}

void ClusterSide::on_change() {
  // Not while the API server is left alone: what changed is told then.
  if (node_turn_.hurried || !node_turn_.backoff.is_due(Clock::now())) return;
  node_turn_.hurried = true;
  node_turn_.timer->set(std::min(kSoon, interval()));
}

void ClusterSide::start(Turn& turn) {
  turn.hurried = false;
  turn.again = turn.busy;
  if (turn.busy) return;
  turn.busy = true;
  turn.worker->post([this, &turn] {
    const auto wait = run(turn);
    loop_.post([this, &turn, wait] { on_done(turn, wait); });
  });
}

std::optional<ClusterSide::Wait> ClusterSide::run(const Turn& turn) {
  try {
    const Wait wait = turn.work();
    say(turn.what, "");
    return wait;
  } catch (const kubernetes::ApiRefusal& refusal) {
    // Somebody else wrote at the same time: looked at anew.
    if (refusal.status() == 409) return std::min(kSoon, interval());
    say(turn.what, fmt::format("{}: {}", turn.what, manager::describe(refusal)));
  } catch (const Error& error) {
    say(turn.what, fmt::format("{}: {}", turn.what, manager::describe(error)));
  } catch (const std::exception& error) {
    say(turn.what, fmt::format("{}: {}", turn.what, error.what()));
  }
  return std::nullopt;
}

void ClusterSide::on_done(Turn& turn, std::optional<Wait> wait) {
  turn.busy = false;
  const auto now = Clock::now();
  if (wait)
    turn.backoff.succeeded();
  else
    turn.backoff.failed(now);
  if (turn.hurried) return;
  turn.timer->set(!wait ? turn.backoff.left(now) : turn.again ? std::min(kSoon, *wait) : *wait);
  turn.again = false;
}

ClusterSide::Wait ClusterSide::look_at_policies() {
  if (!node_part_) node_part_ = std::make_unique<NodePart>(node_, options_, sayer());
  try {
    const bool soon = node_part_->agent.pass();
    say("kept", "");
    return soon ? std::min(kSoon, interval()) : interval();
  } catch (const Error&) {
    // What was declared last needs no API server.
    node_part_->agent.apply_kept();
    throw;
  }
}

ClusterSide::Wait ClusterSide::look_at_networks() {
  if (!network_part_) network_part_ = std::make_unique<NetworkPart>(options_, sayer());
  NetworkPart& part = *network_part_;
  part.election.run(Clock::now());
  const bool leads = part.election.is_leader(Clock::now());
  say("leader", leads ? "networks are rendered by this daemon" : "");
  // Of hundreds of nodes that wait for the lease, none asks for it all the time.
  if (!leads) return interval();
  if (Clock::now() >= part.next_sync) {
    part.networks.sync();
    part.next_sync = Clock::now() + interval();
  }
  return std::min<Wait>(kLease / 3, interval());
}

cluster::Say ClusterSide::sayer() {
  return [this](const std::string& key, const std::string& line) { say(key, line); };
}

void ClusterSide::say(const std::string& key, const std::string& line) {
  const std::lock_guard lock(mutex_);
  std::string& said = said_[key];
  if (said == line) return;
  said = line;
  if (!line.empty())
    log_->info("{}", line);
  else if (key == node_turn_.what || key == network_turn_.what)
    log_->info("{}: the API server answers again", key);
}

void ClusterSide::stop() {
  node_worker_.stop();
  network_worker_.stop();
  if (!network_part_ || !network_part_->election.is_leader(Clock::now())) return;
  try {
    network_part_->election.give_up();
  } catch (const std::exception&) {  // then it runs out
  }
}

}  // namespace barewire::daemon
