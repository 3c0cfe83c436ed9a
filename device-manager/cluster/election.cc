// SPDX-License-Identifier: Apache-2.0
// The API server's optimistic locking makes one winner of many that try.
#include "device-manager/cluster/election.h"

#include "core/journal.h"
#include "core/json_view.h"
#include "device-manager/cluster/objects.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;

std::string now_text() {
  return journal::time_text(std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()));
}

std::chrono::seconds duration_of(const json::value& lease, std::chrono::seconds fallback) {
  constexpr std::int64_t kLongest = 86400;
  return std::chrono::seconds(JsonView(lease, "lease key")
                                  .at("spec")
                                  .integer_or("leaseDurationSeconds", 1, kLongest, "seconds", fallback.count()));
}

}  // namespace

json::object lease_object(const std::string& name_space, const std::string& name, const std::string& holder,
                          std::chrono::seconds duration) {
  const std::string now = now_text();
  return {{"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata", json::object{{"name", name}, {"namespace", name_space}}},
          {"spec", json::object{{"holderIdentity", holder},
                                {"leaseDurationSeconds", duration.count()},
                                {"acquireTime", now},
                                {"renewTime", now},
                                {"leaseTransitions", 0}}}};
}

Election::Election(kubernetes::Api& api, std::string name_space, std::string name, std::string identity,
                   std::chrono::seconds duration)
    : api_(api),
      name_space_(std::move(name_space)),
      name_(std::move(name)),
      identity_(std::move(identity)),
      duration_(duration) {}

bool Election::may_take(const json::value& lease, Time now) {
  const std::string holder = text_at(lease, {"spec", "holderIdentity"});
  if (holder.empty() || holder == identity_) return true;
  const std::string version = text_at(lease, {"metadata", "resourceVersion"});
  if (version != seen_) {
    seen_ = version;
    seen_at_ = now;
    return false;
  }
  return now - seen_at_ >= duration_of(lease, duration_);
}

void Election::write(json::value lease, const std::string& holder, bool is_new) {
  json::object& spec = lease.as_object()["spec"].as_object();
  spec["holderIdentity"] = holder;
  spec["renewTime"] = now_text();
  spec["leaseDurationSeconds"] = duration_.count();
  if (is_new) {
    spec["acquireTime"] = now_text();
    const auto* before = spec.if_contains("leaseTransitions");
    spec["leaseTransitions"] = before != nullptr && before->is_int64() ? before->get_int64() + 1 : 1;
  }
  replace(api_, path_of(kLeaseApi, name_space_, "leases", name_), lease);
}

void Election::run(Time now) {
  if (is_leader(now) && now - renewed_ < duration_ / 3) return;
  try {
    auto lease = find_object(api_, path_of(kLeaseApi, name_space_, "leases", name_));
    if (!lease) {
      create(api_, path_of(kLeaseApi, name_space_, "leases"), lease_object(name_space_, name_, identity_, duration_));
    } else {
      if (!may_take(*lease, now)) {
        valid_until_ = {};
        return;
      }
      write(*lease, identity_, text_at(*lease, {"spec", "holderIdentity"}) != identity_);
    }
  } catch (const kubernetes::ApiRefusal& refusal) {
    if (refusal.status() != 409) throw;
    valid_until_ = {};
    return;
  }
  renewed_ = now;
  // Counted from before the request: others count from when they saw it, which is later.
  valid_until_ = now + duration_ * 2 / 3;
}

void Election::give_up() {
  valid_until_ = {};
  const auto lease = find_object(api_, path_of(kLeaseApi, name_space_, "leases", name_));
  if (lease && text_at(*lease, {"spec", "holderIdentity"}) == identity_) write(*lease, "", false);
}

}  // namespace barewire::cluster
