// SPDX-License-Identifier: Apache-2.0
// The NICs are named by PCI address in what comes out: names change with the eswitch mode, and the declaration has to
// hold at boot, when no API server tells.
#include "device-manager/cluster/translate.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <functional>

#include "hw-profiles/profile.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;
using declared::NicFacts;
using declared::Problem;
using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

bool has_name(const NicFacts& facts, const std::string& name) {
  const auto& link = facts.pf().link;
  return link && (link->name == name || std::count(link->alt_names.begin(), link->alt_names.end(), name) != 0);
}

/// One policy on one NIC.
struct Part {
  const Policy* policy = nullptr;
  Ranges ranges;

  std::string text() const {
    std::vector<std::string> parts;
    for (const auto& [first, last] : ranges)
      parts.push_back(first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last));
    return fmt::format("{}", fmt::join(parts, ","));
  }
  bool overlaps(const Part& other) const {
    return std::any_of(ranges.begin(), ranges.end(), [&](const auto& mine) {
      return std::any_of(other.ranges.begin(), other.ranges.end(), [&](const auto& theirs) {
        return mine.first <= theirs.second && theirs.first <= mine.second;
      });
    });
  }
};

/// Without VF numbers behind the PF's name: all of those that the policy asks for.
Part part_of(const Policy& policy, const NicFacts& facts) {
  for (const vf::VfRange& each : policy.nics.pf_names)
    if (has_name(facts, each.pf) && !each.ranges.empty()) return {&policy, each.ranges};
  return {&policy, {{0, policy.vfs - 1}}};
}

/// The policies of one NIC, from the one that wins downwards.
class Merge {
 public:
  Merge(const NicFacts& facts, std::vector<Problem>& problems) : facts_(facts), problems_(problems) {}

  void add(const Policy& policy) {
    Part part = part_of(policy, facts_);
    bool yields = false;
    for (const Part& other : parts_) {
      const bool equals = other.policy->priority == policy.priority;
      if (equals) require_agreement(*other.policy, policy);
      if (!part.overlaps(other)) continue;
      yields = true;
      if (equals)
        fight(*other.policy, policy,
              fmt::format("both want VFs of {}, {} and {}", facts_.name(), other.text(), part.text()));
    }
    if (yields) return;
    vfs_ = std::max(vfs_, policy.vfs);
    if (policy.mtu) mtu_ = std::max(mtu_.value_or(0), *policy.mtu);
    parts_.push_back(std::move(part));
  }

  bool is_empty() const { return parts_.empty(); }
  const std::vector<Part>& parts() const { return parts_; }

  Wanted::Entry entry() const {
    const Policy& first = *parts_.front().policy;
    json::object nic{
        {"select", json::object{{"pci", facts_.pf().pci.address}}}, {"vfs", vfs_}, {"eswitch", first.eswitch}};
    if (mtu_) nic["mtu"] = *mtu_;
    if (first.externally_managed) nic["externallyManaged"] = true;
    json::array groups;
    std::vector<std::string> origins;
    for (const Part& each : parts_) {
      json::object group{{"vfs", each.text()}, {"driver", each.policy->driver}};
      if (each.policy->mtu && each.policy->driver == "netdev") group["mtu"] = *each.policy->mtu;
      groups.emplace_back(std::move(group));
      origins.push_back(title(*each.policy));
    }
    nic["groups"] = std::move(groups);
    return {fmt::format("{}", fmt::join(origins, ", ")), std::move(nic)};
  }

 private:
  void fight(const Policy& a, const Policy& b, const std::string& about) {
    problems_.push_back(
        {fmt::format("{} and {} have priority {} and contradict each other: {}", title(a), title(b), a.priority, about),
         "give one of them another priority: 0 wins over 99"});
  }
  /// What is of the NIC as a whole.
  void require_agreement(const Policy& a, const Policy& b) {
    if (a.eswitch != b.eswitch)
      fight(a, b, fmt::format("eSwitchMode of {} is {} and {}", facts_.name(), a.eswitch, b.eswitch));
    if (a.externally_managed != b.externally_managed)
      fight(a, b, fmt::format("externallyManaged of {} is true and false", facts_.name()));
    if (a.link_type != b.link_type && !a.link_type.empty() && !b.link_type.empty())
      fight(a, b, fmt::format("linkType of {} is {} and {}", facts_.name(), a.link_type, b.link_type));
  }

  const NicFacts& facts_;
  std::vector<Problem>& problems_;
  std::vector<Part> parts_;
  std::uint32_t vfs_ = 0;
  std::optional<std::uint32_t> mtu_;
};

/// The link type is in the card's firmware, which nobody changes while pods run.
void require_link_type(std::vector<Problem>& problems, const Policy& policy, const NicFacts& facts) {
  constexpr std::uint16_t kInfiniband = 32;  // ARPHRD_INFINIBAND
  if (policy.link_type.empty() || !facts.pf().link) return;
  const std::string now = facts.pf().link->arp_type == kInfiniband ? "ib" : "eth";
  if (now == policy.link_type) return;
  problems.push_back(
      {fmt::format("{}: key \"spec.linkType\" is \"{}\"; {} is {}", title(policy), policy.link_type, facts.name(), now),
       "Barewire does not change a card's firmware: mlxconfig sets LINK_TYPE_P1, then reboot"});
}

/// Resources by name, and who wants them how.
class Resources {
 public:
  Resources(std::string prefix, std::vector<Problem>& problems) : prefix_(std::move(prefix)), problems_(problems) {}

  void add(const Part& part, const std::string& address) {
    const Policy& policy = *part.policy;
    const auto found = std::find_if(list_.begin(), list_.end(),
                                    [&](const Resource& each) { return each.first->resource == policy.resource; });
    Resource& resource = found == list_.end() ? list_.emplace_back(Resource{&policy, {}}) : *found;
    require_agreement(*resource.first, policy);
    json::object selector{{"rootDevices", json::array{fmt::format("{}#{}", address, part.text())}}};
    if (policy.driver != "netdev") selector["drivers"] = json::array{json::value(policy.driver)};
    if (policy.rdma) selector["isRdma"] = true;
    if (policy.vhost_net) selector["needVhostNet"] = true;
    resource.selectors.emplace_back(std::move(selector));
  }

  json::array take() && {
    json::array result;
    for (Resource& each : list_) {
      json::object resource{{"resourceName", each.first->resource}, {"resourcePrefix", prefix_}};
      if (each.first->exclude_topology) resource["excludeTopology"] = true;
      resource["selectors"] = std::move(each.selectors);
      result.emplace_back(std::move(resource));
    }
    return result;
  }

 private:
  struct Resource {
    const Policy* first;
    json::array selectors;
  };
  void require_agreement(const Policy& a, const Policy& b) {
    const auto tell = [&](const std::string& about, const std::string& hint) {
      std::string text =
          fmt::format("{} and {} contradict each other about resource {}: {}", title(a), title(b), a.resource, about);
      const auto is_told = [&](const Problem& each) { return each.text == text; };
      if (std::none_of(problems_.begin(), problems_.end(), is_told)) problems_.push_back({std::move(text), hint});
    };
    if (a.driver != b.driver)
      tell(fmt::format("deviceType is {} and {}", a.driver, b.driver), "a resource is of one kind: name another");
    if (a.exclude_topology != b.exclude_topology) tell("excludeTopology is true and false", "set it alike in both");
  }

  std::string prefix_;
  std::vector<Problem>& problems_;
  std::vector<Resource> list_;
};

}  // namespace

bool is_for(const Policy& policy, const NicFacts& facts) {
  const NicSelector& nics = policy.nics;
  const auto& pci = facts.pf().pci;
  const auto hex = [](std::uint16_t id) { return fmt::format("{:04x}", id); };
  if (!nics.net_filter.empty()) return false;
  if (!nics.vendor.empty() && nics.vendor != hex(pci.vendor)) return false;
  if (!nics.device.empty() && nics.device != hex(pci.device)) return false;
  const auto& roots = nics.root_devices;
  if (!roots.empty() && std::find(roots.begin(), roots.end(), pci.address) == roots.end()) return false;
  return nics.pf_names.empty() || std::any_of(nics.pf_names.begin(), nics.pf_names.end(),
                                              [&](const vf::VfRange& each) { return has_name(facts, each.pf); });
}

Wanted translate(std::vector<Policy> policies, const std::vector<NicFacts>& facts, const std::string& prefix) {
  // A policy without VFs says nothing, as the operator has it: its NICs are those of other policies, or of none.
  std::erase_if(policies, [](const Policy& each) { return each.vfs == 0; });
  std::sort(policies.begin(), policies.end(), [](const Policy& a, const Policy& b) {
    return std::tie(a.priority, a.name) < std::tie(b.priority, b.name);
  });
  Wanted wanted;
  Resources resources(prefix, wanted.problems);
  for (const NicFacts& nic : facts) {
    Merge merge(nic, wanted.problems);
    for (const Policy& each : policies)
      if (is_for(each, nic)) merge.add(each);
    if (merge.is_empty()) continue;
    require_link_type(wanted.problems, *merge.parts().front().policy, nic);
    for (const Part& each : merge.parts()) resources.add(each, nic.pf().pci.address);
    wanted.entries.push_back(merge.entry());
  }
  wanted.resources = std::move(resources).take();
  return wanted;
}

}  // namespace barewire::cluster
