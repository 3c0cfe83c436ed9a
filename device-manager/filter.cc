// SPDX-License-Identifier: Apache-2.0
// A name asked for that is not there is told: an empty list would look like an answer.
#include "device-manager/filter.h"

#include <fmt/format.h>

#include <algorithm>

namespace barewire::manager {
namespace {

template <typename T, typename Matches>
bool none_or_any(const std::vector<T>& alternatives, const Matches& matches) {
  return alternatives.empty() || std::any_of(alternatives.begin(), alternatives.end(), matches);
}

bool is_name_of(const std::string& name, const vf::Pf& pf) {
  if (kernel::normalise_pci_address(name) == pf.pci.address) return true;
  if (!pf.link) return false;
  const auto& alternatives = pf.link->alt_names;
  return pf.link->name == name || std::find(alternatives.begin(), alternatives.end(), name) != alternatives.end();
}

bool is_name_of(const std::string& name, const state::Pod& pod) {
  return name == pod.name || name == pod.name_space + "/" + pod.name;
}

/// A misspelt PF must not look like one without VFs.
void name_unknown_pfs(const Filter& filter, Snapshot& snapshot) {
  for (const std::string& name : filter.pfs) {
    const auto is_named = [&](const PfEntry& pf) { return is_name_of(name, pf.pf); };
    if (std::none_of(snapshot.pfs.begin(), snapshot.pfs.end(), is_named))
      snapshot.problems.push_back(fmt::format("no PF of this node is called {}", name));
  }
}

}  // namespace

bool Filter::matches(const vf::Pf& pf) const {
  return none_or_any(pfs, [&](const std::string& name) { return is_name_of(name, pf); });
}

bool Filter::matches(const state::Attachment& attachment) const {
  return none_or_any(networks, [&](const std::string& name) { return name == attachment.id.network; }) &&
         none_or_any(containers, [&](const std::string& id) { return attachment.id.container_id.starts_with(id); }) &&
         none_or_any(pods, [&](const std::string& name) { return is_name_of(name, attachment.pod); });
}

bool Filter::matches(const VfEntry& vf) const {
  if (!none_or_any(states, [&](VfState state) { return state == vf.state; })) return false;
  // A free VF belongs to no network and no pod, so it is no answer then.
  const bool asks_for_holder = !networks.empty() || !pods.empty() || !containers.empty();
  if (!asks_for_holder) return true;
  if (vf.holder) return matches(*vf.holder);
  // Promised and not attached yet: only the pod can be known.
  return vf.allocation && networks.empty() && containers.empty() &&
         none_or_any(pods, [&](const std::string& name) { return is_name_of(name, vf.allocation->pod); });
}

Snapshot apply(const Filter& filter, Snapshot snapshot) {
  name_unknown_pfs(filter, snapshot);
  std::erase_if(snapshot.pfs, [&](const PfEntry& pf) { return !filter.matches(pf.pf); });
  for (PfEntry& pf : snapshot.pfs) {
    std::erase_if(pf.vfs, [&](const VfEntry& vf) { return !filter.matches(vf); });
  }
  // A PF whose VFs all fell through is no answer either.
  if (filter.names_vfs()) {
    std::erase_if(snapshot.pfs, [](const PfEntry& pf) { return pf.vfs.empty(); });
  }
  const bool asks_for_devices = !filter.pfs.empty() || !filter.states.empty();
  std::erase_if(snapshot.others,
                [&](const OtherAttachment& other) { return asks_for_devices || !filter.matches(other.attachment); });
  return snapshot;
}

}  // namespace barewire::manager
