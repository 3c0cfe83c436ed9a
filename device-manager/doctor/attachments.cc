// SPDX-License-Identifier: Apache-2.0
/// The records against the node: what cannot be read, whose pods are dead, and of which that cannot be told. It is the
/// plan of `barewire gc` that is shown, so that both say the same.
#include "device-manager/doctor/doctor.h"
#include "device-manager/reaper.h"

namespace barewire::manager {

void examine_attachments(const Node& node, Findings& findings) {
  // No least age: the doctor only tells, and shows what gc would still leave alone.
  const ReapPlan plan = plan_reaping(node, std::chrono::system_clock::now(), std::chrono::seconds(0));
  constexpr const char* kPart = "attachments";
  for (const Unseen& unseen : plan.unseen)
    findings.push_back({Verdict::warning, kPart, fmt::format("{}: {}", unseen.what, unseen.why),
                        "it is left alone by `barewire gc`; as root, in the host's PID namespace, more may be seen"});
  for (const DeadAttachment& dead : plan.attachments)
    findings.push_back({Verdict::warning, kPart,
                        fmt::format("{} ({}) since {}: its netns {} is gone", dead.attachment.text(),
                                    dead.attachment.id.plugin, dead.attachment.since, dead.attachment.netns),
                        "barewire gc"});
  for (const state::Claim& claim : plan.claims)
    findings.push_back({Verdict::warning, kPart, fmt::format("{} is claimed, and no record says by whom", claim.device),
                        "barewire gc"});
  if (plan.unseen.empty() && plan.attachments.empty() && plan.claims.empty())
    findings.push_back({Verdict::good, kPart, "every record can be read, and its netns lives", ""});
}

}  // namespace barewire::manager
