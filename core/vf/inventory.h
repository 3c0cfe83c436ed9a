// SPDX-License-Identifier: Apache-2.0
/// Every SR-IOV NIC of the node and its VFs, as sysfs, rtnetlink and our records show them at this moment. Shared by
/// the sriov plugin (claiming from a pool), the ovs plugin and the admin's command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/kernel/pci.h"
#include "core/kernel/vf.h"
#include "core/node.h"
#include "core/state/store.h"

namespace barewire::vf {

/// One VF. `info` is what the PF holds of it (absent: the PF tells nothing, as virtio).
struct Vf {
  std::uint32_t id = 0;
  kernel::PciFunction pci;
  std::optional<kernel::Link> link;  ///< its netdev, when that is in this netns
  std::optional<kernel::VfInfo> info;
};

/// One physical function with all of its VFs, of one moment: a VF that comes later is in the next look.
struct Pf {
  kernel::PciFunction pci;
  std::optional<kernel::Link> link;  ///< the uplink
  std::uint32_t total_vfs = 0;       ///< sriov_totalvfs
  std::vector<Vf> vfs;               ///< by id
};

enum class UseOfVf {
  free,       ///< in this netns or on a user-space driver, claimed by no one, not enslaved, down or without address
  held,       ///< one of our records holds it
  allocated,  ///< promised to a container or claim, or kept back (core/state/allocation.h); in none of our netns
  used_elsewhere,  ///< no record of ours, yet its netdev is in another netns, enslaved, addressed or carries other
                   ///< links, its vfio group is open, or a peer's record holds it
  unbound,         ///< no driver is bound to it: there is nothing to hand over
};

/// All PFs that have or can have VFs, sorted by PCI address. `socket` is of the host's netns.
std::vector<Pf> list_pfs(const kernel::Sysfs& sysfs, kernel::NlSocket& socket);
/// By PCI address or by netdev name (alternative names too); nullopt when there is none.
std::optional<Pf> find_pf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& pf);
/// The same without its VFs, which may be hundreds.
std::optional<Pf> find_pf_alone(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& pf);
/// One VF and its PF without reading the other PFs; nullopt when `pci_address` is no VF.
struct VfOfPf {
  Pf pf;  ///< its `vfs` holds this VF alone
  Vf vf;
};
std::optional<VfOfPf> find_vf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& pci_address);

/// Where others than our attachments leave signs that they use a VF, or will.
struct ForeignState {
  std::string peer_state_dir =
      "/var/lib/cni/sriov";            ///< sriov-cni's: pci/<address> names a netns; counts while it lives
  std::string vfio_dir = "/dev/vfio";  ///< a group that is open answers EBUSY to a second open
  std::string allocation_dir = "/var/lib/cni/barewire/allocations";
  /// All of this netns, borrowed: who asks for many VFs lists them once. nullptr: they are asked for.
  const std::vector<kernel::Link>* links = nullptr;
};

/// What a VF is used for, and how one can tell: `why` is a clause such as "it is enslaved to br0"; empty when free.
struct UseFinding {
  UseOfVf use = UseOfVf::free;
  std::string why;
  std::optional<state::AttachmentId> holder;  ///< of a VF that is held
};
/// Reads only. An address that the kernel gave by itself (link-local) does not count as one.
UseFinding find_use(const Vf& vf, const state::Store& store, kernel::NlSocket& socket, const ForeignState& foreign);
/// find_use without the reason.
UseOfVf use_of(const Vf& vf, const state::Store& store, kernel::NlSocket& socket, const ForeignState& foreign);
/// Of `node`.
ForeignState foreign_state(const Node& node);

/// "a process has /dev/vfio/17 open"; nullopt when none has, or the function is on another driver.
std::optional<std::string> find_vfio_user(const kernel::PciFunction& pci, const std::string& vfio_dir);

/// "ens1f0#0-3,7" or "0000:01:00.0#0-3": a PF and which of its VFs; no '#': all of them. Source: the SR-IOV network
/// device plugin's pfNames notation.
struct VfRange {
  std::string pf;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;  ///< inclusive; empty = all
  bool contains(std::uint32_t id) const;
  /// Throws Error{config} naming `key` and the part that is wrong.
  static VfRange parse(const std::string& text, const std::string& key);
};

}  // namespace barewire::vf
