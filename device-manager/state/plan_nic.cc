// SPDX-License-Identifier: Apache-2.0
// The steps of one NIC. Whatever a killed run left is planned from as it is: no step relies on one that was done
// before.
#include <algorithm>
#include <array>

#include "device-manager/state/plan.h"

namespace barewire::declared {
namespace {

using kernel::EswitchMode;
using manager::ProvisionStep;
using manager::StepKind;
using Attribute = hw::Attribute;

/// One that every driver takes. spoofchk without a MAC drops everything (mlx5); trust last, since some PFs reset the VF
/// for it (i40e, ice). Source: core/vf/settings.cc.
constexpr std::array kOrder = {Attribute::mac, Attribute::spoofchk, Attribute::min_tx_rate, Attribute::max_tx_rate,
                               Attribute::trust};

std::string word(EswitchMode mode) {
  return mode == EswitchMode::switchdev ? "switchdev" : "legacy";
}
std::string word(bool on) {
  return on ? "on" : "off";
}
std::string or_none(const std::string& text) {
  return text.empty() ? "none" : text;
}

class Planner {
 public:
  Planner(const Nic& nic, const NicFacts& facts)
      : nic_(resolved(nic, facts.profile)),
        facts_(facts),
        pf_(facts.pf()),
        there_(static_cast<std::uint32_t>(pf_.vfs.size())),
        wanted_(nic.vfs.value_or(there_)) {
    plan_.nic = &nic;
    for (const VfGroup& group : nic_.groups) plan_.drivers.push_back(group.driver);
    plan_.address = pf_.pci.address;
    plan_.name = facts.name();
    mode_changes_ = nic.eswitch && facts.eswitch && *nic.eswitch != *facts.eswitch;
    remakes_ = wanted_ != there_ || mode_changes_;
  }

  NicPlan run() {
    plan_modules();
    plan_eswitch_and_count();
    plan_pf();
    require_replaceable();
    plan_carrier();
    for (std::uint32_t id = 0; id < wanted_; ++id) plan_vf(id);
    if (remakes_) tell_groups();
    if (!plan_.refusals.empty() || nic_.externally_managed) plan_.steps.clear();
    if (nic_.externally_managed) plan_.refusals.clear();
    return std::move(plan_);
  }

 private:
  void step(StepKind kind, std::uint32_t number = 0, std::uint32_t vf = 0, std::string text = {}) {
    plan_.steps.push_back({.kind = kind, .number = number, .vf = vf, .text = std::move(text)});
  }
  void change(std::string what, std::string now, std::string wanted) {
    plan_.changes.push_back({std::move(what), std::move(now), std::move(wanted)});
  }
  bool has_driver(const std::string& name) const {
    return std::find(facts_.base.drivers.begin(), facts_.base.drivers.end(), name) != facts_.base.drivers.end();
  }

  void plan_modules() {
    for (const VfGroup& group : nic_.groups) {
      const auto asked = std::any_of(plan_.steps.begin(), plan_.steps.end(),
                                     [&](const ProvisionStep& each) { return each.text == group.driver; });
      if (!kernel::is_userspace_driver(group.driver) || has_driver(group.driver) || asked) continue;
      step(StepKind::load_module, 0, 0, group.driver);
      change("kernel module " + group.driver, "none", "loaded");
    }
  }

  void plan_count() {
    if (wanted_ != there_) {
      // The PCI core changes a count only from or to zero (EBUSY); another bus need not.
      // Source: drivers/pci/iov.c sriov_numvfs_store.
      const bool through_zero = wanted_ == 0 || facts_.profile.vf_count_needs_zero.value;
      if (there_ != 0 && !removed_ && through_zero) step(StepKind::set_count, 0);
    }
    removed_ = removed_ || wanted_ != there_;
    if (!removed_ || wanted_ == 0) return;
    step(StepKind::set_count, wanted_);
    step(all_for_user_space() ? StepKind::wait_for_devices : StepKind::wait_for_netdevs, wanted_);
  }

  void plan_eswitch_and_count() {
    if (wanted_ != there_) change("VFs", fmt::format("{}", there_), fmt::format("{}", wanted_));
    if (!mode_changes_) return plan_count();
    change("eswitch", word(*facts_.eswitch), word(*nic_.eswitch));
    if (*nic_.eswitch == EswitchMode::legacy) {
      // Back is the same for all: drivers refuse, or crash firmware, with VFs whose representors are in use.
      if (there_ != 0) step(StepKind::set_count, 0);
      removed_ = true;
      step(StepKind::set_eswitch, 0, 0, "legacy");
      return plan_count();
    }
    for (const hw::SwitchdevStep each : switchdev_steps()) plan_switchdev(each);
  }

  std::vector<hw::SwitchdevStep> switchdev_steps() const {
    using enum hw::SwitchdevStep;
    const auto& known = facts_.profile.switchdev.steps.value;
    // Of a NIC that nobody knows: the order in which the fewest drivers refuse.
    return known.empty() ? std::vector{remove_vfs, switchdev, hw_tc_offload, create_vfs} : known;
  }

  void plan_switchdev(hw::SwitchdevStep each) {
    switch (each) {
      case hw::SwitchdevStep::remove_vfs:
        if (there_ != 0) step(StepKind::set_count, 0);
        removed_ = true;
        return;
      case hw::SwitchdevStep::legacy:
        return;  // as it is: only a NIC that is in legacy mode is brought to switchdev
      case hw::SwitchdevStep::create_vfs:
        return plan_count();
      case hw::SwitchdevStep::unbind_vfs:
        for (std::uint32_t id = 0; id < wanted_; ++id) step(StepKind::unbind_driver, 0, id);
        return;
      case hw::SwitchdevStep::switchdev:
        return step(StepKind::set_eswitch, 0, 0, "switchdev");
      case hw::SwitchdevStep::hw_tc_offload:
        return step(StepKind::set_hw_tc_offload);
      case hw::SwitchdevStep::bind_vfs:
        for (std::uint32_t id = 0; id < wanted_; ++id)
          if (const auto driver = driver_of(id)) step(StepKind::bind_driver, 0, id, *driver);
        return;
    }
  }

  static bool has_name(const kernel::Link& link, const std::string& name) {
    const auto& names = link.alt_names;
    return link.name == name || std::find(names.begin(), names.end(), name) != names.end();
  }

  /// Names that depend on no slot and no driver; a netdev that is bound anew is another one, without them.
  void plan_vf_name(std::uint32_t id, const vf::Vf* vf) {
    const VfGroup* group = nic_.group_of(id);
    if (nic_.alt_name.empty() || kernel::is_userspace_driver(group->driver)) return;
    const std::string name = fmt::format("{}v{}", nic_.alt_name, id);
    if (vf != nullptr && vf->link && has_name(*vf->link, name)) return;
    if (vf != nullptr) change(fmt::format("VF {} alternative name", id), "none", name);
    step(StepKind::name_vf, 0, id, name);
  }

  void plan_pf() {
    if (!pf_.link) return;
    if (!nic_.alt_name.empty() && !has_name(*pf_.link, nic_.alt_name)) {
      change("alternative name", "none", nic_.alt_name);
      step(StepKind::name_pf, 0, 0, nic_.alt_name);
    }
    if (nic_.mtu && *nic_.mtu != pf_.link->mtu) {
      change("MTU", fmt::format("{}", pf_.link->mtu), fmt::format("{}", *nic_.mtu));
      // Before the VFs': some PFs refuse their VFs an MTU above their own.
      step(StepKind::set_pf_mtu, *nic_.mtu);
      changes_pf_mtu_ = true;
    }
    if (!mode_changes_ && nic_.eswitch == EswitchMode::switchdev && facts_.hw_tc_offload == false) {
      change("hw-tc-offload", "off", "on");
      step(StepKind::set_hw_tc_offload);
    }
    if (wanted_ == 0 || pf_.link->is_up()) return;
    // VFs of a PF that is down have no carrier, and some drivers refuse what is set for them.
    change("link", "down", "up");
    step(StepKind::bring_up_pf);
  }

  void require_replaceable() {
    if (!remakes_ && !changes_pf_mtu_) return;
    const std::string doing = remakes_ ? "making its VFs anew" : "changing its MTU";
    const auto refuse = [&](const std::string& why) { plan_.refusals.push_back(fmt::format("{}: {}", doing, why)); };
    for (std::size_t i = 0; i < pf_.vfs.size() && remakes_; ++i)
      if (facts_.base.in_use[i]) refuse(fmt::format("VF {}: {}", pf_.vfs[i].id, *facts_.base.in_use[i]));
    if (facts_.base.default_route) refuse(*facts_.base.default_route);
    for (const std::string& each : facts_.obstacles) refuse(each);
  }

  /// Before what is set for VFs: igb takes rates only while its link is there.
  void plan_carrier() {
    if ((remakes_ || changes_pf_mtu_) && pf_.link && pf_.link->carrier) step(StepKind::wait_for_carrier);
  }

  /// The driver that VF `id` should have; nullopt: whichever it has, or its kernel driver is not known.
  std::optional<std::string> driver_of(std::uint32_t id) const {
    const VfGroup* group = nic_.group_of(id);
    if (group != nullptr && group->driver != "netdev") return group->driver;
    for (const std::string& each : facts_.profile.vf_drivers)
      if (has_driver(each)) return each;
    for (const vf::Vf& vf : pf_.vfs)
      if (!vf.pci.driver.empty() && !kernel::is_userspace_driver(vf.pci.driver)) return vf.pci.driver;
    return std::nullopt;
  }

  bool all_for_user_space() const {
    for (std::uint32_t id = 0; id < wanted_; ++id) {
      const VfGroup* group = nic_.group_of(id);
      if (group == nullptr || !kernel::is_userspace_driver(group->driver)) return false;
    }
    return true;
  }

  void plan_vf(std::uint32_t id) {
    const VfGroup* group = nic_.group_of(id);
    const vf::Vf* vf = remakes_ ? nullptr : &pf_.vfs[id];
    if (group == nullptr) {
      // A switch to switchdev that was killed half-way leaves VFs without a driver.
      if (vf != nullptr && vf->pci.driver.empty() && nic_.eswitch == EswitchMode::switchdev) plan_driver(id, vf);
      return;
    }
    const auto& in_use = facts_.base.in_use;
    if (vf != nullptr && in_use[id]) return plan_used_vf(*group, *vf, *in_use[id]);
    for (const Attribute each : kOrder) plan_attribute(*group, id, vf, each);
    plan_driver(id, vf);
    plan_mtu(*group, id, vf);
    plan_vf_name(id, vf);
  }

  /// Its holder was given it with settings of their own, and gives them back.
  void plan_used_vf(const VfGroup& group, const vf::Vf& vf, const std::string& why) {
    if (!is_other_driver(group, vf)) {
      plan_.kept.push_back(fmt::format("VF {}: {}", vf.id, why));
      return;
    }
    change(fmt::format("VF {} driver", vf.id), or_none(vf.pci.driver), group.driver);
    plan_.refusals.push_back(fmt::format("binding VF {} to {}: {}", vf.id, group.driver, why));
  }

  static bool is_other_driver(const VfGroup& group, const vf::Vf& vf) {
    if (group.driver != "netdev") return vf.pci.driver != group.driver;
    return vf.pci.driver.empty() || kernel::is_userspace_driver(vf.pci.driver);
  }

  void plan_driver(std::uint32_t id, const vf::Vf* vf) {
    const VfGroup* group = nic_.group_of(id);
    const std::string shown = group == nullptr ? "netdev" : group->driver;
    if (vf == nullptr && shown == "netdev") return;  // a new VF is the kernel's to bind
    if (vf != nullptr && group != nullptr && !is_other_driver(*group, *vf)) return;
    if (vf != nullptr) change(fmt::format("VF {} driver", id), or_none(vf->pci.driver), shown);
    if (const auto driver = driver_of(id)) return step(StepKind::bind_driver, 0, id, *driver);
    plan_.refusals.push_back(
        fmt::format("binding VF {} to netdev: the kernel's driver for VFs of this NIC is not known here", id));
  }

  void plan_mtu(const VfGroup& group, std::uint32_t id, const vf::Vf* vf) {
    const auto mtu = group.mtu ? group.mtu : nic_.mtu;
    if (!mtu || kernel::is_userspace_driver(group.driver)) return;
    if (vf != nullptr && vf->link && vf->link->mtu == *mtu) return;
    if (vf != nullptr && vf->link)
      change(fmt::format("VF {} MTU", id), fmt::format("{}", vf->link->mtu), fmt::format("{}", *mtu));
    step(StepKind::set_vf_mtu, *mtu, id);
  }

  void plan_attribute(const VfGroup& group, std::uint32_t id, const vf::Vf* vf, Attribute attribute) {
    const kernel::VfInfo* now = vf != nullptr && vf->info ? &*vf->info : nullptr;
    const vf::Settings& set = group.settings;
    if (vf != nullptr && now == nullptr) return;  // the PF tells nothing: there is nothing to compare with
    switch (attribute) {
      case Attribute::mac:
        return plan_mac(group, id, vf);
      case Attribute::trust:
        // A driver that does not tell of it has never had anything but off.
        return plan_flag(StepKind::set_trust, "trust", id, set.trust, now ? now->trust.value_or(false) : false);
      case Attribute::spoofchk:
        if (now != nullptr && !now->spoof_check) return;  // the driver does not tell
        return plan_flag(StepKind::set_spoofchk, "spoofchk", id, set.spoof_check,
                         now ? now->spoof_check : std::nullopt);
      case Attribute::min_tx_rate:
        return plan_rate(StepKind::set_min_rate, "min_tx_rate", id, set.min_tx_rate, now ? now->min_tx_rate : 0);
      case Attribute::max_tx_rate:
        return plan_rate(StepKind::set_max_rate, "max_tx_rate", id, set.max_tx_rate, now ? now->max_tx_rate : 0);
      default:
        return;
    }
  }

  void plan_flag(StepKind kind, const std::string& name, std::uint32_t id, std::optional<bool> wanted,
                 std::optional<bool> now) {
    if (!wanted || wanted == now) return;
    if (!remakes_) change(fmt::format("VF {} {}", id, name), now ? word(*now) : "unknown", word(*wanted));
    step(kind, *wanted ? 1 : 0, id);
  }

  void plan_rate(StepKind kind, const std::string& name, std::uint32_t id, std::optional<std::uint32_t> wanted,
                 std::uint32_t now) {
    if (!wanted || *wanted == now) return;
    if (!remakes_) change(fmt::format("VF {} {}", id, name), fmt::format("{}", now), fmt::format("{}", *wanted));
    step(kind, *wanted, id);
  }

  void plan_mac(const VfGroup& group, std::uint32_t id, const vf::Vf* vf) {
    const auto wanted = mac_of(group, facts_, id);
    if (!wanted) return;
    const bool on_netdev = vf == nullptr || !vf->link || vf->link->mac == *wanted;
    if (vf != nullptr && vf->info->mac == *wanted && on_netdev) return;
    if (vf != nullptr) {
      const auto& now = vf->info->mac == *wanted ? vf->link->mac : vf->info->mac;
      change(fmt::format("VF {} MAC address", id), now && !now->is_zero() ? now->text() : "none", wanted->text());
    }
    step(StepKind::set_vf_mac, 0, id, wanted->text());
  }

  /// VFs that are yet to be made differ in nothing by themselves: what they will be, group by group.
  void tell_groups() {
    for (const VfGroup& group : nic_.groups) {
      std::vector<std::string> parts{group.driver};
      if (const auto mtu = group.mtu ? group.mtu : nic_.mtu) parts.push_back(fmt::format("MTU {}", *mtu));
      if (group.stable_macs) parts.push_back("stable MACs");
      if (!group.macs.empty()) parts.push_back("declared MACs");
      if (group.settings.trust) parts.push_back("trust " + word(*group.settings.trust));
      if (group.settings.spoof_check) parts.push_back("spoofchk " + word(*group.settings.spoof_check));
      if (group.settings.min_tx_rate) parts.push_back(fmt::format("min_tx_rate {}", *group.settings.min_tx_rate));
      if (group.settings.max_tx_rate) parts.push_back(fmt::format("max_tx_rate {}", *group.settings.max_tx_rate));
      if (!group.pool.empty()) parts.push_back("pool " + group.pool);
      change("VFs " + group.text(), "none", fmt::format("{}", fmt::join(parts, ", ")));
    }
  }

  /// With the drivers that its groups mean on this NIC.
  static Nic resolved(Nic nic, const hw::Profile& profile) {
    for (VfGroup& group : nic.groups) group.driver = declared::driver_of(group, profile);
    return nic;
  }

  const Nic nic_;
  const NicFacts& facts_;
  const vf::Pf& pf_;
  std::uint32_t there_;   ///< VFs now
  std::uint32_t wanted_;  ///< VFs then
  bool mode_changes_ = false;
  bool remakes_ = false;  ///< every VF becomes another one, or loses its driver
  bool removed_ = false;  ///< by the steps so far
  bool changes_pf_mtu_ = false;
  NicPlan plan_;
};

}  // namespace

NicPlan plan_nic(const Nic& nic, const NicFacts& facts) {
  return Planner(nic, facts).run();
}

}  // namespace barewire::declared
