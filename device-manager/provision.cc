// SPDX-License-Identifier: Apache-2.0
// The kernel changes sriov_numvfs from or to 0 only, so every VF dies in between: refused while one is in use.
#include "device-manager/provision.h"

#include <algorithm>
#include <set>

#include "core/kernel/address.h"

namespace barewire::manager {
namespace {

/// Whether the master of `link` is a bond that another link keeps up.
bool survives(const std::vector<kernel::Link>& links, const kernel::Link& link) {
  const auto is_bond = [&](const kernel::Link& each) { return each.index == link.master && each.kind == "bond"; };
  const auto carries = [&](const kernel::Link& each) {
    return each.master == link.master && each.index != link.index && each.is_up() && each.carrier;
  };
  return std::any_of(links.begin(), links.end(), is_bond) && std::any_of(links.begin(), links.end(), carries);
}

/// `index` and everything that stands on it and falls with it: bond, bridge, VLANs. A bond that has another link stays.
std::set<int> stacked_on(const std::vector<kernel::Link>& links, int index) {
  std::set<int> stack{index};
  for (std::size_t before = 0; before != stack.size();) {
    before = stack.size();
    for (const kernel::Link& link : links) {
      if (stack.contains(link.index) && link.master != 0 && !survives(links, link)) stack.insert(link.master);
      if (link.parent != 0 && link.kind != "veth" && stack.contains(link.parent)) stack.insert(link.index);
    }
  }
  return stack;
}

std::optional<std::string> find_default_route(kernel::NlSocket& socket, const vf::Pf& pf) {
  if (!pf.link) return std::nullopt;
  const auto links = kernel::list_links(socket);
  const auto stack = stacked_on(links, pf.link->index);
  // Any table: policy routing may send the node's traffic by another than main.
  constexpr std::uint32_t kAllTables = 0;
  for (const kernel::RouteInfo& route : kernel::list_routes(socket, 0, kAllTables)) {
    if (!route.destination.is_default() || !stack.contains(route.index)) continue;
    const auto link =
        std::find_if(links.begin(), links.end(), [&](const auto& each) { return each.index == route.index; });
    return fmt::format("the default route leaves by {}", link == links.end() ? pf.link->name : link->name);
  }
  return std::nullopt;
}

}  // namespace

PfFacts read_pf_facts(const Node& node, kernel::NlSocket& socket, const std::string& name) {
  const kernel::Sysfs sysfs(node.sysfs);
  auto pf = vf::find_pf(sysfs, socket, name);
  if (!pf) {
    throw Error(Error::Code::device, fmt::format("{} is no NIC that can have VFs", name),
                "`barewire list` shows those of this node; SR-IOV may be off in the firmware settings");
  }
  return read_pf_facts(node, socket, *std::move(pf));
}

PfFacts read_pf_facts(const Node& node, kernel::NlSocket& socket, vf::Pf pf) {
  PfFacts facts;
  const state::Store store(node.run_dir);
  for (const vf::Vf& vf : pf.vfs) {
    const auto finding = vf::find_use(vf, store, socket, vf::foreign_state(node));
    const bool usable = finding.use == vf::UseOfVf::free || finding.use == vf::UseOfVf::unbound;
    facts.in_use.push_back(usable ? std::nullopt : std::optional(finding.why));
  }
  facts.default_route = find_default_route(socket, pf);
  facts.drivers = kernel::Sysfs(node.sysfs).list("bus/pci/drivers");
  facts.pf = std::move(pf);
  return facts;
}

bool provision(const Node& node, const ProvisionRequest& request, const OnProgress& on_progress,
               std::chrono::milliseconds timeout) {
  kernel::NlSocket socket;
  const std::string address = read_pf_facts(node, socket, request.pf).pf.pci.address;
  // The lock of every ADD and DEL on this PF. What was read before it is read again.
  const auto lock = state::Store(node.run_dir).lock_device(address);
  const PfFacts facts = read_pf_facts(node, socket, address);
  return run_steps(node, facts.pf, plan_provision(request, facts), on_progress, timeout);
}

}  // namespace barewire::manager
