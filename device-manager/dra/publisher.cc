// SPDX-License-Identifier: Apache-2.0
/// Reading, comparing, writing. A write that was refused because another was faster is followed by a new list, and by
/// the back-off too: a server that says so for ever is not asked for ever.
#include "device-manager/dra/publisher.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/json_view.h"

namespace barewire::dra {

namespace json = boost::json;
using kubernetes::ApiAnswer;
using kubernetes::ApiRefusal;
using kubernetes::ApiRequest;

namespace {

bool has(const json::array& devices, std::string_view field) {
  for (const json::value& each : devices)
    if (each.get_object().contains(field)) return true;
  return false;
}

}  // namespace

std::string find_api_version(kubernetes::Api& api) {
  const json::value group = api.require({.path = "/apis/resource.k8s.io"});
  const JsonView view(group, "API group resource.k8s.io: key", Error::Code::decode);
  std::vector<std::string> served;
  for (const JsonView& each : view.at("versions").array()) served.push_back(each.string_or("version", ""));
  // Newest first. v1 came with Kubernetes 1.34, v1beta1 with 1.32.
  for (const char* known : {"v1", "v1beta1"})
    if (std::find(served.begin(), served.end(), known) != served.end()) return known;
  throw Error(Error::Code::io, "the API server has neither v1 nor v1beta1 of resource.k8s.io",
              "Dynamic Resource Allocation needs Kubernetes 1.32 or newer");
}

Publisher::Publisher(kubernetes::Api& api, std::string driver, std::string node)
    : api_(api), identity_{.driver = std::move(driver), .node = std::move(node)} {}

void Publisher::offer(std::vector<Offer> offers, std::map<std::string, NicFacts> facts) {
  offers_ = std::move(offers);
  facts_ = std::move(facts);
  offered_ = true;
}

std::string Publisher::path(const std::string& name) const {
  const std::string base = fmt::format("/apis/resource.k8s.io/{}/resourceslices", identity_.api_version);
  return name.empty() ? base : base + "/" + kubernetes::percent_encoded(name);
}

void Publisher::connect() {
  if (identity_.api_version.empty()) identity_.api_version = find_api_version(api_);
  // Slices are owned by the node object, so that the API server removes them with it.
  const json::value node = api_.require({.path = "/api/v1/nodes/" + kubernetes::percent_encoded(identity_.node)});
  const JsonView view(node, "node " + identity_.node + ": key", Error::Code::decode);
  identity_.node_uid = view.at("metadata").at("uid").string();
}

/// In pages, as the server likes.
void Publisher::list() {
  if (identity_.node_uid.empty()) connect();
  published_.clear();
  const std::string selector =
      kubernetes::percent_encoded(fmt::format("spec.nodeName={},spec.driver={}", identity_.node, identity_.driver));
  std::string next;
  // A server that always promises more must not hold this thread for ever.
  constexpr int kMostPages = 100;
  for (int page = 0; page < kMostPages; ++page) {
    const json::value answer =
        api_.require({.path = fmt::format("{}?fieldSelector={}&limit=500{}", path(""), selector,
                                          next.empty() ? "" : "&continue=" + kubernetes::percent_encoded(next))});
    const JsonView view(answer, "list of ResourceSlices: key", Error::Code::decode);
    if (const auto items = view.find("items"))
      for (const JsonView& each : items->array()) {
        PublishedSlice slice = parse_slice(each.value(), identity_);
        std::string name = slice.name;
        published_.insert_or_assign(std::move(name), std::move(slice));
      }
    const auto metadata = view.find("metadata");
    next = metadata ? metadata->string_or("continue", "") : "";
    if (next.empty()) break;
  }
  listed_ = true;
}

void Publisher::write(const SliceWrite& write) {
  using Kind = SliceWrite::Kind;
  if (write.kind == Kind::remove) {
    const ApiRequest request{.method = "DELETE", .path = path(write.name)};
    const ApiAnswer answer = api_.call(request);
    if (!answer.ok() && answer.status != 404) api_.require(request);  // says it in words
    published_.erase(write.name);
    return;
  }
  const bool create = write.kind == Kind::create;
  const json::value answer = api_.require(
      {.method = create ? "POST" : "PUT", .path = path(create ? "" : write.name), .body = json::serialize(write.body)});
  PublishedSlice slice = parse_slice(answer, identity_);
  const json::array wanted = parse_slice(write.body, identity_).devices;
  // A server drops what belongs to a feature that is switched off (DRADeviceTaints, DRAConsumableCapacity).
  if (has(wanted, "taints") && !has(slice.devices, "taints")) abilities_.taints = false;
  if (has(wanted, "allowMultipleAllocations") && !has(slice.devices, "allowMultipleAllocations"))
    abilities_.sharing = false;
  if (slice.resource_version.empty())
    throw Error(Error::Code::io, fmt::format("the API server gave ResourceSlice {} no resourceVersion", write.name));
  // Compared with what was asked for: a field that this server drops would else be written for ever.
  slice.devices = wanted;
  published_.insert_or_assign(write.name, std::move(slice));
}

void Publisher::sync_once() {
  if (!listed_) list();
  const Abilities before = abilities_;
  const auto pools = lay_out(offers_, facts_, identity_, before);
  for (const SliceWrite& each : plan_writes(pools, published_, identity_)) {
    write(each);
    // Laid out anew without them; once each at most, since what is known of the server does not go back.
    if (abilities_ != before) return sync_once();
  }
}

bool Publisher::sync(Time now) {
  if (!offered_) return true;
  if (!backoff_.is_due(now)) return false;
  try {
    sync_once();
    backoff_.succeeded();
    return true;
  } catch (const ApiRefusal& refusal) {
    listed_ = false;
    if (refusal.status() == 404) {  // the node was made anew, or the API server is another version now
      identity_.node_uid.clear();
      identity_.api_version.clear();
    }
    backoff_.failed(now);
    throw;
  } catch (const Error&) {
    // Also after a write that got no answer: it may have arrived. What the server has is read before anything is
    // written.
    listed_ = false;
    backoff_.failed(now);
    throw;
  }
}

}  // namespace barewire::dra
