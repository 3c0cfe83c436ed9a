// SPDX-License-Identifier: Apache-2.0
/// Creating the virtual functions of a PF: first a plan, which refuses what would do harm, then its steps one by one.
/// Used by `barewire provision`, and by `barewire apply` (state/plan.h), which has a plan of its own and the same
/// steps. Source: Documentation/PCI/pci-iov-howto.rst, Documentation/ABI/testing/sysfs-bus-pci.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/vf/inventory.h"

namespace barewire::manager {

struct ProvisionRequest {
  std::string pf;  ///< name or PCI address
  std::uint32_t vfs = 0;
  std::optional<std::uint32_t> mtu{};   ///< bytes, of the PF (raised, never lowered) and of every VF netdev
  std::optional<std::string> driver{};  ///< to bind every VF to
};

/// A PF as it is before, with everything that speaks against changing it.
struct PfFacts {
  vf::Pf pf;
  std::vector<std::optional<std::string>> in_use;  ///< by position in pf.vfs: why that VF must not be taken away
  std::optional<std::string> default_route;        ///< how the node's default route depends on this PF
  std::vector<std::string> drivers;                ///< PCI drivers the kernel has now
};

enum class StepKind {
  set_count,          ///< write `number` to sriov_numvfs
  wait_for_devices,   ///< until `number` VFs are there
  wait_for_netdevs,   ///< and those with a kernel driver have their netdev
  set_pf_mtu,         ///< to `number`
  bind_driver,        ///< VF `vf` to `text`
  set_vf_mtu,         ///< of VF `vf`, to `number`
  wait_for_carrier,   ///< of the PF, which had one before
  load_module,        ///< `text`, of a driver that the kernel does not have yet
  set_eswitch,        ///< mode `text`
  set_hw_tc_offload,  ///< on, of the PF
  unbind_driver,      ///< VF `vf` from whatever it is bound to
  bring_up_pf,
  set_vf_mac,    ///< of VF `vf`, to `text`: on the PF, and on the netdev where it has one here
  set_trust,     ///< of VF `vf`, to `number` (0, 1)
  set_spoofchk,  ///< of VF `vf`, to `number` (0, 1)
  set_min_rate,  ///< of VF `vf`, to `number` Mb/s
  set_max_rate,  ///< of VF `vf`, to `number` Mb/s
  name_pf,       ///< `text` becomes an alternative name of the PF's netdev
  name_vf,       ///< and of VF `vf`'s
};
struct ProvisionStep {
  StepKind kind{};
  std::uint32_t number = 0;
  std::uint32_t vf = 0;
  std::string text;
  /// "create 7 VFs on ens1f0", "bind VF 3 to vfio-pci".
  std::string describe(const std::string& pf_name) const;
};

/// What has to be done; empty when all is as asked already. MTU and driver of VFs that are yet to be created come as
/// steps too; a VF in use whose netdev is not to be seen keeps its MTU. Throws Error{config} when more VFs are asked
/// for than the PF can have or the driver is unknown, Error{held} naming each VF in use that would be taken away or
/// changed, or the default route.
std::vector<ProvisionStep> plan_provision(const ProvisionRequest& request, const PfFacts& facts);

/// Reads the PF called `name`, or at that PCI address. Throws Error{device} when there is none.
PfFacts read_pf_facts(const Node& node, kernel::NlSocket& socket, const std::string& name);
/// Of a PF that was found already.
PfFacts read_pf_facts(const Node& node, kernel::NlSocket& socket, vf::Pf pf);

/// How far a step is: `done` of `total` VFs ready. Called at least once per step and while it takes long.
struct Progress {
  const ProvisionStep* step = nullptr;
  std::size_t index = 0;  ///< of the step
  std::uint32_t done = 0;
  std::uint32_t total = 0;
  std::chrono::milliseconds elapsed{0};
};
using OnProgress = std::function<void(const Progress&)>;

/// How long the VFs may take to appear: firmware of large NICs needs a minute and more.
inline constexpr std::chrono::seconds kVfTimeout{120};

/// How long a PF that had a carrier may take to have it again: copper negotiates for up to ten seconds.
inline constexpr std::chrono::seconds kCarrierTimeout{30};

/// Runs `steps` on the PF, whose lock the caller holds. When creating the VFs fails, the count of before is put back.
/// The result and what is thrown are as of provision().
bool run_steps(const Node& node, const vf::Pf& pf, const std::vector<ProvisionStep>& steps,
               const OnProgress& on_progress, std::chrono::milliseconds timeout = kVfTimeout);

/// Takes the PF's lock, looks again whether the plan still holds, and runs its steps. When creating the VFs fails,
/// the count of before is put back. The result is whether the PF has its carrier again, if it had one; that it has not
/// is no error, since a cable may have been pulled meanwhile. Throws KernelError, Error{held}, Error{device} for VFs
/// that do not appear in time.
bool provision(const Node& node, const ProvisionRequest& request, const OnProgress& on_progress,
               std::chrono::milliseconds timeout = kVfTimeout);

}  // namespace barewire::manager
