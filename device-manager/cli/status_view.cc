// SPDX-License-Identifier: Apache-2.0
// One screen: numbers that fit in four lines, then each thing that wants somebody, with what to type.
#include "device-manager/cli/status_view.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "device-manager/cli/list_view.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

using manager::VfState;

std::string plural(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

void count(const manager::VfEntry& vf, Status& status) {
  ++status.vfs;
  switch (vf.state) {
    case VfState::free:
      ++status.free;
      break;
    case VfState::allocated:
      ++status.allocated;
      break;
    case VfState::in_pod:
    case VfState::drifted:
      ++status.in_pods;
      break;
    case VfState::used_elsewhere:
    case VfState::unbound:
      ++status.elsewhere;
      break;
  }
}

std::string name_of(const state::Attachment& attachment) {
  if (!attachment.pod.name.empty()) return attachment.pod.name_space + "/" + attachment.pod.name;
  return fmt::format("container {:.12}", attachment.id.container_id);
}

void look_at_vf(const manager::PfEntry& pf, const manager::VfEntry& vf, Status& status) {
  if (vf.state != VfState::drifted) return;
  const std::string place = fmt::format("VF {} of {}", vf.vf.id, pf.name());
  if (!vf.holder) return status.concerns.push_back({place + " is held by a record that cannot be read", ""});
  status.concerns.push_back({fmt::format("{}, in {}, has drifted: {}", place, name_of(*vf.holder),
                                         vf.drift.empty() ? "no reason is known" : vf.drift.front()),
                             "barewire repair --container " + vf.holder->id.container_id.substr(0, 12)});
}

void look_at_pf(const manager::PfEntry& pf, Status& status) {
  ++status.nics;
  for (const manager::VfEntry& vf : pf.vfs) {
    count(vf, status);
    look_at_vf(pf, vf, status);
  }
  const bool lost = pf.pf.link && !(pf.pf.link->is_up() && pf.pf.link->carrier);
  if (lost && pf.enabled_vfs > 0)
    status.concerns.push_back(
        {fmt::format("{}, which has {}, has no carrier", pf.name(), plural(pf.enabled_vfs, "VF", "VFs")),
         pf.pf.link->is_up() ? "" : "ip link set " + pf.name() + " up"});
  for (const std::string& problem : pf.problems) status.concerns.push_back({problem, ""});
}

void look_at_the_dead(const Looked& looked, Status& status) {
  if (!looked.plan) return status.concerns.push_back({"which pods are gone could not be told: " + looked.blind, ""});
  const std::size_t dead = looked.plan->attachments.size() + looked.plan->claims.size();
  if (dead > 0)
    status.concerns.push_back(
        {plural(dead, "attachment is", "attachments are") + " left of pods that are gone", "barewire gc"});
  for (const manager::Unseen& unseen : looked.plan->unseen)
    status.concerns.push_back({fmt::format("could not look at {}: {}", unseen.what, unseen.why), ""});
}

}  // namespace

Status assess(const Looked& looked) {
  Status status;
  for (const manager::PfEntry& pf : looked.snapshot.pfs) look_at_pf(pf, status);
  status.others = looked.snapshot.others.size();
  for (const auto& [path, error] : looked.snapshot.unreadable) status.concerns.push_back({error, ""});
  for (const std::string& problem : looked.snapshot.problems) status.concerns.push_back({problem, ""});
  look_at_the_dead(looked, status);
  return status;
}

std::string render_status(const Status& status, const Terminal& terminal) {
  std::string text =
      status.concerns.empty()
          ? terminal.paint("This node is fine.", Style::green) + "\n"
          : terminal.paint(plural(status.concerns.size(), "thing wants", "things want") + " a look.", Style::red) +
                "\n";
  text += fmt::format("NICs    {}\n",
                      status.nics == 0 ? "none that can have virtual functions" : std::to_string(status.nics));
  if (status.vfs > 0)
    text += fmt::format("VFs     {}: {} free, {} allocated, {} in pods, {} elsewhere\n", status.vfs, status.free,
                        status.allocated, status.in_pods, status.elsewhere);
  text +=
      fmt::format("others  {}\n", plural(status.others, "attachment that holds no VF", "attachments that hold no VF"));
  text +=
      fmt::format("policy  {}\n", status.policy ? printable(*status.policy) : "none: networks may ask for anything");
  for (const Concern& concern : status.concerns) {
    text += fmt::format("{} {}\n", terminal.paint("!", Style::red), printable(concern.what));
    if (!concern.next.empty()) text += fmt::format("    {}\n", printable(concern.next));
  }
  return text;
}

boost::json::object to_json(const Status& status) {
  boost::json::array concerns;
  for (const Concern& concern : status.concerns)
    concerns.push_back(boost::json::object{{"what", concern.what}, {"next", concern.next}});
  return {{"format", manager::kSnapshotFormat},
          {"fine", status.concerns.empty()},
          {"nics", status.nics},
          {"vfs", boost::json::object{{"total", status.vfs},
                                      {"free", status.free},
                                      {"allocated", status.allocated},
                                      {"inPods", status.in_pods},
                                      {"elsewhere", status.elsewhere}}},
          {"otherAttachments", status.others},
          {"policy", status.policy ? boost::json::value(*status.policy) : boost::json::value()},
          {"concerns", std::move(concerns)}};
}

}  // namespace barewire::cli
