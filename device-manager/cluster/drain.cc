// SPDX-License-Identifier: Apache-2.0
// A place is never taken over for its age: the node of a daemon that is gone is as good as drained, and the limit is
// about nodes. Only a node that the cluster no longer has gives its place up.
#include "device-manager/cluster/drain.h"

#include <algorithm>
#include <boost/json/array.hpp>

#include "core/json_view.h"
#include "core/state/allocation.h"
#include "device-manager/cluster/election.h"
#include "device-manager/cluster/objects.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;

constexpr const char* kCore = "/api/v1";
/// Said in the Lease, whose schema wants a duration; nobody goes by it.
constexpr std::chrono::hours kPlaceDuration{24};

bool is_cordoned(const json::value& node) {
  const auto spec = JsonView(node, "node key").find("spec");
  return spec && spec->boolean_or("unschedulable", false);
}

/// With its resourceVersion: who changed the node meanwhile has to be seen first.
json::object patch_of(const json::value& node, json::value cordoned, json::value unschedulable) {
  json::object annotations;
  annotations[kCordonAnnotation] = std::move(cordoned);
  return {{"metadata", json::object{{"resourceVersion", text_at(node, {"metadata", "resourceVersion"})},
                                    {"annotations", std::move(annotations)}}},
          {"spec", json::object{{"unschedulable", std::move(unschedulable)}}}};
}

bool is_of_daemon_set(const json::value& pod) {
  const auto metadata = JsonView(pod, "pod key").find("metadata");
  const auto owners = metadata ? metadata->find("ownerReferences") : std::nullopt;
  if (!owners) return false;
  const auto all = owners->array();
  return std::any_of(all.begin(), all.end(), [](const JsonView& each) {
    return each.string_or("kind", "") == "DaemonSet" && each.boolean_or("controller", false);
  });
}

}  // namespace

Drain::Drain(kubernetes::Api& api, std::string name_space, std::string node)
    : api_(api), name_space_(std::move(name_space)), node_(std::move(node)) {}

std::optional<std::string> Drain::find_obstacle(const state::Pod& pod) {
  const auto found = find_object(api_, path_of(kCore, pod.name_space, "pods", pod.name));
  if (!found || (!pod.uid.empty() && text_at(*found, {"metadata", "uid"}) != pod.uid)) return std::nullopt;
  const auto told = [&](const char* why) { return fmt::format("pod {}/{} {}", pod.name_space, pod.name, why); };
  if (!annotation_of(*found, "kubernetes.io/config.mirror").empty()) return told("is static, and stays");
  if (is_of_daemon_set(*found)) return told("is a DaemonSet's, and stays");
  return std::nullopt;
}

std::vector<Drain::Place> Drain::places(const std::string& pool) {
  std::string selector = kPlaceLabel;
  if (!pool.empty()) selector += "=" + pool;
  std::vector<Place> result;
  for (json::value& each : list_all(api_, path_of(kLeaseApi, name_space_, "leases"),
                                    "labelSelector=" + kubernetes::percent_encoded(selector))) {
    Place place{text_at(each, {"metadata", "name"}), text_at(each, {"spec", "holderIdentity"}), {}};
    place.lease = std::move(each);
    result.push_back(std::move(place));
  }
  return result;
}

bool Drain::is_free(const Place& place) {
  return place.holder.empty() ||
         (place.holder != node_ && !find_object(api_, path_of(kCore, "", "nodes", place.holder)));
}

bool Drain::write_place(const std::string& pool, const std::string& name, const Place* before) {
  json::object lease = lease_object(name_space_, name, node_, kPlaceDuration);
  lease["metadata"].as_object()["labels"] = json::object{{kPlaceLabel, pool}};
  try {
    if (before == nullptr) {
      create(api_, path_of(kLeaseApi, name_space_, "leases"), lease);
    } else {
      lease["metadata"].as_object()["resourceVersion"] = text_at(before->lease, {"metadata", "resourceVersion"});
      replace(api_, path_of(kLeaseApi, name_space_, "leases", name), lease);
    }
  } catch (const kubernetes::ApiRefusal& refusal) {
    if (refusal.status() == 409) return false;  // another node was faster
    throw;
  }
  return true;
}

bool Drain::take_place(const Limit& limit) {
  may_have_place_ = true;
  const auto taken = places(limit.pool);
  if (std::any_of(taken.begin(), taken.end(), [&](const Place& each) { return each.holder == node_; })) return true;
  std::size_t held = 0;
  for (const Place& each : taken) held += is_free(each) ? 0 : 1;
  if (held >= limit.most) return false;
  // By number: of nodes that try at once all try the same, and one gets it.
  for (std::size_t number = 0; number < limit.most; ++number) {
    const std::string name = fmt::format("barewire-drain-{}-{}", limit.pool, number);
    const auto place = std::find_if(taken.begin(), taken.end(), [&](const Place& each) { return each.name == name; });
    if (place == taken.end()) return write_place(limit.pool, name, nullptr);
    if (is_free(*place)) return write_place(limit.pool, name, &*place);
  }
  return false;
}

void Drain::cordon(const json::value& node) {
  if (is_cordoned(node)) return;  // by us, as the annotation says, or by somebody else
  merge(api_, path_of(kCore, "", "nodes", node_), patch_of(node, state::now_text().c_str(), true));
}

std::string Drain::evict(const state::Pod& pod) {
  const std::string name = fmt::format("{}/{}", pod.name_space, pod.name);
  json::object eviction{{"apiVersion", "policy/v1"},
                        {"kind", "Eviction"},
                        {"metadata", json::object{{"name", pod.name}, {"namespace", pod.name_space}}}};
  // One that was made anew under the same name is not the one that holds a VF here.
  if (!pod.uid.empty()) eviction["deleteOptions"] = json::object{{"preconditions", json::object{{"uid", pod.uid}}}};
  try {
    create(api_, path_of(kCore, pod.name_space, "pods", pod.name) + "/eviction", eviction);
  } catch (const kubernetes::ApiRefusal& refusal) {
    if (refusal.status() == 429) return fmt::format("a PodDisruptionBudget does not let {} go yet", name);
    // Gone, or another by now; its VF is let go by the runtime, or by the daemon after the grace.
    if (refusal.status() != 404 && refusal.status() != 409) throw;
  }
  return fmt::format("{} is to end", name);
}

Drain::Step Drain::step(const json::value& node, const std::vector<state::Pod>& pods, const Limit& limit) {
  if (!take_place(limit))
    return {false, fmt::format("waiting for a place: {} of the pool {} may be drained at once",
                               limit.most == 1 ? "one node" : fmt::format("{} nodes", limit.most), limit.pool)};
  cordon(node);
  std::vector<std::string> waits;
  for (const state::Pod& each : pods) waits.push_back(evict(each));
  return {true, fmt::format("draining: {}", fmt::join(waits, "; "))};
}

void Drain::finish(const json::value& node) {
  if (!annotation_of(node, kCordonAnnotation).empty())
    merge(api_, path_of(kCore, "", "nodes", node_), patch_of(node, nullptr, nullptr));
  if (!may_have_place_) return;
  // Of any pool: the node may have been in another when it began.
  for (Place& each : places("")) {
    if (each.holder != node_) continue;
    each.lease.as_object()["spec"].as_object()["holderIdentity"] = "";
    replace(api_, path_of(kLeaseApi, name_space_, "leases", each.name), each.lease);
  }
  may_have_place_ = false;
}

}  // namespace barewire::cluster
