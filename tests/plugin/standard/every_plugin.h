// SPDX-License-Identifier: Apache-2.0
/// A configuration for every plugin that attaches something, and a node with pods of others on it: what sweeps go over.
#pragma once

#include <string>
#include <vector>

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {

/// One plugin and its keys, each followed by a comma.
struct EveryPlugin {
  std::string name;
  std::string keys = {};
  bool is_chained = false;
  bool works_here = false;  ///< on any machine that can run these tests at all; others lack drivers or devices
  std::string ifname = "eth0";
};

/// All of them. A plugin that the program holds and that is missing here fails the test.
std::vector<EveryPlugin> every_plugin();
/// The same, or a sample in a run that takes samples of sweeps.
std::vector<EveryPlugin> swept_plugins();

/// Links dev0, for a plugin to take, and dev1, its other end, whose IPv6 address does not come during a test any more.
void make_settled_pair();

/// Its configuration for network `network`, with an IPAM of host-local in 10.22.<third>.0/24; chained ones get
/// `previous` as prevResult.
std::string config_of(const EveryPlugin& plugin, const std::string& network, int third, const std::string& previous);

/// Everything that a pod's netns holds, as text.
std::string pod_state(const std::string& netns);

/// A node with pod1: eth0 by bridge, with every chained plugin that works here behind it, and net1 by ptp.
class OthersTest : public StandardTest {
 protected:
  void SetUp() override;
  /// The node, and the pods.
  struct State {
    NodeSnapshot node;
    std::vector<std::pair<std::string, std::string>> pods;
  };
  State state() const;
  /// Fails the test where something is not as it was.
  void expect_unchanged(const State& before, const std::string& after_what);
  /// Those of `config`, which stay when pods go.
  /// Those that plugins made in between, which stay by design; br9 is of the first network's.
  static void remove_bridges() { must_run("ip link del br8 2>/dev/null || true"); }
  std::string previous() const { return boost::json::serialize(bridged_.json); }
  std::string config(const EveryPlugin& plugin, const std::string& network = "other", int third = 9) const {
    return config_of(plugin, network, third, previous());
  }

  PluginResult bridged_;
};

}  // namespace barewire::test
