// SPDX-License-Identifier: Apache-2.0
// Read once, shown in any form: two commands that look at one moment agree.
#include "device-manager/snapshot.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/state/claimed_name.h"
#include "hw-profiles/nic.h"

namespace barewire::manager {
namespace {

constexpr std::array<std::pair<VfState, std::string_view>, 6> kStates = {{
    {VfState::free, "free"},
    {VfState::allocated, "allocated"},
    {VfState::in_pod, "in pod"},
    {VfState::used_elsewhere, "in use elsewhere"},
    {VfState::drifted, "drifted"},
    {VfState::unbound, "no driver"},
}};

/// nullopt also of a damaged record: the VF's own state says that.
std::optional<state::Allocation> find_allocation(const Node& node, const std::string& device) {
  try {
    return state::Allocations(node.cni_state_dir + state::Allocations::kBelow).find(device);
  } catch (const Error& error) {
    if (!error.is(Error::Code::state)) throw;
    return std::nullopt;
  }
}

/// kubelet gave it to one pod, CNI put it into another's netns.
void compare_pods(VfEntry& entry) {
  if (!entry.holder || !entry.allocation || entry.allocation->pod.name.empty() || entry.holder->pod.name.empty())
    return;
  const state::Pod& promised = entry.allocation->pod;
  const state::Pod& holder = entry.holder->pod;
  // By name: kubelet's list of pods has no UID.
  if (promised.name == holder.name && promised.name_space == holder.name_space) return;
  entry.drift.push_back(fmt::format("kubelet gave it to pod {}/{}", promised.name_space, promised.name));
  entry.state = VfState::drifted;
}

void describe_holder(VfEntry& entry, const state::Store& store, const std::optional<state::AttachmentId>& holder,
                     const DriftFinder& find_drift) {
  entry.state = VfState::in_pod;
  if (holder) entry.holder = store.find(*holder);
  // Its record cannot be read: who holds it is unknown, and that is what an admin has to hear first.
  if (!holder) {
    entry.drift = {entry.why};
    entry.state = VfState::drifted;
  }
  if (!entry.holder || !find_drift) return;
  entry.drift = find_drift(*entry.holder);
  if (!entry.drift.empty()) entry.state = VfState::drifted;
}

VfEntry describe_vf(const Node& node, kernel::NlSocket& socket, vf::Vf vf, const vf::ForeignState& foreign,
                    const DriftFinder& find_drift) {
  const state::Store store(node.run_dir);
  VfEntry entry;
  auto finding = vf::find_use(vf, store, socket, foreign);
  entry.vf = std::move(vf);
  entry.why = std::move(finding.why);
  entry.allocation = find_allocation(node, entry.vf.pci.address);
  switch (finding.use) {
    case vf::UseOfVf::free:
      entry.state = VfState::free;
      break;
    case vf::UseOfVf::allocated:
      entry.state = VfState::allocated;
      break;
    case vf::UseOfVf::unbound:
      entry.state = VfState::unbound;
      break;
    case vf::UseOfVf::used_elsewhere:
      entry.state = VfState::used_elsewhere;
      break;
    case vf::UseOfVf::held:
      describe_holder(entry, store, finding.holder, find_drift);
      compare_pods(entry);
      break;
  }
  return entry;
}

std::vector<OtherAttachment> find_others(const Snapshot& snapshot, const state::Store& store,
                                         const std::vector<state::Attachment>& attachments,
                                         const DriftFinder& find_drift) {
  std::set<state::AttachmentId> shown;
  for (const PfEntry& pf : snapshot.pfs) {
    for (const VfEntry& vf : pf.vfs) {
      if (vf.holder) shown.insert(vf.holder->id);
    }
  }
  // From the claims, not from the records, whose data is of each plugin's own shape.
  std::map<std::string, std::string> devices;  // by record
  for (const state::Claim& claim : store.claims()) devices.emplace(claim.record, claim.device);
  std::vector<OtherAttachment> others;
  for (const state::Attachment& attachment : attachments) {
    if (shown.contains(attachment.id)) continue;
    const auto device = devices.find(store.path_of(attachment.id));
    OtherAttachment other{attachment, device == devices.end() ? "" : std::string(state::claimed_name(device->second)),
                          std::nullopt, cni::find_fallback(attachment)};
    if (find_drift) other.drift = find_drift(attachment);
    others.push_back(std::move(other));
  }
  return others;
}

}  // namespace

std::string_view text_of(VfState state) {
  return std::find_if(kStates.begin(), kStates.end(), [&](const auto& each) { return each.first == state; })->second;
}

std::string key_of(VfState state) {
  std::string key(text_of(state));
  std::replace(key.begin(), key.end(), ' ', '_');
  return key;
}

std::optional<VfState> parse_vf_state(std::string_view key) {
  for (const auto& [state, text] : kStates) {
    if (key_of(state) == key) return state;
  }
  return std::nullopt;
}

PfEntry describe_pf(const Node& node, kernel::NlSocket& socket, vf::Pf pf, const DriftFinder& find_drift) {
  PfEntry entry;
  const hw::Profile profile =
      hw::find_profile({pf.pci.vendor, pf.pci.device}, pf.pci.driver, hw::options_for(node, pf));
  entry.profile = profile.family;
  entry.problems = profile.problems;
  if (!profile.model.empty())
    entry.model = profile.vendor.empty() ? profile.model : profile.vendor + " " + profile.model;
  entry.eswitch = kernel::find_eswitch_mode({"pci", pf.pci.address});
  if (pf.link) entry.speed_mbps = kernel::find_speed(pf.link->name);
  vf::ForeignState foreign = vf::foreign_state(node);
  const auto links = kernel::list_links(socket);
  foreign.links = &links;
  // Moved, not copied: a large NIC has hundreds of them.
  for (vf::Vf& vf : std::exchange(pf.vfs, {})) {
    entry.vfs.push_back(describe_vf(node, socket, std::move(vf), foreign, find_drift));
  }
  entry.enabled_vfs = entry.vfs.size();
  entry.free_vfs = static_cast<std::size_t>(
      std::count_if(entry.vfs.begin(), entry.vfs.end(), [](const VfEntry& vf) { return vf.state == VfState::free; }));
  entry.pf = std::move(pf);
  return entry;
}

Snapshot take_snapshot(const Node& node, const DriftFinders& find_drift) {
  Snapshot snapshot;
  kernel::NlSocket socket;
  const kernel::Sysfs sysfs(node.sysfs);
  const state::Store store(node.run_dir);
  for (vf::Pf& pf : vf::list_pfs(sysfs, socket)) {
    snapshot.pfs.push_back(describe_pf(node, socket, std::move(pf), find_drift.of_vf));
  }
  // After the VFs: an attachment made in between is shown as one without a VF, and is right on the next look.
  const auto attachments = store.list(&snapshot.unreadable);
  snapshot.others = find_others(snapshot, store, attachments, find_drift.of_other);
  // The profiles are read for every PF: what is wrong with one is told once.
  std::set<std::string> problems;
  for (const PfEntry& pf : snapshot.pfs) problems.insert(pf.problems.begin(), pf.problems.end());
  snapshot.problems.assign(problems.begin(), problems.end());
  return snapshot;
}

}  // namespace barewire::manager
