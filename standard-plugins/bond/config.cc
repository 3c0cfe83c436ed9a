// SPDX-License-Identifier: Apache-2.0
// Numbers of modes and policies are the kernel's, names those of the bonding documentation.
#include "standard-plugins/bond/config.h"

#include <fmt/ranges.h>
#include <linux/if_link.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "core/kernel/attributes.h"

namespace barewire::standard {

namespace {

/// The numbers are the positions. Source: bonding.rst, "mode" and "xmit_hash_policy".
constexpr std::array<std::string_view, 7> kModes = {"balance-rr", "active-backup", "balance-xor", "broadcast",
                                                    "802.3ad",    "balance-tlb",   "balance-alb"};
constexpr std::array<std::string_view, 6> kPolicies = {"layer2",   "layer3+4", "layer2+3",
                                                       "encap2+3", "encap3+4", "vlan+srcmac"};
constexpr std::uint8_t kTlb = 5, kAlb = 6;

std::uint8_t parse_name(const JsonView& key, std::span<const std::string_view> names) {
  const std::string given = key.string();
  const auto found = std::find(names.begin(), names.end(), given);
  if (found == names.end()) key.reject(fmt::format("one of {}", fmt::join(names, ", ")));
  return static_cast<std::uint8_t>(found - names.begin());
}

/// The reference plugin wants a string; a number says the same.
std::uint32_t parse_miimon(const JsonView& key) {
  constexpr std::int64_t kLongest = INT32_MAX;
  constexpr const char* kMeaning = "a number of milliseconds";
  if (!key.is_string()) return static_cast<std::uint32_t>(key.integer(0, kLongest, kMeaning));
  const std::string text = key.string();
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kLongest) key.reject(kMeaning);
  return value;
}

std::optional<std::uint8_t> parse_switch(const JsonView& root, std::string_view name) {
  const auto key = root.find(name);
  if (!key) return std::nullopt;
  return static_cast<std::uint8_t>(key->integer(0, 1, "0 or 1"));
}

BondSettings parse_settings(const JsonView& root) {
  BondSettings settings;
  settings.mode = parse_name(root.at("mode"), kModes);
  settings.miimon = parse_miimon(root.at("miimon"));
  settings.fail_over_mac =
      static_cast<std::uint8_t>(root.integer_or("failOverMac", 0, 2, "0 (none), 1 (active) or 2 (follow)", 0));
  settings.all_slaves_active = parse_switch(root, "allSlavesActive");
  settings.tlb_dynamic_lb = parse_switch(root, "tlbDynamicLb");
  // The kernel refuses it in other modes, with less to go by.
  if (settings.tlb_dynamic_lb && settings.mode != kTlb && settings.mode != kAlb)
    root.at("tlbDynamicLb").reject("no value, unless mode is balance-tlb or balance-alb");
  if (const auto policy = root.find("xmitHashPolicy"); policy && !policy->string().empty())
    settings.xmit_hash_policy = parse_name(*policy, kPolicies);
  return settings;
}

std::vector<std::string> parse_links(const JsonView& key) {
  std::vector<std::string> names;
  for (const JsonView& link : key.array("a list of at least two links, each with a name")) {
    const JsonView name = link.at("name");
    if (name.string().empty()) name.reject("the name of an interface");
    if (std::find(names.begin(), names.end(), name.string()) != names.end()) name.reject("an interface named once");
    names.push_back(name.string());
  }
  // The reference plugin's rule: a bond of one link is a slip.
  if (names.size() < 2) key.reject("a list of at least two links, each with a name");
  return names;
}

template <typename Value>
void compare_one(std::vector<std::string>& clauses, const kernel::NlAttributes& data, int attribute, const char* what,
                 const std::optional<Value>& wanted) {
  const auto present = data.value<Value>(attribute);
  if (wanted && present != wanted)
    clauses.push_back(fmt::format("its {} is {}, not {}", what, present.value_or(0), *wanted));
}

}  // namespace

void BondSettings::write(kernel::NlMessage& data) const {
  data.put_u8(IFLA_BOND_MODE, mode).put_u32(IFLA_BOND_MIIMON, miimon);
  data.put_u8(IFLA_BOND_FAIL_OVER_MAC, fail_over_mac);
  if (all_slaves_active) data.put_u8(IFLA_BOND_ALL_SLAVES_ACTIVE, *all_slaves_active);
  if (tlb_dynamic_lb) data.put_u8(IFLA_BOND_TLB_DYNAMIC_LB, *tlb_dynamic_lb);
  if (xmit_hash_policy) data.put_u8(IFLA_BOND_XMIT_HASH_POLICY, *xmit_hash_policy);
}

std::vector<std::string> BondSettings::compare(const kernel::NlAttributes& data) const {
  std::vector<std::string> clauses;
  compare_one(clauses, data, IFLA_BOND_MODE, "mode", std::optional(mode));
  compare_one(clauses, data, IFLA_BOND_MIIMON, "miimon", std::optional(miimon));
  compare_one(clauses, data, IFLA_BOND_FAIL_OVER_MAC, "fail_over_mac", std::optional(fail_over_mac));
  compare_one(clauses, data, IFLA_BOND_ALL_SLAVES_ACTIVE, "all_slaves_active", all_slaves_active);
  compare_one(clauses, data, IFLA_BOND_TLB_DYNAMIC_LB, "tlb_dynamic_lb", tlb_dynamic_lb);
  compare_one(clauses, data, IFLA_BOND_XMIT_HASH_POLICY, "xmit_hash_policy", xmit_hash_policy);
  return clauses;
}

BondConfig BondConfig::parse(const JsonView& root) {
  constexpr std::int64_t kLeast = 68, kLargest = 65535;  // RFC 791
  BondConfig config;
  config.settings = parse_settings(root);
  config.links = parse_links(root.at("links"));
  config.in_container = root.boolean_or("linksInContainer", false);
  if (const auto mtu = root.find("mtu"))
    if (const auto value = mtu->integer(0, kLargest, "an MTU in bytes"); value != 0) {
      if (value < kLeast) mtu->reject("an MTU of at least 68 bytes");
      config.mtu = static_cast<std::uint32_t>(value);
    }
  return config;
}

}  // namespace barewire::standard
