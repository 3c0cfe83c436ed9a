// SPDX-License-Identifier: Apache-2.0
// Modes are as ovs-vswitchd.conf.db(5) has them; what ovs-cni's two keys mean in its words is decided here.
#include "ovs-plugin/vlan.h"

#include <algorithm>
#include <set>

namespace barewire::ovs {

namespace {

/// Open vSwitch takes all of them, though 802.1Q reserves the first and the last. Source: ovs-vswitchd.conf.db(5),
/// column tag.
constexpr std::int64_t kLargest = 4095;
constexpr const char* kMeaning = "a VLAN of Open vSwitch";
constexpr const char* kTrunkForm = "a list of {\"id\": VLAN} and {\"minID\": VLAN, \"maxID\": VLAN}";

void add_range(const JsonView& entry, std::set<std::int64_t>& vlans) {
  const auto first = entry.find("minID"), last = entry.find("maxID"), single = entry.find("id");
  if (!single && !first && !last) entry.reject(std::string("trunk parameter is misconfigured: ") + kTrunkForm);
  if (static_cast<bool>(first) != static_cast<bool>(last)) entry.reject("both minID and maxID, or neither");
  if (single) vlans.insert(single->integer(0, kLargest, kMeaning));
  if (!first) return;
  const std::int64_t from = first->integer(0, kLargest, kMeaning), to = last->integer(0, kLargest, kMeaning);
  if (from > to) entry.reject("a minID that is not above maxID");
  for (std::int64_t vlan = from; vlan <= to; ++vlan) vlans.insert(vlan);
}

std::vector<std::int64_t> parse_trunk(const JsonView& trunk) {
  std::set<std::int64_t> vlans;
  for (const JsonView& entry : trunk.array(kTrunkForm)) add_range(entry, vlans);
  if (vlans.empty()) trunk.reject("at least one VLAN; without the key all pass");
  return {vlans.begin(), vlans.end()};
}

std::string default_mode(const Vlan& vlan, bool has_trunk) {
  // As ovs-vswitchd chooses where vlan_mode is empty, but for a tag with trunks: there the peer means native-untagged.
  if (!vlan.tag) return "trunk";
  return has_trunk ? "native-untagged" : "access";
}

/// What each mode needs besides. Source: ovs-vswitchd.conf.db(5), column vlan_mode.
void require_fitting(const JsonView& mode, const Vlan& vlan, bool has_trunk) {
  static constexpr std::string_view kModes[] = {"access", "trunk", "native-untagged", "native-tagged", "dot1q-tunnel"};
  if (std::find(std::begin(kModes), std::end(kModes), vlan.mode) == std::end(kModes))
    mode.reject("access, trunk, native-untagged, native-tagged or dot1q-tunnel");
  if (vlan.mode != "trunk" && !vlan.tag) mode.reject("a mode without a VLAN of its own (trunk), or the key \"vlan\"");
  if (vlan.mode == "trunk" && vlan.tag) mode.reject("a native mode, since the key \"vlan\" is given");
  if (vlan.mode == "access" && has_trunk) mode.reject("a trunk or native mode, since the key \"trunk\" is given");
}

std::string parse_ethertype(const LayeredConfig& config, const Vlan& vlan) {
  const auto found = config.find("qinq_ethtype");
  if (!found) return {};
  const std::string text = found->string();
  if (text != "802.1q" && text != "802.1ad") found->reject("802.1q or 802.1ad");
  if (vlan.mode != "dot1q-tunnel") found->reject("no such key unless vlan_mode is dot1q-tunnel");
  return text;
}

ovsdb::Value set_of(const std::vector<std::int64_t>& vlans) {
  return ovsdb::Value(ovsdb::Set(vlans.begin(), vlans.end()));
}

}  // namespace

Vlan parse_vlan(const LayeredConfig& config) {
  Vlan vlan;
  if (const auto tag = config.find("vlan")) vlan.tag = tag->integer(0, kLargest, kMeaning);
  const auto trunk = config.find("trunk");
  if (trunk) vlan.trunks = parse_trunk(*trunk);
  vlan.mode = default_mode(vlan, trunk.has_value());
  if (const auto mode = config.find("vlan_mode")) {
    vlan.mode = mode->string();
    require_fitting(*mode, vlan, trunk.has_value());
  }
  vlan.qinq_ethertype = parse_ethertype(config, vlan);
  return vlan;
}

void put_columns(const Vlan& vlan, ovsdb::Row& port) {
  const bool tunnel = vlan.mode == "dot1q-tunnel";
  port.set("vlan_mode", vlan.mode);
  port.set("tag", vlan.tag ? ovsdb::Value(*vlan.tag) : ovsdb::Value());
  // Each column is written, empty ones too: CHECK compares all of them. A tunnel's list of inner VLANs is cvlans.
  port.set("trunks", tunnel ? ovsdb::Value() : set_of(vlan.trunks));
  port.set("cvlans", tunnel ? set_of(vlan.trunks) : ovsdb::Value());
}

}  // namespace barewire::ovs
