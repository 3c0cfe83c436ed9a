// SPDX-License-Identifier: Apache-2.0
// Which NIC an entry is for, and what of it this node's NIC cannot be; plan_nic.cc has the steps.
#include "device-manager/state/plan.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

#include "core/cni/known_keys.h"
#include "core/text.h"
#include "device-manager/dpdk/preflight.h"
#include "device-manager/snapshot_json.h"

namespace barewire::declared {
namespace {

using Support = hw::Capability::Support;

/// What is wrong with one entry, on one NIC.
class Objections {
 public:
  Objections(const Nic& nic, const NicFacts& facts) : nic_(nic), facts_(facts) {}
  template <typename Value>
  void add(const std::string& key, const Value& value, const std::string& why, std::string hint = {}) {
    problems_.push_back({fmt::format("{}: key \"{}\" is {}; {}", nic_.file, key, value, why), std::move(hint)});
  }
  /// `value` of `attribute` under `key`, by what the hardware profile knows.
  void ask(const std::string& key, hw::Attribute attribute, std::int64_t value, bool is_number) {
    const hw::Capability& can = facts_.profile.capability(attribute);
    const std::string shown = is_number ? fmt::format("{}", value) : value != 0 ? "true" : "false";
    // What is off or without a limit from the start needs no capability.
    if (can.support == Support::no && value != 0)
      return add(key, shown, fmt::format("{} cannot do that: {}", facts_.profile.description(), can.note));
    if (is_number && can.max && value > *can.max)
      add(key, shown, fmt::format("{} takes at most {}", facts_.name(), *can.max));
    if (nic_.eswitch == kernel::EswitchMode::switchdev && !can.in_switchdev)
      add(key, shown, fmt::format("{} has no such setting in switchdev mode", facts_.profile.description()));
  }
  std::vector<Problem> take() && { return std::move(problems_); }

 private:
  const Nic& nic_;
  const NicFacts& facts_;
  std::vector<Problem> problems_;
};

void object_to_count(Objections& objections, const Nic& nic, const NicFacts& facts) {
  if (!nic.vfs) return;
  std::int64_t most = facts.pf().total_vfs;
  if (const auto& limit = facts.profile.max_vfs.value) most = std::min(most, *limit);
  if (*nic.vfs > most)
    objections.add(nic.key + ".vfs", *nic.vfs, fmt::format("{} can have at most {}", facts.name(), most),
                   "the limit is sriov_totalvfs of the card; its firmware configuration may allow to raise it");
}

void object_to_eswitch(Objections& objections, const Nic& nic, const NicFacts& facts) {
  if (nic.eswitch != kernel::EswitchMode::switchdev) return;
  const bool cannot = facts.profile.switchdev.capability.support == Support::no;
  if (facts.eswitch && !cannot) return;
  objections.add(nic.key + ".eswitch", "\"switchdev\"",
                 fmt::format("{} ({}) has no eswitch", facts.name(), facts.profile.description()));
}

void object_to_driver(Objections& objections, const VfGroup& group, const NicFacts& facts) {
  const auto& drivers = facts.base.drivers;
  // One for user space is loaded when it is needed.
  if (group.driver == "netdev" || group.driver == "dpdk" || kernel::is_userspace_driver(group.driver)) return;
  if (std::find(drivers.begin(), drivers.end(), group.driver) != drivers.end()) return;
  std::vector<std::string_view> known(drivers.begin(), drivers.end());
  known.insert(known.end(), {"netdev", "dpdk", "vfio-pci", "uio_pci_generic", "igb_uio"});
  const auto meant = cni::meant_by(group.driver, known);
  objections.add(group.key + ".driver", "\"" + group.driver + "\"",
                 meant ? fmt::format("the kernel has no such PCI driver: is \"{}\" meant?", *meant)
                       : "the kernel has no such PCI driver",
                 fmt::format("load it first: modprobe {}", group.driver));
}

/// What only a NIC that DPDK drives by its kernel driver cannot be asked.
void object_to_verify(Objections& objections, const VfGroup& group, const NicFacts& facts) {
  if (group.verify != Verify::require) return;
  const std::string driver = driver_of(group, facts.profile);
  const bool for_dpdk = kernel::is_userspace_driver(driver) ? !facts.profile.dpdk_bifurcated.value
                                                            : driver == "netdev" && facts.profile.dpdk_bifurcated.value;
  if (for_dpdk) return;
  objections.add(group.key + ".verify", "\"require\"",
                 fmt::format("DPDK does not drive VFs of {} ({}) on driver \"{}\"", facts.name(),
                             facts.profile.description(), group.driver),
                 "\"driver\": \"dpdk\" is the one that it does");
}

void object_to_settings(Objections& objections, const VfGroup& group, const NicFacts& facts) {
  const vf::Settings& set = group.settings;
  if (set.trust) objections.ask(group.key + ".trust", hw::Attribute::trust, *set.trust, false);
  if (set.spoof_check) objections.ask(group.key + ".spoofchk", hw::Attribute::spoofchk, *set.spoof_check, false);
  if (set.min_tx_rate) objections.ask(group.key + ".minTxRate", hw::Attribute::min_tx_rate, *set.min_tx_rate, true);
  if (set.max_tx_rate) objections.ask(group.key + ".maxTxRate", hw::Attribute::max_tx_rate, *set.max_tx_rate, true);
  if (group.mtu) objections.ask(group.key + ".mtu", hw::Attribute::mtu, *group.mtu, true);
  if (group.macs.empty() && !group.stable_macs) return;
  objections.ask(group.key + ".macs", hw::Attribute::mac, 1, false);
  if (group.stable_macs && !mac_of(group, facts, 0))
    objections.add(group.key + ".macs", "\"stable\"",
                   fmt::format("{} has no permanent address to make them of", facts.name()));
}

/// A list of addresses, or a name, cannot be for two NICs.
void require_one_nic(NodePlan& plan, const Nic& nic, const std::string& first, const std::string& second) {
  if (!nic.alt_name.empty())
    plan.problems.push_back({fmt::format("{}: key \"{}.altName\" is one name, and {} chooses both {} and {}", nic.file,
                                         nic.key, nic.key, first, second),
                             "an entry for each NIC"});
  for (const VfGroup& group : nic.groups)
    if (!group.macs.empty())
      plan.problems.push_back({fmt::format("{}: key \"{}.macs\" is a list, and {} chooses both {} and {}", nic.file,
                                           group.key, nic.key, first, second),
                               "declare \"stable\", or an entry for each NIC"});
}

/// Which entry each NIC is for, by place in `facts`; nullptr: none.
std::vector<const Nic*> assign(NodePlan& plan, const Declaration& declaration, const std::vector<NicFacts>& facts) {
  std::vector<const Nic*> entries(facts.size(), nullptr);
  for (const Nic& nic : declaration.nics) {
    std::optional<std::string> first;
    for (std::size_t i = 0; i < facts.size(); ++i) {
      if (std::none_of(nic.selectors.begin(), nic.selectors.end(),
                       [&](const Selector& selector) { return matches(selector, facts[i]); }))
        continue;
      if (entries[i] != nullptr)
        plan.problems.push_back(
            {fmt::format("{}: {} is declared at {} already", nic.place(), facts[i].name(), entries[i]->place()),
             "one entry for each NIC"});
      if (first) require_one_nic(plan, nic, *first, facts[i].name());
      first = first.value_or(facts[i].name());
      entries[i] = &nic;
    }
    if (!first) plan.absent.push_back(&nic);
  }
  return entries;
}

}  // namespace

bool matches(const Selector& selector, const NicFacts& facts) {
  const auto& link = facts.pf().link;
  const auto has_alt_name = [&](const std::string& name) {
    return link && std::find(link->alt_names.begin(), link->alt_names.end(), name) != link->alt_names.end();
  };
  const auto& pci = facts.pf().pci;
  if (selector.pci && *selector.pci != pci.address) return false;
  if (selector.name && !(link && link->name == *selector.name) && !has_alt_name(*selector.name)) return false;
  if (selector.alt_name && !has_alt_name(*selector.alt_name)) return false;
  if (selector.device && *selector.device != hw::PciId{pci.vendor, pci.device}) return false;
  if (selector.mac && !(link && (link->perm_mac ? link->perm_mac : link->mac) == *selector.mac)) return false;
  if (selector.slot && *selector.slot != facts.slot) return false;
  return !selector.driver || *selector.driver == pci.driver;
}

std::vector<Problem> find_problems(const Nic& nic, const NicFacts& facts) {
  Objections objections(nic, facts);
  object_to_count(objections, nic, facts);
  object_to_eswitch(objections, nic, facts);
  for (const VfGroup& group : nic.groups) {
    object_to_driver(objections, group, facts);
    object_to_verify(objections, group, facts);
    object_to_settings(objections, group, facts);
  }
  return std::move(objections).take();
}

namespace {

/// A pool hands out devices of one kind: a netdev, or a device file.
void require_one_kind(NodePlan& plan, const NicPlan& added) {
  for (const NicPlan& other : plan.nics) {
    if (other.nic != added.nic) continue;
    for (std::size_t i = 0; i < added.drivers.size(); ++i) {
      const VfGroup& group = added.nic->groups[i];
      if (group.pool.empty() || other.drivers[i] == added.drivers[i]) continue;
      plan.problems.push_back(
          {fmt::format("{}: key \"{}.driver\" is \"{}\", which is {} on {} and {} on {}: not one pool", added.nic->file,
                       group.key, group.driver, other.drivers[i], other.name, added.drivers[i], added.name),
           "an entry for each family of NICs"});
    }
  }
}

}  // namespace

NodePlan plan_node(const Declaration& declaration, const std::vector<NicFacts>& facts) {
  NodePlan plan;
  const auto entries = assign(plan, declaration, facts);
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (entries[i] == nullptr) continue;
    const auto problems = find_problems(*entries[i], facts[i]);
    plan.problems.insert(plan.problems.end(), problems.begin(), problems.end());
    if (!problems.empty()) continue;
    NicPlan nic = plan_nic(*entries[i], facts[i]);
    require_one_kind(plan, nic);
    plan.nics.push_back(std::move(nic));
  }
  return plan;
}

std::string driver_of(const VfGroup& group, const hw::Profile& profile) {
  if (group.driver != "dpdk") return group.driver;
  const std::string driver = dpdk::driver_for_dpdk(profile);
  return driver.empty() ? "netdev" : driver;
}

MacAddress stable_mac(const MacAddress& pf, std::uint32_t id) {
  // A hash: the addresses of a card's ports follow each other, so a sum of address and number would meet its
  // neighbour's.
  const std::uint64_t hash = fnv1a(fmt::format("{} {}", pf.text(), id));
  std::array<std::uint8_t, 6> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i + 8));
  bytes[0] = static_cast<std::uint8_t>((bytes[0] | 0x02) & 0xfe);  // locally administered, of one device
  return MacAddress(bytes);
}

std::optional<MacAddress> mac_of(const VfGroup& group, const NicFacts& facts, std::uint32_t id) {
  if (group.stable_macs) {
    const auto& link = facts.pf().link;
    const auto own = link ? (link->perm_mac ? link->perm_mac : link->mac) : std::nullopt;
    return own ? std::optional(stable_mac(*own, id)) : std::nullopt;
  }
  std::size_t place = 0;
  for (const auto& [first, last] : group.ranges) {
    if (first <= id && id <= last)
      return place + (id - first) < group.macs.size() ? std::optional(group.macs[place + (id - first)]) : std::nullopt;
    place += last - first + 1;
  }
  return std::nullopt;
}

std::string pools_document(const Declaration& declaration, const NodePlan& plan) {
  boost::json::object pools;
  for (const Nic& nic : declaration.nics)
    for (const VfGroup& group : nic.groups) {
      boost::json::array vfs;
      std::string mode = "netdev";
      for (const NicPlan& each : plan.nics) {
        if (each.nic != &nic) continue;
        vfs.emplace_back(fmt::format("{}#{}", each.address, group.text()));
        const std::string& driver = each.drivers[static_cast<std::size_t>(&group - nic.groups.data())];
        if (kernel::is_userspace_driver(driver)) mode = driver;
      }
      if (group.pool.empty() || vfs.empty()) continue;
      pools[group.pool] = boost::json::object{{"vfs", std::move(vfs)}, {"driver", mode}};
    }
  boost::json::object document;
  if (!pools.empty()) document["pools"] = std::move(pools);
  if (!declaration.resources.empty()) document["resourceList"] = declaration.resources;
  return document.empty() ? std::string() : manager::pretty(document);
}

}  // namespace barewire::declared
