// SPDX-License-Identifier: Apache-2.0
// Our records first, then a peer's, then the device itself: who has it on record is named.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "core/fd.h"
#include "core/kernel/address.h"
#include "core/kernel/netns.h"
#include "core/regular_file.h"
#include "core/state/allocation.h"
#include "core/vf/inventory.h"

namespace barewire::vf {
namespace {

/// A record that cannot be read still holds its VF: damage must never make it free.
std::optional<UseFinding> held_by_us(const std::string& address, const state::Store& store) {
  try {
    auto holder = store.holding(address);
    if (!holder) return std::nullopt;
    return UseFinding{UseOfVf::held, fmt::format("attachment {} holds it", holder->text()), std::move(holder->id)};
  } catch (const Error& error) {
    if (!error.is(Error::Code::state)) throw;
    return UseFinding{UseOfVf::held, error.what(), {}};
  }
}

/// As with a record that holds it: what cannot be read must never make it free.
std::optional<std::string> promised(const std::string& address, const std::string& directory) {
  try {
    const auto allocation = state::Allocations(directory).find(address);
    return allocation ? std::optional(allocation->text()) : std::nullopt;
  } catch (const Error& error) {
    if (!error.is(Error::Code::state)) throw;
    return error.what();
  }
}

std::optional<std::string> held_by_peer(const std::string& address, const std::string& peer_state_dir) {
  const auto netns = read_roots_file(fmt::format("{}/pci/{}", peer_state_dir, address));
  if (!netns || !kernel::NetNs::try_open(*netns)) return std::nullopt;
  return fmt::format("sriov-cni recorded it for {}", *netns);
}

// Link-local addresses come by themselves when a link is up: they say nothing of use.
std::optional<std::string> has_address(kernel::NlSocket& socket, const kernel::Link& link) {
  if (!link.is_up()) return std::nullopt;
  for (const kernel::AddressInfo& address : kernel::list_addresses(socket, link.index)) {
    if (!address.prefix.address.is_link_local()) {
      return fmt::format("{} is up with address {}", link.name, address.prefix.text());
    }
  }
  return std::nullopt;
}

/// Is another link (a VLAN, a macvlan) stacked on this one? A veth names its peer in the same attribute.
std::optional<std::string> carries_links(const std::vector<kernel::Link>& links, const kernel::Link& link) {
  const auto found = std::find_if(links.begin(), links.end(), [&](const kernel::Link& each) {
    return each.parent == link.index && each.kind != "veth" && each.index != link.index;
  });
  if (found == links.end()) return std::nullopt;
  return fmt::format("{} is stacked on {}", found->name, link.name);
}

std::optional<std::string> used_in_this_netns(kernel::NlSocket& socket, const kernel::Link& link,
                                              const std::vector<kernel::Link>* links) {
  if (link.master != 0) {
    const auto master = kernel::find_link(socket, link.master);
    return fmt::format("{} is enslaved to {}", link.name,
                       master ? master->name : fmt::format("interface {}", link.master));
  }
  if (auto why = has_address(socket, link)) return why;
  return links != nullptr ? carries_links(*links, link) : carries_links(kernel::list_links(socket), link);
}

std::optional<std::string> used_elsewhere(const Vf& vf, kernel::NlSocket& socket, const ForeignState& foreign) {
  if (auto why = held_by_peer(vf.pci.address, foreign.peer_state_dir)) return why;
  if (kernel::is_userspace_driver(vf.pci.driver)) return find_vfio_user(vf.pci, foreign.vfio_dir);
  if (vf.link) return used_in_this_netns(socket, *vf.link, foreign.links);
  if (vf.pci.driver.empty()) return std::nullopt;
  return fmt::format("driver {} is bound, and its netdev is in another netns or there is none", vf.pci.driver);
}

}  // namespace

/// A group that a process has open can be opened by no other: the device is in a virtual machine or a DPDK program.
/// Source: drivers/vfio/group.c, vfio_group_fops_open.
std::optional<std::string> find_vfio_user(const kernel::PciFunction& pci, const std::string& vfio_dir) {
  if (!pci.iommu_group || pci.driver != "vfio-pci") return std::nullopt;
  const std::string path = fmt::format("{}/{}", vfio_dir, *pci.iommu_group);
  // Closed again at once: a group is counted as in use only while it is open.
  const Fd group(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (group || errno != EBUSY) return std::nullopt;
  return fmt::format("a process has {} open", path);
}

UseFinding find_use(const Vf& vf, const state::Store& store, kernel::NlSocket& socket, const ForeignState& foreign) {
  if (auto held = held_by_us(vf.pci.address, store)) return *std::move(held);
  if (auto why = promised(vf.pci.address, foreign.allocation_dir)) return {UseOfVf::allocated, *std::move(why), {}};
  if (auto why = used_elsewhere(vf, socket, foreign)) return {UseOfVf::used_elsewhere, *std::move(why), {}};
  if (vf.pci.driver.empty()) return {UseOfVf::unbound, "no driver is bound to it", {}};
  return {};
}

UseOfVf use_of(const Vf& vf, const state::Store& store, kernel::NlSocket& socket, const ForeignState& foreign) {
  return find_use(vf, store, socket, foreign).use;
}

ForeignState foreign_state(const Node& node) {
  ForeignState foreign;
  foreign.peer_state_dir = node.cni_state_dir + "/sriov";
  foreign.allocation_dir = node.cni_state_dir + state::Allocations::kBelow;
  return foreign;
}

}  // namespace barewire::vf
