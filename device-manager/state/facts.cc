// SPDX-License-Identifier: Apache-2.0
// What is not known of a PF speaks against changing it: a netdev that is not to be seen is somebody's.
#include "device-manager/state/facts.h"

#include <algorithm>

#include "hw-profiles/nic.h"

namespace barewire::declared {
namespace {

/// Source: Documentation/ABI/testing/sysfs-bus-pci, "/sys/bus/pci/slots/.../address": no function number in it.
std::string slot_of(const kernel::Sysfs& sysfs, const std::string& address) {
  const std::string device = address.substr(0, address.rfind('.'));
  for (const std::string& slot : sysfs.list("bus/pci/slots"))
    if (sysfs.read(fmt::format("bus/pci/slots/{}/address", slot)) == device) return slot;
  return {};
}

/// As with VFs: a record that cannot be read still holds what it is of.
std::optional<std::string> holder_of(const state::Store& store, const std::string& address) {
  try {
    const auto holder = store.holding(address);
    return holder ? std::optional(fmt::format("attachment {} holds it", holder->text())) : std::nullopt;
  } catch (const Error& error) {
    if (!error.is(Error::Code::state)) throw;
    return error.what();
  }
}

std::optional<std::string> find_bond(kernel::NlSocket& socket, const kernel::Link& link) {
  if (link.master == 0 || !link.is_up() || !link.carrier) return std::nullopt;
  const auto links = kernel::list_links(socket);
  const auto bond = std::find_if(links.begin(), links.end(), [&](const kernel::Link& each) {
    return each.index == link.master && each.kind == "bond";
  });
  const bool has_other = std::any_of(links.begin(), links.end(), [&](const kernel::Link& each) {
    return each.master == link.master && each.index != link.index && each.is_up() && each.carrier;
  });
  if (bond == links.end() || has_other) return std::nullopt;
  return fmt::format("it is the last link of {} that has a carrier", bond->name);
}

std::vector<std::string> obstacles_of(const Node& node, kernel::NlSocket& socket, const vf::Pf& pf) {
  std::vector<std::string> obstacles;
  const auto add = [&](std::optional<std::string> why) {
    if (why) obstacles.push_back(*std::move(why));
  };
  add(holder_of(state::Store(node.run_dir), pf.pci.address));
  add(vf::find_vfio_user(pf.pci, vf::foreign_state(node).vfio_dir));
  if (pf.link) add(find_bond(socket, *pf.link));
  if (!pf.link && !pf.pci.driver.empty() && !kernel::is_userspace_driver(pf.pci.driver))
    add(fmt::format("driver {} is bound, and its netdev is in another netns or there is none", pf.pci.driver));
  return obstacles;
}

NicFacts facts_of(const Node& node, kernel::NlSocket& socket, vf::Pf pf) {
  NicFacts facts;
  facts.profile = hw::find_nic(node, pf).profile;
  facts.eswitch = kernel::find_eswitch_mode({"pci", pf.pci.address});
  if (pf.link) facts.hw_tc_offload = kernel::find_feature(pf.link->name, "hw-tc-offload");
  facts.slot = slot_of(kernel::Sysfs(node.sysfs), pf.pci.address);
  facts.obstacles = obstacles_of(node, socket, pf);
  facts.base = manager::read_pf_facts(node, socket, std::move(pf));
  return facts;
}

}  // namespace

std::vector<NicFacts> read_facts(const Node& node) {
  kernel::NlSocket socket;
  std::vector<NicFacts> facts;
  for (vf::Pf& pf : vf::list_pfs(kernel::Sysfs(node.sysfs), socket))
    facts.push_back(facts_of(node, socket, std::move(pf)));
  return facts;
}

NicFacts read_facts_of(const Node& node, const std::string& address) {
  kernel::NlSocket socket;
  auto pf = vf::find_pf(kernel::Sysfs(node.sysfs), socket, address);
  if (!pf) throw Error(Error::Code::device, fmt::format("the NIC at {} is gone", address));
  return facts_of(node, socket, *std::move(pf));
}

}  // namespace barewire::declared
