// SPDX-License-Identifier: Apache-2.0
/// The node as an admin wants to see it: every SR-IOV NIC and VF, what each is used for and who holds it, and the
/// attachments that hold no VF. Put together from core/vf/inventory.h, the records and the hardware profiles; shown by
/// the `barewire` command. Reading it changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/cni/fallback.h"
#include "core/kernel/devlink.h"
#include "core/node.h"
#include "core/state/allocation.h"
#include "core/vf/inventory.h"

namespace barewire::manager {

enum class VfState {
  free,
  allocated,       ///< see vf::UseOfVf
  in_pod,          ///< one of our records holds it, and the kernel shows what the record says
  used_elsewhere,  ///< see vf::UseOfVf
  drifted,         ///< one of our records holds it, and the kernel shows something else
  unbound,
};
/// "free", "allocated", "in pod", "in use elsewhere", "drifted", "no driver".
std::string_view text_of(VfState state);
/// As text_of with '_' for ' ', the value in JSON and of `--state`; nullopt for other words.
std::string key_of(VfState state);
std::optional<VfState> parse_vf_state(std::string_view key);

struct VfEntry {
  vf::Vf vf;
  VfState state = VfState::free;
  std::string why;                                      ///< of allocated and used_elsewhere: how one can tell
  std::optional<state::Attachment> holder;              ///< of in_pod and drifted; absent when its record is damaged
  std::vector<std::string> drift;                       ///< of drifted: one sentence per difference
  std::optional<state::Allocation> allocation{};        ///< to whom it is promised, attached or not
  std::optional<std::uint64_t> rx_bytes{}, tx_bytes{};  ///< what the VF received and sent, once traffic.h was asked
};

struct PfEntry {
  vf::Pf pf;                                   ///< its `vfs` are moved into the entries below
  std::string model;                           ///< "Intel 82576"; empty when no profile knows the card
  std::string profile;                         ///< family, "intel-igb"; "probed" for an unknown NIC
  std::optional<kernel::EswitchMode> eswitch;  ///< absent: the NIC has no eswitch that devlink tells of
  std::optional<std::uint32_t> speed_mbps;     ///< absent: no carrier
  std::vector<std::string> problems;           ///< hardware profiles that were ignored for this NIC
  std::size_t enabled_vfs = 0;                 ///< of the whole PF, also where `vfs` was narrowed by a filter
  std::size_t free_vfs = 0;
  std::vector<VfEntry> vfs;

  /// The uplink's name, else the PCI address.
  const std::string& name() const { return pf.link ? pf.link->name : pf.pci.address; }
};

/// An attachment whose device is no VF of this node: host-device, bridge, …, or a VF that is gone.
struct OtherAttachment {
  state::Attachment attachment;
  std::string device;                             ///< what it holds on the host; empty when it holds nothing
  std::optional<std::vector<std::string>> drift;  ///< as in VfEntry; absent when it was not asked for
  std::optional<cni::FallbackRecord> fallback{};  ///< of one that its plugin's fallback serves
};

struct Snapshot {
  std::vector<PfEntry> pfs;
  std::vector<OtherAttachment> others;
  std::vector<std::pair<std::string, std::string>> unreadable;  ///< record file, what is wrong with it
  std::vector<std::string> problems;  ///< hardware profiles that were ignored, PFs that are not there
};

/// Tells how an attachment differs from the kernel: one sentence per difference, empty when it does not.
using DriftFinder = std::function<std::vector<std::string>(const state::Attachment&)>;

/// Whom to ask for drift: of VFs it is cheap, of others it means calling their plugin's CHECK. A null one is not asked.
struct DriftFinders {
  DriftFinder of_vf;
  DriftFinder of_other;
};

/// Throws Error when sysfs or rtnetlink cannot be read at all.
Snapshot take_snapshot(const Node& node, const DriftFinders& find_drift);
/// One PF of it, with its VFs.
PfEntry describe_pf(const Node& node, kernel::NlSocket& socket, vf::Pf pf, const DriftFinder& find_drift);

}  // namespace barewire::manager
