// SPDX-License-Identifier: Apache-2.0
/// The declared state against the node as it is: which NIC an entry is for, what of it differs, and the steps that put
/// it right, by the NIC's hardware profile. Pure: facts.h reads the node, apply.h takes the steps.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device-manager/state/declaration.h"
#include "device-manager/state/facts.h"

namespace barewire::declared {

/// "VFs" 0 → 7; "VF 3 driver" igbvf → vfio-pci.
struct Change {
  std::string what;
  std::string now;
  std::string wanted;
};

struct NicPlan {
  const Nic* nic = nullptr;
  std::string address{};
  std::string name{};
  std::vector<Change> changes{};        ///< empty: the NIC is as declared
  std::vector<std::string> refusals{};  ///< who or what stands against it; then there are no steps
  std::vector<manager::ProvisionStep> steps{};
  /// VFs in use are left with what their holder gave them; which, for people.
  std::vector<std::string> kept{};
  std::vector<std::string> drivers{};  ///< of the groups of `nic`, as driver_of

  bool is_as_declared() const { return changes.empty(); }
};

struct NodePlan {
  std::vector<NicPlan> nics{};
  std::vector<const Nic*> absent{};  ///< entries that no NIC of the node is like
  std::vector<Problem> problems{};   ///< what this node cannot be; then there are no plans
};

/// Whether `selector` means this NIC.
bool matches(const Selector& selector, const NicFacts& facts);
/// What is wrong with `nic` on a NIC like `facts`: more VFs than it can have, switchdev without an eswitch, …
std::vector<Problem> find_problems(const Nic& nic, const NicFacts& facts);
/// The plan of one NIC that find_problems has nothing against.
NicPlan plan_nic(const Nic& nic, const NicFacts& facts);
/// All of them, in order of PCI address. A NIC that two entries are for is a problem. The plans refer to `declaration`.
NodePlan plan_node(const Declaration& declaration, const std::vector<NicFacts>& facts);

/// The driver that `group` means on this NIC: "dpdk" is the one that its profile has for DPDK, "netdev" where DPDK
/// works beside the kernel's own.
std::string driver_of(const VfGroup& group, const hw::Profile& profile);

/// The address of VF `id` under "macs": "stable": locally administered, of the PF's permanent address and the number,
/// so the same after every re-binding and reboot.
MacAddress stable_mac(const MacAddress& pf, std::uint32_t id);
/// The MAC that `group` declares for VF `id`; nullopt: none, or the NIC has none to make one of.
std::optional<MacAddress> mac_of(const VfGroup& group, const NicFacts& facts, std::uint32_t id);

/// The pools of all groups, as the node daemon reads them; empty when there are none.
std::string pools_document(const Declaration& declaration, const NodePlan& plan);

}  // namespace barewire::declared
