// SPDX-License-Identifier: Apache-2.0
/// Prepare: record, promises, files, answer. Unprepare: files, promises, record. Each step may be done again.
#include "device-manager/dra/driver.h"

#include <algorithm>
#include <set>

#include "core/vf/host.h"
#include "device-manager/dra/publisher.h"
#include "device-manager/dra/slices.h"
#include "device-manager/inventory/allocate.h"
#include "device-manager/plugin_call.h"

namespace barewire::dra {

namespace {

constexpr std::chrono::seconds kPatience{10};  ///< kubelet waits 45 s for all claims of a pod

state::Allocation promise_of(const state::ClaimRecord& record, const state::ClaimedDevice& device) {
  return {.device = device.id,
          .by = state::Allocation::kClaim,
          .owner = record.uid,
          .pod = record.pod,
          .since = record.since};
}

/// Parameters are not compared: a claim's specification cannot be changed, and its class was copied into it by the
/// scheduler.
bool is_same_choice(const state::ClaimRecord& record, const ClaimView& view) {
  return std::equal(record.devices.begin(), record.devices.end(), view.devices.begin(), view.devices.end(),
                    [](const state::ClaimedDevice& a, const ChosenDevice& b) {
                      return a.request == b.request && a.pool == b.pool && a.device == b.device &&
                             a.share_id == b.share_id;
                    });
}

/// The selector says which nodes come with the device (RDMA, vhost-net). One that a pod has may fit none by now.
inventory::Member member_of(const inventory::Pool& pool, const inventory::Device& device) {
  for (const inventory::Selector& selector : pool.selectors)
    if (inventory::matches(selector, device)) return {&device, &selector};
  return {&device, pool.selectors.empty() ? nullptr : &pool.selectors.front()};
}

/// Parameters are a VF's: what a port is like its network says, which the daemon does not see.
void require_no_settings(const ChosenDevice& chosen, const inventory::Pool& pool, const std::string& claim) {
  if (chosen.settings.empty()) return;
  throw Error(
      Error::Code::config,
      fmt::format("claim {}: key \"{}\" is for VFs, and \"{}\" is a port of bridge {}", claim,
                  std::string_view(chosen.settings.begin()->key()), chosen.request, pool.bridge),
      "give the parameters to the requests for VFs by \"requests\"; the network of the pod says what its port is "
      "like");
}

state::ClaimedDevice claimed_of(const ChosenDevice& chosen, const inventory::Device& device,
                                const inventory::Pool& pool) {
  return {.request = chosen.request,
          .pool = chosen.pool,
          .device = chosen.device,
          .share_id = chosen.share_id,
          .id = device.id,
          .resource = pool.resource(),
          .is_port = !pool.bridge.empty(),
          .settings = chosen.settings,
          .subrequest = chosen.subrequest};
}

}  // namespace

Driver::Driver(const Node& node, kubernetes::Api& api, DriverSettings settings,
               std::function<void(const std::string&)> log)
    : node_(node),
      api_(api),
      settings_(std::move(settings)),
      log_(std::move(log)),
      records_(node.cni_state_dir + state::ClaimRecords::kBelow),
      files_(settings_.name, settings_.cdi_dir, settings_.device_info_dir, {kernel::Sysfs(node.sysfs), "/dev"},
             {settings_.name, settings_.metadata_dir, settings_.metadata}) {}

void Driver::know(const std::vector<Offer>& offers, const std::vector<inventory::Pool>& pools,
                  const std::map<std::string, NicFacts>& facts) {
  targets_.clear();
  facts_ = facts;
  for (const Offer& offer : offers) {
    const auto pool = std::find_if(pools.begin(), pools.end(),
                                   [&](const inventory::Pool& each) { return each.resource() == offer.resource; });
    if (pool == pools.end()) continue;
    const ApiPlace place = place_of(offer, settings_.node);
    targets_.insert_or_assign({place.pool, place.device}, Target{offer.device, *pool});
  }
}

std::vector<state::ClaimRecord> Driver::records() const {
  return records_.list();
}

boost::json::value Driver::fetch(const ClaimRef& claim) {
  // kubelet may ask before the other thread has told of the version.
  if (api_version_.empty()) api_version_ = find_api_version(api_);
  return api_.require(
      {.path = fmt::format("/apis/resource.k8s.io/{}/namespaces/{}/resourceclaims/{}", api_version_,
                           kubernetes::percent_encoded(claim.name_space), kubernetes::percent_encoded(claim.name))});
}

const Driver::Target& Driver::find_target(const std::string& pool, const std::string& device) const {
  auto found = targets_.find({pool, device});
  // Where the API server knows no shared devices, a port is a device: which of them matters to nobody.
  if (const auto port = parse_port_name(device); found == targets_.end() && port) {
    found = targets_.find({pool, port->first});
    if (found != targets_.end() && port->second >= found->second.pool.ports) found = targets_.end();
  }
  if (found == targets_.end())
    throw Error(Error::Code::device, fmt::format("there is no device {} of {} on this node", device, pool),
                "it is gone, or in no pool any more; `barewire list` shows the VFs there are");
  return found->second;
}

/// As it is at this moment: what a look saw may have changed since.
Driver::Target Driver::present(const state::ClaimedDevice& claimed) const {
  if (claimed.is_port) {
    Target port;
    port.device.type = inventory::DeviceType::bridge;
    port.device.id = port.pool.bridge = claimed.id;
    return port;
  }
  const auto known = targets_.find({claimed.pool, claimed.device});
  Target target = known == targets_.end() ? Target() : known->second;  // its pool may be declared no more
  auto device = inventory::find_device(kernel::Sysfs(node_.sysfs), {}, claimed.id);
  if (!device) throw Error(Error::Code::device, fmt::format("{} is not a device of this node any more", claimed.id));
  device->pf_names = target.device.pf_names;  // alternative names take a look at every link
  target.device = *std::move(device);
  return target;
}

void Driver::require_fit(const state::ClaimedDevice& claimed, const Target& target) const {
  if (claimed.is_port) {
    if (const auto why = kubelet::find_bridge_obstacle(target.pool, settings_.switch_socket))
      throw Error(Error::Code::device, fmt::format("{} has no ports to give: {}", claimed.resource, *why));
    return;
  }
  const std::string mode = inventory::driver_mode_of(target.device);
  std::string wanted = target.pool.driver_mode;
  std::string whose = target.pool.resource() + " is for";
  if (const auto* driver = claimed.settings.if_contains("driver")) {
    wanted = std::string(driver->as_string());
    whose = "the claim asks for";
  }
  // Without a wish any driver will do, but a VF without one can be used by nobody.
  if (wanted.empty() ? !mode.empty() : mode == wanted) return;
  throw Error(Error::Code::held,
              fmt::format("{} is bound to \"{}\", {} \"{}\"", claimed.id, target.device.driver, whose,
                          wanted.empty() ? "a driver" : wanted),
              "`barewire provision` binds VFs to another driver");
}

/// As the ResourceSlice has them.
boost::json::object Driver::attributes_of(const Target& target) const {
  const Offer offer{.device = target.device, .resource = target.pool.resource()};
  const auto facts = facts_.find(parent_of(target.device));
  const boost::json::object device =
      target.pool.bridge.empty()
          ? device_json(offer, facts == facts_.end() ? NicFacts() : facts->second, settings_.name, false)
          : port_json(offer, "");
  return device.at("attributes").get_object();
}

void Driver::tell_network(const std::vector<state::ClaimRecord>& records, const std::vector<ClaimStatus>& statuses) {
  if (!files_.metadata().are_wanted()) return;
  for (std::size_t i = 0; i < records.size() && i < statuses.size(); ++i) {
    std::vector<boost::json::object> network;
    for (const boost::json::value& device : statuses[i].devices) {
      const auto* data = device.get_object().if_contains("networkData");
      network.push_back(data != nullptr ? data->get_object() : boost::json::object());
    }
    try {
      files_.metadata().tell(records[i], network);
    } catch (const Error& error) {
      log_(fmt::format("telling the containers of claim {}/{} of their network failed, ignoring: {}",
                       records[i].name_space, records[i].name, manager::describe(error)));
    }
  }
}

state::ClaimRecord Driver::plan(const ClaimRef& claim, const ClaimView& view) const {
  if (view.pods.size() > 1)
    throw Error(
        Error::Code::config,
        fmt::format("claim {} is shared by {} pods, which a VF or port cannot be", claim.text(), view.pods.size()),
        "give each pod a claim of its own, by a ResourceClaimTemplate");
  state::ClaimRecord record{.uid = claim.uid, .name_space = claim.name_space, .name = claim.name};
  record.pod_claim = view.pod_claim;
  if (!view.pods.empty()) record.pod = view.pods.front();
  record.since = state::now_text();
  for (const ChosenDevice& chosen : view.devices) {
    // By the scheduler's names, from the last look: the claim does not say which PCI address or resource it is.
    const Target& target = find_target(chosen.pool, chosen.device);
    if (!target.pool.bridge.empty()) require_no_settings(chosen, target.pool, claim.text());
    record.devices.push_back(claimed_of(chosen, target.device, target.pool));
    // Only where they are told: each CNI call reads the record.
    if (files_.metadata().are_wanted()) record.devices.back().attributes = attributes_of(target);
  }
  return record;
}

void Driver::carry_out(const state::ClaimRecord& record, bool anew) {
  vf::Host host(node_);
  std::vector<Target> targets;
  for (const state::ClaimedDevice& each : record.devices) {
    targets.push_back(present(each));
    if (anew) require_fit(each, targets.back());
    // Before the files: what leads containers to a device must not be there while another may still get it. A promise
    // that this claim has already is only written anew.
    if (!each.is_port) inventory::allocate(host, promise_of(record, each), kPatience);
  }
  std::vector<inventory::Member> members;
  members.reserve(targets.size());
  for (const Target& target : targets)
    members.push_back(target.pool.bridge.empty() ? member_of(target.pool, target.device)
                                                 : inventory::Member{&target.device, nullptr});
  files_.write(record, members);
}

Prepared Driver::answer(const state::ClaimRecord& record) const {
  Prepared prepared;
  for (std::size_t i = 0; i < record.devices.size(); ++i) {
    const state::ClaimedDevice& each = record.devices[i];
    prepared.devices.push_back({each.request, each.pool, each.device, each.share_id, {files_.cdi_id(record, i)}});
  }
  return prepared;
}

Prepared Driver::prepare_anew(const ClaimRef& claim, const ClaimView& view) {
  const state::ClaimRecord record = plan(claim, view);
  if (record.devices.empty()) return {};
  // From here on a daemon that dies leaves something behind that the next one finds.
  records_.save(record);
  try {
    carry_out(record, true);
  } catch (const std::exception&) {
    try {
      take_back(record);
    } catch (const std::exception& failure) {
      log_(fmt::format("giving back what claim {} got failed, ignoring: {}", claim.text(), failure.what()));
    }
    throw;
  }
  log_(fmt::format("prepared claim {}: {} devices", claim.text(), record.devices.size()));
  return answer(record);
}

Prepared Driver::prepare(const ClaimRef& claim) try {
  auto record = records_.find(claim.uid);
  ClaimView view;
  try {
    view = parse_claim(fetch(claim), claim, settings_.name);
  } catch (const Error& error) {
    // kubelet asks again after its restart; the API server need not be there for what was prepared before.
    const auto* refusal = dynamic_cast<const kubernetes::ApiRefusal*>(&error);
    if (!record || !error.is(Error::Code::io) || (refusal != nullptr && refusal->status() == 404)) throw;
    carry_out(*record, false);
    return answer(*record);
  }
  // Deallocated and allocated anew while kubelet or this daemon was away: the devices of before are not this claim's
  // now.
  if (record && !is_same_choice(*record, view)) {
    take_back(*record);
    record.reset();
  }
  if (!record) return prepare_anew(claim, view);
  carry_out(*record, false);
  return answer(*record);
} catch (const Error& error) {
  const std::string words = manager::describe(error);
  log_(fmt::format("preparing claim {} failed: {}", claim.text(), words));
  return {.error = words};
}

void Driver::take_back(const state::ClaimRecord& record) {
  vf::Host host(node_);
  // The reverse of carry_out, and the record last: a daemon that dies in between is asked again, or sweeps.
  files_.remove_cdi(record);
  for (const state::ClaimedDevice& each : record.devices) {
    // Another's promise may be what the claim was refused for; its device-info file has the same name.
    if (each.is_port) continue;  // by nothing but the record
    const auto promise = host.allocations.find(each.id);
    if (!promise || promise->by != state::Allocation::kClaim || promise->owner != record.uid) continue;
    files_.remove_device_info(each);
    inventory::release(host, each.id, state::Allocation::kClaim, record.uid, kPatience);
  }
  records_.remove(record.uid);
  missing_since_.erase(record.uid);
}

std::string Driver::unprepare(const ClaimRef& claim) try {
  // Only the record is asked: kubelet unprepares claims that the API server has deleted already.
  const auto record = records_.find(claim.uid);
  if (!record) return {};
  take_back(*record);
  log_(fmt::format("took back the devices of claim {}", record->name_space + "/" + record->name));
  return {};
} catch (const Error& error) {
  const std::string words = manager::describe(error);
  log_(fmt::format("taking back the devices of claim {} failed: {}", claim.text(), words));
  return words;
}

void Driver::rebuild() {
  std::vector<std::pair<std::string, std::string>> unreadable;
  for (const state::ClaimRecord& record : records_.list(&unreadable)) {
    try {
      carry_out(record, false);
    } catch (const Error& error) {
      log_(fmt::format("making the files of claim {}/{} anew failed: {}", record.name_space, record.name,
                       manager::describe(error)));
    }
  }
  for (const auto& [path, why] : unreadable) log_(fmt::format("record {} cannot be read: {}", path, why));
}

bool Driver::is_attached(const state::ClaimRecord& record) const {
  const state::Store store(node_.run_dir);
  return std::any_of(record.devices.begin(), record.devices.end(), [&](const state::ClaimedDevice& each) {
    try {
      return !each.is_port && store.holder(each.id).has_value();
    } catch (const Error&) {
      return true;  // a record that cannot be read holds its device too
    }
  });
}

/// Only what the API server says counts: not being able to ask is no answer.
bool Driver::is_gone(const state::ClaimRecord& record) {
  const ClaimRef claim{record.name_space, record.uid, record.name};
  try {
    const ClaimView view = parse_claim(fetch(claim), claim, settings_.name);
    return !is_same_choice(record, view);
  } catch (const kubernetes::ApiRefusal& refusal) {
    return refusal.status() == 404;
  } catch (const Error& error) {
    // Another claim of the same name, or one whose devices were taken from it; everything else says nothing of it.
    return error.is(Error::Code::try_again);
  }
}

bool Driver::sweep(Time now) {
  bool waiting = release_orphans(now);
  for (const state::ClaimRecord& record : records_.list()) {
    // A VF in a pod's netns comes back by DEL. Only then may the claim's promise be broken.
    if (is_attached(record) || !is_gone(record)) {
      missing_since_.erase(record.uid);
      continue;
    }
    const auto [since, is_new] = missing_since_.try_emplace(record.uid, now);
    if (now - since->second < settings_.grace) {
      waiting = true;
      continue;
    }
    log_(fmt::format("claim {}/{} is gone, and nobody took its devices back", record.name_space, record.name));
    take_back(record);
  }
  return waiting;
}

/// Promises of claims without a record: it was removed by hand, or lost.
bool Driver::release_orphans(Time now) {
  vf::Host host(node_);
  std::vector<std::pair<std::string, std::string>> unreadable;
  std::set<std::string> recorded;
  for (const state::ClaimRecord& record : records_.list(&unreadable)) recorded.insert(record.uid);
  // A record that cannot be read may be the one that stands behind a promise.
  if (!unreadable.empty()) return false;
  bool waiting = false;
  for (const state::Allocation& each : host.allocations.list()) {
    if (each.by != state::Allocation::kClaim || recorded.contains(each.owner)) continue;
    const auto [since, is_new] = missing_since_.try_emplace(each.owner, now);
    if (now - since->second < settings_.grace) {
      waiting = true;
    } else if (inventory::release(host, each.device, each.by, each.owner)) {
      log_(fmt::format("{} was promised to a claim without a record; it is free again", each.device));
    }
  }
  return waiting;
}

}  // namespace barewire::dra
