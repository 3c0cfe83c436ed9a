// SPDX-License-Identifier: Apache-2.0
// Only what a profile states as verified refuses; a wrong "no" would keep a working card from its pods.
#include "hw-profiles/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"

namespace barewire::hw {

namespace {

using Support = Capability::Support;

std::string key_of(const Requested& requested) {
  return requested.key.empty() ? std::string(attribute_name(requested.attribute)) : requested.key;
}

std::string_view unit_of(Attribute attribute) {
  if (attribute == Attribute::min_tx_rate || attribute == Attribute::max_tx_rate) return " Mb/s";
  return attribute == Attribute::mtu ? " bytes" : "";
}

bool known_impossible(const Capability& capability) {
  return capability.support == Support::no && capability.verified;
}

/// A zero that travels in the same request as a companion the NIC does support asks for nothing.
bool asks_for_nothing(const Profile& profile, const Requested& requested) {
  if (requested.number != 0) return false;
  switch (requested.attribute) {
    case Attribute::min_tx_rate:
      return !known_impossible(profile.capability(Attribute::max_tx_rate));
    case Attribute::max_tx_rate:
      return !known_impossible(profile.capability(Attribute::min_tx_rate));
    case Attribute::vlan_qos:
      return !known_impossible(profile.capability(Attribute::vlan));
    default:
      return false;
  }
}

std::string with_reason(std::string text, const std::string& note) {
  return note.empty() ? text : fmt::format("{}: {}", text, note);
}

/// The value is outside of what works.
std::optional<std::string> why_value_refused(const Profile& profile, const Requested& requested,
                                             const Capability& capability, const std::string& setting) {
  const std::string_view unit = unit_of(requested.attribute);
  const std::int64_t number = requested.number.value_or(0);
  if (number != 0 && capability.max && number > *capability.max)
    return with_reason(fmt::format("{} to {}{} is more than {} accepts, {}{}", setting, number, unit,
                                   profile.description(), *capability.max, unit),
                       capability.note);
  if (number != 0 && capability.min && number < *capability.min)
    return with_reason(fmt::format("{} to {}{} is less than {} accepts, {}{}", setting, number, unit,
                                   profile.description(), *capability.min, unit),
                       capability.note);
  const auto& values = capability.values;
  if (!values.empty() && std::find(values.begin(), values.end(), requested.value) == values.end())
    return with_reason(fmt::format("{} to \"{}\" is not supported by {}, which takes {}", setting, requested.value,
                                   profile.description(), fmt::join(values, " or ")),
                       capability.note);
  return std::nullopt;
}

/// A site's own file has an absolute path; a shipped one is copied rather than edited, to outlive an upgrade.
std::string way_to_correct(const Profile& profile) {
  if (profile.file.starts_with('/')) return fmt::format("correct {}", profile.file);
  return fmt::format("put a corrected copy of {} into /etc/barewire/hw-profiles", profile.file);
}

}  // namespace

std::optional<std::string> why_unsupported(const Profile& profile, const Requested& requested, const Target& target) {
  const Capability& capability = profile.capability(requested.attribute);
  if (!capability.verified || asks_for_nothing(profile, requested)) return std::nullopt;
  const std::string setting = fmt::format("setting {} on {} vf {}", key_of(requested), target.pf_address, target.vf);
  if (capability.support == Support::no)
    return with_reason(fmt::format("{} is not supported by {}", setting, profile.description()), capability.note);
  if (target.switchdev && !capability.in_switchdev)
    return with_reason(fmt::format("{} is not supported by {} in switchdev mode", setting, profile.description()),
                       capability.note);
  if (capability.needs_trust && !target.trusted && requested.value != "off")
    return with_reason(fmt::format("{} has no effect with {} unless the VF is trusted", setting, profile.description()),
                       capability.note);
  return why_value_refused(profile, requested, capability, setting);
}

void check_supported(const Profile& profile, const std::vector<Requested>& requested, const Target& target) {
  std::vector<std::string> reasons;
  std::vector<std::string> keys;
  std::vector<std::string> sources;
  for (const Requested& one : requested) {
    const auto reason = why_unsupported(profile, one, target);
    if (!reason) continue;
    reasons.push_back(*reason);
    keys.push_back(fmt::format("\"{}\"", key_of(one)));
    sources.push_back(profile.capability(one.attribute).source);
  }
  if (reasons.empty()) return;
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  throw Error(
      Error::Code::unsupported_by_nic, fmt::format("{}", fmt::join(reasons, "; ")),
      fmt::format("change or remove {} in the network config; if this NIC can do it after all, {} (what it says "
                  "is from {})",
                  fmt::join(keys, ", "), way_to_correct(profile), fmt::join(sources, "; ")));
}

}  // namespace barewire::hw
