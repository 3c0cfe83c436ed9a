// SPDX-License-Identifier: Apache-2.0
/// From records to the API's JSON. What the pod's network looks like is copied from the attachment's record: the plugin
/// that made it is the only one who knows, and the daemon asks no pod.
#include "device-manager/dra/claim_status.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "core/state/store.h"

namespace barewire::dra {

namespace json = boost::json;
using kubernetes::percent_encoded;

namespace {

/// The API refuses a status with more. Source: resource.k8s.io/v1, NetworkDeviceData.
constexpr std::size_t kMostAddresses = 16;

const json::value* member(const json::value& value, std::string_view key) {
  return value.is_object() ? value.get_object().if_contains(key) : nullptr;
}

std::string text(const json::value& value, std::string_view key) {
  const json::value* found = member(value, key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

template <typename Found>
void for_each_of(const json::value& result, std::string_view key, const Found& found) {
  const json::value* list = member(result, key);
  if (list == nullptr || !list->is_array()) return;
  for (const json::value& each : list->get_array()) found(each);
}

json::object network_data(const state::Attachment& attachment) {
  json::object data{{"interfaceName", attachment.id.ifname}};
  const json::value* result = attachment.data.if_contains("result");
  if (result == nullptr) return data;
  json::array ips;
  for_each_of(*result, "ips", [&](const json::value& ip) {
    if (ips.size() < kMostAddresses && !text(ip, "address").empty()) ips.push_back(json::value(text(ip, "address")));
  });
  if (!ips.empty()) data["ips"] = std::move(ips);
  for_each_of(*result, "interfaces", [&](const json::value& interface) {
    if (text(interface, "name") == attachment.id.ifname && !text(interface, "sandbox").empty() &&
        !text(interface, "mac").empty())
      // The pod's end: of a veth or VF the host's part stands in the same list, without a sandbox.
      data["hardwareAddress"] = text(interface, "mac");
  });
  return data;
}

/// The times are the records' own: one of now would make each look a change that has to be written.
json::object condition(const state::ClaimRecord& record, const state::Attachment* attachment) {
  const bool attached = attachment != nullptr;
  return {{"type", "Attached"},
          {"status", attached ? "True" : "False"},
          {"reason", attached ? "Attached" : "Prepared"},
          {"message", attached ? fmt::format("in the pod as {}", attachment->id.ifname) : "for the pod, not in it yet"},
          {"lastTransitionTime", attached ? attachment->since : record.since}};
}

json::object condition(const OffloadCondition& offload) {
  return {{"type", "Offloaded"},
          {"status", offload.verdict.status},
          {"reason", offload.verdict.reason},
          {"message", offload.verdict.message},
          {"lastTransitionTime", offload.since}};
}

}  // namespace

std::string attachment_key(const state::ClaimRecord& record, std::size_t device) {
  const state::ClaimedDevice& claimed = record.devices[device];
  return claimed.is_port ? fmt::format("{} {}", record.uid, device) : claimed.id;
}

ClaimStatus status_of(const state::ClaimRecord& record, const std::map<std::string, state::Attachment>& attachments,
                      const std::string& driver, const std::map<std::string, OffloadCondition>& offload) {
  ClaimStatus status{.uid = record.uid, .name_space = record.name_space, .name = record.name};
  for (std::size_t i = 0; i < record.devices.size(); ++i) {
    const state::ClaimedDevice& each = record.devices[i];
    const std::string key = attachment_key(record, i);
    const auto found = attachments.find(key);
    const state::Attachment* attachment = found == attachments.end() ? nullptr : &found->second;
    json::array conditions{condition(record, attachment)};
    if (const auto known = offload.find(key); attachment != nullptr && known != offload.end())
      conditions.push_back(condition(known->second));
    json::object device{
        {"driver", driver}, {"pool", each.pool}, {"device", each.device}, {"conditions", std::move(conditions)}};
    if (!each.share_id.empty()) device["shareID"] = each.share_id;
    if (attachment != nullptr) device["networkData"] = network_data(*attachment);
    status.devices.push_back(std::move(device));
  }
  return status;
}

namespace {

bool is_port_of(const state::Attachment& attachment, const std::string& bridge) {
  if (attachment.id.plugin != "ovs") return false;
  json::error_code failure;
  const json::value config = json::parse(attachment.config, failure);
  return !failure && text(config, "bridge") == bridge;
}

/// Ports have no holder, since anybody may make more of them: the pod's, on the claim's bridge, are taken for the
/// claim's, each for one.
class PortAttachments {
 public:
  explicit PortAttachments(const state::Store& store) : store_(store) {}
  const state::Attachment* take(const state::ClaimRecord& record, const state::ClaimedDevice& port) {
    if (!all_) all_ = store_.list();
    for (const state::Attachment& each : *all_)
      if (!record.pod.uid.empty() && each.pod.uid == record.pod.uid && is_port_of(each, port.id) &&
          taken_.insert(each.id.text()).second)
        return &each;
    return nullptr;
  }

 private:
  const state::Store& store_;
  std::optional<std::vector<state::Attachment>> all_;
  std::set<std::string> taken_;
};

}  // namespace

std::map<std::string, state::Attachment> attachments_of(const Node& node,
                                                        const std::vector<state::ClaimRecord>& records) {
  const state::Store store(node.run_dir);
  PortAttachments ports(store);
  std::map<std::string, state::Attachment> result;
  for (const state::ClaimRecord& record : records) {
    for (std::size_t i = 0; i < record.devices.size(); ++i) {
      const state::ClaimedDevice& each = record.devices[i];
      try {
        if (each.is_port) {
          const state::Attachment* port = ports.take(record, each);
          if (port != nullptr) result.insert_or_assign(attachment_key(record, i), *port);
          continue;
        }
        const auto holder = store.holder(each.id);
        auto attachment = holder ? store.find(*holder) : std::nullopt;
        if (attachment) result.insert_or_assign(each.id, *std::move(attachment));
      } catch (const Error&) {
        continue;  // `barewire list` names records that cannot be read
      }
    }
  }
  return result;
}

std::map<std::string, PodTrouble> troubles_of(const std::vector<Offer>& offers,
                                              const std::vector<state::ClaimRecord>& records,
                                              const std::set<std::string>& lost) {
  std::map<std::string, PodTrouble> result;
  for (const state::ClaimRecord& record : records)
    for (const state::ClaimedDevice& each : record.devices)
      if (!record.pod.name.empty() && lost.contains(each.id))
        result.insert_or_assign(each.id, PodTrouble{record.pod, each.id, kLost});
  for (const Offer& offer : offers) {
    if (!offer.trouble || offer.trouble->kind != Trouble::Kind::unhealthy) continue;
    for (const state::ClaimRecord& record : records)
      // Without a pod there is nobody whose events could tell it.
      if (!record.pod.name.empty() && record.find(offer.device.id) != nullptr)
        // A bridge is of several pods, and each is told.
        result.insert_or_assign(offer.ports > 0 ? offer.device.id + " " + record.pod.uid : offer.device.id,
                                PodTrouble{record.pod, offer.device.id, offer.trouble->why});
  }
  return result;
}

ClaimReporter::ClaimReporter(kubernetes::Api& api, std::string driver, std::string node)
    : api_(api), driver_(std::move(driver)), node_(std::move(node)) {}

void ClaimReporter::apply(const std::string& api_version, const ClaimStatus& claim) {
  // With the UID, a write to another claim that has the name by now is refused as a conflict. What this field manager
  // applied before and leaves out now is removed; others' entries stay. Source: Kubernetes, "Server-Side Apply".
  const json::object body{
      {"apiVersion", "resource.k8s.io/" + api_version},
      {"kind", "ResourceClaim"},
      {"metadata", json::object{{"namespace", claim.name_space}, {"name", claim.name}, {"uid", claim.uid}}},
      {"status", json::object{{"devices", claim.devices}}}};
  const kubernetes::ApiRequest request{
      .method = "PATCH",
      .path = fmt::format("/apis/resource.k8s.io/{}/namespaces/{}/resourceclaims/{}/status?fieldManager={}&force=true",
                          api_version, percent_encoded(claim.name_space), percent_encoded(claim.name),
                          percent_encoded(driver_)),
      .body = json::serialize(body),
      .content_type = "application/apply-patch+yaml"};
  try {
    api_.require(request);
  } catch (const kubernetes::ApiRefusal& refusal) {
    // The claim is gone, another one, or has the device no more: there is nothing to report then.
    if (refusal.status() != 404 && refusal.status() != 409 && refusal.status() != 410 && refusal.status() != 422) throw;
  }
}

bool ClaimReporter::report(const std::string& api_version, const std::vector<ClaimStatus>& claims, Time now) {
  if (api_version.empty() || !backoff_.is_due(now)) return false;
  // Claims come and go with pods: those that are gone must not be remembered for ever.
  std::map<std::string, json::array> kept;
  for (const ClaimStatus& claim : claims)
    if (const auto found = reported_.find(claim.uid); found != reported_.end()) kept.insert(*found);
  reported_ = std::move(kept);
  try {
    for (const ClaimStatus& claim : claims) {
      const auto found = reported_.find(claim.uid);
      if (found != reported_.end() && found->second == claim.devices) continue;
      apply(api_version, claim);
      reported_.insert_or_assign(claim.uid, claim.devices);
    }
    backoff_.succeeded();
    return true;
  } catch (const Error&) {
    backoff_.failed(now);
    throw;
  }
}

void ClaimReporter::post_event(const PodTrouble& trouble, const std::string& time) {
  // Both forms of the source are given: older clients show `source`, newer ones `reportingComponent`.
  const bool bad = !trouble.why.empty();
  const json::object body{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", json::object{{"generateName", trouble.pod.name + "."}, {"namespace", trouble.pod.name_space}}},
      {"involvedObject", json::object{{"apiVersion", "v1"},
                                      {"kind", "Pod"},
                                      {"namespace", trouble.pod.name_space},
                                      {"name", trouble.pod.name},
                                      {"uid", trouble.pod.uid}}},
      {"type", bad ? "Warning" : "Normal"},
      {"reason", bad ? "DeviceUnhealthy" : "DeviceHealthy"},
      {"message",
       bad ? fmt::format("{}: {}", trouble.device, trouble.why) : fmt::format("{} is well again", trouble.device)},
      {"source", json::object{{"component", "barewired"}, {"host", node_}}},
      {"reportingComponent", driver_},
      {"reportingInstance", node_},
      {"count", 1},
      {"firstTimestamp", time},
      {"lastTimestamp", time}};
  api_.require({.method = "POST",
                .path = fmt::format("/api/v1/namespaces/{}/events", percent_encoded(trouble.pod.name_space)),
                .body = json::serialize(body)});
}

void ClaimReporter::tell_pods(const std::map<std::string, PodTrouble>& troubles, const std::string& time) {
  const std::map<std::string, PodTrouble> before = std::exchange(told_, troubles);  // a lost event is not sent again
  for (const auto& [device, trouble] : troubles) {
    const auto known = before.find(device);
    if (known == before.end() || known->second.why != trouble.why || known->second.pod.uid != trouble.pod.uid)
      post_event(trouble, time);
  }
  for (const auto& [device, trouble] : before)
    if (!troubles.contains(device)) post_event({trouble.pod, trouble.device, ""}, time);
}

}  // namespace barewire::dra
