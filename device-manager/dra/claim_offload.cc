// SPDX-License-Identifier: Apache-2.0
// A look finds the flows of one moment. What is said of a claim is what several looks found, so that a flow that the
// driver takes a little later is not two writes to the API server.
#include "device-manager/dra/claim_offload.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "core/state/allocation.h"

namespace barewire::dra {
namespace {

/// The daemon has claims to serve; what is not told now is told at the next look.
constexpr std::chrono::seconds kPatience{1};

OffloadVerdict in_software(const std::string& port, const manager::PortOffload& offload) {
  // As manager::why_in_software tells them apart.
  const char* reason = !offload.representor ? "NoSwitchPort" : offload.skipped > 0 ? "MarkedSkipHw" : "DriverRefused";
  return {"False", reason,
          fmt::format("not all flows of port {} are in hardware: {}", port, manager::why_in_software(offload))};
}

/// By VF's address.
std::map<std::string, std::string> representors_of(const Scan& scan) {
  std::map<std::string, std::string> result;
  for (const Offer& offer : scan.offers) {
    const auto facts = scan.facts.find(parent_of(offer.device));
    if (facts == scan.facts.end() || offer.device.number < 0) continue;
    const auto found = facts->second.representors.find(static_cast<std::uint32_t>(offer.device.number));
    if (found != facts->second.representors.end()) result[offer.device.id] = found->second;
  }
  return result;
}

bool is_of(const manager::PortEntry& port, const state::Attachment& attachment, const std::string& representor) {
  // A record is of the plugin that the runtime called, a port of the one that made it: one name, container and
  // interface are one attachment.
  if (port.owner && port.owner->id.network == attachment.id.network &&
      port.owner->id.container_id == attachment.id.container_id && port.owner->id.ifname == attachment.id.ifname)
    return true;
  return !representor.empty() &&
         std::find(port.interfaces.begin(), port.interfaces.end(), representor) != port.interfaces.end();
}

}  // namespace

std::optional<OffloadVerdict> judge_port(const manager::SwitchSnapshot& snapshot, const manager::BridgeEntry& bridge,
                                         const manager::PortEntry& port) {
  if (!snapshot.hw_offload)
    return OffloadVerdict{"False", "OffloadIsOff", "the switch is not told to offload: other_config:hw-offload"};
  if (bridge.datapath == "netdev")
    return OffloadVerdict{
        "Unknown", "UserspaceDatapath",
        fmt::format("bridge {} has the userspace datapath, whose flows the kernel does not know", bridge.name)};
  if (!port.offload || port.offload->flows == 0) return std::nullopt;
  if (port.offload->in_hardware < port.offload->flows) return in_software(port.name, *port.offload);
  return OffloadVerdict{"True", "InHardware", fmt::format("all flows of port {} are in hardware", port.name)};
}

std::map<std::string, std::optional<OffloadVerdict>> judge_devices(
    const manager::SwitchSnapshot& snapshot, const std::map<std::string, state::Attachment>& attachments,
    const Scan& scan) {
  std::map<std::string, std::optional<OffloadVerdict>> result;
  const auto representors = representors_of(scan);
  for (const auto& [device, attachment] : attachments) {
    const auto found = representors.find(device);
    const std::string representor = found == representors.end() ? "" : found->second;
    for (const manager::BridgeEntry& bridge : snapshot.bridges)
      for (const manager::PortEntry& port : bridge.ports)
        if (is_of(port, attachment, representor)) result[device] = judge_port(snapshot, bridge, port);
  }
  return result;
}

void OffloadWatch::look(const ovsdb::Endpoint& database, const std::map<std::string, state::Attachment>& attachments,
                        const Scan& scan, Time now) {
  if (attachments.empty()) return note({}, now, "");
  if (looked_ && now - *looked_ < kBetween) return;
  looked_ = now;
  if (::access(database.address.c_str(), F_OK) != 0) return note({}, now, "");
  try {
    note(judge_devices(manager::take_switch_snapshot(database, kPatience), attachments, scan), now, state::now_text());
  } catch (const Error&) {
    return;  // not known is no news; metrics and doctor tell of the switch
  }
}

void OffloadWatch::note(const std::map<std::string, std::optional<OffloadVerdict>>& seen, Time now,
                        const std::string& time) {
  const auto is_gone = [&](const auto& each) { return !seen.contains(each.first); };
  std::erase_if(conditions_, is_gone);
  std::erase_if(others_, is_gone);
  for (const auto& [device, verdict] : seen) {
    const auto known = conditions_.find(device);
    if (known == conditions_.end()) {
      conditions_[device] = {verdict.value_or(OffloadVerdict{"Unknown", "NoFlows", "no flow has been seen yet"}), time};
      continue;
    }
    OffloadCondition& said = known->second;
    if (!verdict) continue;
    if (*verdict == said.verdict) {
      others_.erase(device);
      continue;
    }
    const auto other = others_.find(device);
    if (other == others_.end() || other->second.verdict != *verdict) others_[device] = {*verdict, now};
    // The first that is known at all waits for nothing.
    if (said.verdict.reason != "NoFlows" && now - others_[device].first < kSettled) continue;
    said = {*verdict, verdict->status == said.verdict.status ? said.since : time};
    others_.erase(device);
  }
}

}  // namespace barewire::dra
