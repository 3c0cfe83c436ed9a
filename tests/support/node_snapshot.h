// SPDX-License-Identifier: Apache-2.0
/// The state of a node as text, to compare before and after: what a plugin must leave as it found it.
#pragma once

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace barewire::test {

/// Every item is a line "what = value", e.g. "link v0.mtu = 1500", "file /run/barewire/x = …".
class NodeSnapshot {
 public:
  /// Of the calling thread's netns: links with every attribute, alt names and VFs; addresses; routes; rules; permanent
  /// neighbours; the nft ruleset (without counters); VF drivers; the files under `directories`. Left out, because the
  /// kernel changes them by itself or they are no state of a pod: ifindexes, carrier, the default qdisc, timers, lock
  /// files, host-local's last_reserved_ip and index. Throws Error when iproute2 is missing.
  static NodeSnapshot take(const std::vector<std::string>& directories = {"/run/barewire", "/var/lib/cni"});
  /// Of links, VFs, their drivers and the files alone: what loops compare where programs are slow.
  static NodeSnapshot take_devices(const std::vector<std::string>& directories = {"/run/barewire", "/var/lib/cni"});
  /// Of the files alone, for plugins that touch nothing else: much faster.
  static NodeSnapshot take_files(const std::vector<std::string>& directories = {"/run/barewire", "/var/lib/cni"});

  /// One line per difference, "- before" and "+ after"; empty when equal.
  std::string difference(const NodeSnapshot& after) const;
  friend bool operator==(const NodeSnapshot&, const NodeSnapshot&) = default;
  const std::map<std::string, std::string>& items() const noexcept { return items_; }

 private:
  std::map<std::string, std::string> items_;
};

std::ostream& operator<<(std::ostream& out, const NodeSnapshot& snapshot);

/// `before.difference(take())`, once that is empty or has stayed for some seconds: the kernel takes its time to give a
/// link its link-local address back, and to forget routes.
std::string lasting_difference(
    const NodeSnapshot& before, const std::function<NodeSnapshot()>& take = [] { return NodeSnapshot::take(); });

/// Fails the test with the differences: EXPECT_NODE_UNCHANGED(before).
#define EXPECT_NODE_UNCHANGED(before) \
  EXPECT_EQ("", ::barewire::test::lasting_difference(before)) << "the node has changed"

}  // namespace barewire::test
