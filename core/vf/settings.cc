// SPDX-License-Identifier: Apache-2.0
// Comparing leaves out what nobody asked for: other tools may have changed it, and that is their right.
#include "core/vf/settings.h"

#include "core/kernel/pci.h"

namespace barewire::vf {

namespace {

using kernel::VfChange;
using kernel::VfInfo;

VfChange::Vlan vlan_of(const VfInfo& info) {
  return {info.vlan, info.qos, info.vlan_proto};
}

/// Each attribute as a change of its own, in the order they are sent: a driver that is busy after one is asked again
/// for the next alone. Both rates travel in one request.
std::vector<VfChange> one_by_one(const VfChange& change) {
  std::vector<VfChange> changes;
  const auto add = [&](auto member) {
    if (!(change.*member)) return;
    // One request with several attributes would leave the first ones set when a later one is refused, and not say
    // which.
    changes.emplace_back().*member = change.*member;
  };
  // The order that every driver takes. MAC before spoofchk: without a valid MAC mlx5 drops everything then
  // (mlx5_esw_set_vport_mac_locked).
  add(&VfChange::mac);
  add(&VfChange::vlan);
  add(&VfChange::spoof_check);
  if (change.min_tx_rate || change.max_tx_rate) {
    VfChange& rates = changes.emplace_back();
    rates.min_tx_rate = change.min_tx_rate;
    rates.max_tx_rate = change.max_tx_rate;
  }
  add(&VfChange::link_state);
  add(&VfChange::query_rss);
  // Trust last: some PFs reset the VF for it (i40e, ice), and a setting that comes then meets a VF that is away. And a
  // VF that is no longer trusted may not leave a MAC that the PF set (igb_set_vf_mac_addr, ice_can_vf_change_mac).
  add(&VfChange::trust);
  return changes;
}

void send(Host& host, const PfPort& pf, std::uint32_t id, const VfChange& change, const Habits& habits) {
  for (const VfChange& single : one_by_one(change))
    with_retries(habits, [&] { kernel::change_vf(host.socket, pf.index, pf.name, id, single); });
}

/// `wanted` unless it is `now` already.
template <typename T, typename Now>
std::optional<T> unless_equal(const std::optional<T>& wanted, const Now& now) {
  return wanted && *wanted != now ? wanted : std::nullopt;
}
template <typename T>
std::optional<T> unless_equal(const std::optional<T>& wanted, const std::optional<T>& now) {
  return wanted && wanted != now ? wanted : std::nullopt;
}

std::string shown(const VfChange::Vlan& vlan) {
  std::string text = fmt::format("{}", vlan.id);
  if (vlan.qos != 0) text += fmt::format(" with priority {}", vlan.qos);
  if (vlan.proto != kernel::VlanProto::dot1q) text += fmt::format(" {}", word(vlan.proto));
  return text;
}
std::string shown(bool on) {
  return on ? "on" : "off";
}
std::string shown(std::uint32_t number) {
  return fmt::format("{}", number);
}
std::string shown(kernel::VfLinkState state) {
  return std::string(word(state));
}
std::string shown(const MacAddress& mac) {
  return mac.text();
}

/// Collects the attributes that differ.
class Comparison {
 public:
  template <typename T>
  void compare(const char* attribute, const T& now, const T& expected, bool asked_for,
               std::optional<T> VfChange::*remedy) {
    if (now == expected) return;
    Difference& difference = differences_.emplace_back();
    difference.text = asked_for ? fmt::format("{} is {}, ADD set {}", attribute, shown(now), shown(expected))
                                : fmt::format("{} is {}, was {} at ADD", attribute, shown(now), shown(expected));
    difference.remedy.*remedy = expected;
  }
  template <typename T>
  void compare(const char* attribute, const std::optional<T>& now, const std::optional<T>& expected, bool asked_for,
               std::optional<T> VfChange::*remedy) {
    if (now && expected) compare(attribute, *now, *expected, asked_for, remedy);
  }
  std::vector<Difference> differences() && { return std::move(differences_); }

 private:
  std::vector<Difference> differences_;
};

}  // namespace

std::optional<PfPort> find_pf_port(Host& host, const std::string& pf_address) {
  const auto name = kernel::find_uplink(host.sysfs, pf_address);
  const auto link = name ? kernel::find_link(host.socket, *name) : std::nullopt;
  if (!link) return std::nullopt;
  return PfPort{link->index, link->name};
}

state::FileLock lock_device(const state::Store& store, const kernel::Sysfs& sysfs, const std::string& device) {
  const auto place = kernel::find_vf_place(sysfs, device);
  return store.lock_device(place ? place->pf_address : device);
}

state::FileLock lock_pf(const Host& host, const std::string& pf_address) {
  return host.store.lock_device(pf_address);
}

void apply_admin(Host& host, const PfPort& pf, const VfInfo& current, const Settings& settings, const Habits& habits) {
  VfChange change;
  change.vlan = unless_equal(settings.vlan, vlan_of(current));
  change.spoof_check = unless_equal(settings.spoof_check, current.spoof_check);
  // A driver that does not tell of one of these two has never had anything but off, and auto.
  change.trust = unless_equal(settings.trust, std::optional(current.trust.value_or(false)));
  change.min_tx_rate = unless_equal(settings.min_tx_rate, current.min_tx_rate);
  change.max_tx_rate = unless_equal(settings.max_tx_rate, current.max_tx_rate);
  change.link_state =
      unless_equal(settings.link_state, std::optional(current.link_state.value_or(kernel::VfLinkState::automatic)));
  send(host, pf, current.id, change, habits);
}

kernel::VfChange restore_admin(Host& host, const PfPort& pf, const VfInfo& original, const Habits& habits) {
  const auto now = kernel::find_vf(host.socket, pf.index, original.id);
  if (!now) return {};  // the VF is gone, and its settings with it
  VfChange change;
  change.vlan = unless_equal(std::optional(vlan_of(original)), vlan_of(*now));
  change.spoof_check = unless_equal(original.spoof_check, now->spoof_check);
  change.trust = unless_equal(original.trust, now->trust);
  if (original.min_tx_rate != now->min_tx_rate) change.min_tx_rate = original.min_tx_rate;
  if (original.max_tx_rate != now->max_tx_rate) change.max_tx_rate = original.max_tx_rate;
  change.link_state = unless_equal(original.link_state, now->link_state);
  change.query_rss = unless_equal(original.query_rss, now->query_rss);
  send(host, pf, original.id, change, habits);
  return change;
}

std::vector<Difference> compare_admin(const VfInfo& now, const VfInfo& expected, const Settings& settings) {
  Comparison comparison;
  if (settings.mac) comparison.compare("admin MAC", now.mac, expected.mac, true, &VfChange::mac);
  comparison.compare("vlan", vlan_of(now), vlan_of(expected), settings.vlan.has_value(), &VfChange::vlan);
  comparison.compare("spoofchk", now.spoof_check, expected.spoof_check, settings.spoof_check.has_value(),
                     &VfChange::spoof_check);
  comparison.compare("trust", now.trust, expected.trust, settings.trust.has_value(), &VfChange::trust);
  comparison.compare("min_tx_rate", now.min_tx_rate, expected.min_tx_rate, settings.min_tx_rate.has_value(),
                     &VfChange::min_tx_rate);
  comparison.compare("max_tx_rate", now.max_tx_rate, expected.max_tx_rate, settings.max_tx_rate.has_value(),
                     &VfChange::max_tx_rate);
  comparison.compare("link_state", now.link_state, expected.link_state, settings.link_state.has_value(),
                     &VfChange::link_state);
  return std::move(comparison).differences();
}

}  // namespace barewire::vf
