// SPDX-License-Identifier: Apache-2.0
/// One node on its way to what the cluster declares for it. A pass reads the API server and the node, keeps the
/// declaration on disk, applies what can be applied, drains where VFs in use stand against it, and tells how far it is.
/// All that a pass decides by is at the API server, on the node or on disk: the next one goes on wherever the last one
/// stopped, or was killed. Of one thread, which it blocks while NICs change.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/node.h"
#include "device-manager/cluster/assemble.h"
#include "device-manager/cluster/drain.h"
#include "device-manager/cluster/holders.h"
#include "device-manager/cluster/node_state.h"
#include "device-manager/state/plan.h"
#include "device-manager/state/reader.h"

namespace barewire::cluster {

struct AgentSettings {
  std::string node{};        ///< its name in the cluster
  std::string name_space{};  ///< of policies, pool configurations, ConfigMaps, node states and Leases
  std::string prefix{};      ///< of resources
  std::string own_file = declared::kDeclarationFile;
  std::string kept_file = declared::kClusterDeclaration;
};

/// Says `line` about `key` when it is another than the last one; an empty line is "it is well".
using Say = std::function<void(const std::string& key, const std::string& line)>;

class Agent {
 public:
  /// `node` and `api` outlive it.
  Agent(const Node& node, kubernetes::Api& api, AgentSettings settings, Say say);

  /// True when another is to follow soon: pods are to end. Throws Error where the API server could not be
  /// asked, or the node not be read: what was declared last stays in force.
  bool pass();
  /// While the API server is away: what was declared last, as far as nothing stands against it.
  void apply_kept();

 private:
  Sources read_sources(const boost::json::value& node);
  /// Sets pool_. What is wrong with it is returned: it is no reason to leave the NICs alone.
  std::string read_pool(const boost::json::value& node);
  void keep(const boost::json::object& document) const;
  static bool is_ours_to_change(const Assembled& assembled, const declared::NicPlan& plan);
  static bool will_change(const Assembled& assembled, const declared::NodePlan& plan);
  /// One NIC of the plan; what fails is added to `failures_`.
  void apply(const declared::NicPlan& plan);
  /// Every NIC of the cluster's that nothing stands against, then the pools.
  void apply_all(const Assembled& assembled, const declared::NodePlan& plan);
  /// What stands against the others: `differs` is what no drain helps, `holders` who would have to go. True when one is
  /// wanted.
  bool find_waiting(const Assembled& assembled, const declared::NodePlan& plan,
                    const std::vector<declared::NicFacts>& facts, std::vector<std::string>& differs,
                    Holders& holders) const;
  Sync drain(const boost::json::value& node, const Holders& holders);
  Sync make_so(const boost::json::value& node, const Assembled& assembled, const std::vector<declared::NicFacts>& facts,
               const declared::NodePlan& plan);

  const Node& node_;
  kubernetes::Api& api_;
  AgentSettings settings_;
  Say say_;
  Drain drain_;
  std::optional<Limit> pool_;          ///< of this pass; nullopt: it is not understood, so nothing is drained
  std::vector<std::string> failures_;  ///< of this pass
  std::set<std::string> external_;     ///< PCI addresses of NICs that others manage
};

}  // namespace barewire::cluster
