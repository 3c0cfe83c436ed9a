// SPDX-License-Identifier: Apache-2.0
// What is not known to be gone is not deleted: a network that is wrong, or of a kind that the API server has lost,
// keeps what was made of it.
#include "device-manager/cluster/networks.h"

#include <boost/json/serialize.hpp>

#include "device-manager/cluster/objects.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;

constexpr const char* kNetApi = "/apis/k8s.cni.cncf.io/v1";
constexpr const char* kDefinitions = "network-attachment-definitions";

std::string path_of(const std::string& name_space, const std::string& name) {
  return cluster::path_of(kNetApi, name_space, kDefinitions, name);
}

/// Made by us or by the operator, of the same network.
bool is_ours(const Rendered& wanted, const json::value& current) {
  const std::string mark = annotation_of(current, kRenderedFrom);
  if (!mark.empty()) return mark == wanted.source;
  const std::string operators = annotation_of(current, kOperatorMark);
  return !operators.empty() && operators == annotation_of(wanted.object, kOperatorMark);
}

}  // namespace

Networks::Networks(kubernetes::Api& api, std::string name_space, std::string prefix, std::function<bool()> may_write,
                   Say say)
    : api_(api),
      name_space_(std::move(name_space)),
      prefix_(std::move(prefix)),
      may_write_(std::move(may_write)),
      say_(std::move(say)) {}

void Networks::add(const std::string& kind, const json::value& object) {
  std::vector<declared::Problem> problems;
  auto rendered = render(problems, kind, object, prefix_);
  std::string line;
  for (const auto& each : problems) line += (line.empty() ? "" : "; ") + each.text;
  const std::string source = source_of(kind, object);
  say_(source, line);
  if (!rendered) {
    broken_.insert(source);
    return;
  }
  const std::string path = path_of(rendered->name_space, rendered->name);
  const auto [first, is_new] = wanted_.emplace(path, *std::move(rendered));
  if (is_new) return;
  say_("fight " + path, fmt::format("{} and {} both make {}/{}: neither is taken", first->second.source, source,
                                    first->second.name_space, first->second.name));
  fought_for_.insert(path);
}

void Networks::read() {
  wanted_.clear(), fought_for_.clear(), broken_.clear(), unknown_kinds_.clear(), there_.clear();
  for (const NetworkKind& each : kNetworkKinds) {
    const auto found = find_all(api_, cluster::path_of(kSriovApi, name_space_, each.resource));
    if (!found) unknown_kinds_.insert(each.kind);
    for (const json::value& object : found.value_or(std::vector<json::value>())) add(each.kind, object);
  }
  const std::string selector = fmt::format("{}={}", kManagedByLabel, kManagedBy);
  for (json::value& each : list_all(api_, cluster::path_of(kNetApi, "", kDefinitions),
                                    "labelSelector=" + kubernetes::percent_encoded(selector))) {
    const std::string path = path_of(text_at(each, {"metadata", "namespace"}), text_at(each, {"metadata", "name"}));
    there_.emplace(path, std::move(each));
  }
}

void Networks::write(const Rendered& wanted) {
  const std::string path = path_of(wanted.name_space, wanted.name);
  const auto known = there_.find(path);
  if (known != there_.end() && is_same_network(wanted, known->second)) return;
  const auto current = known != there_.end() ? std::optional(known->second) : find_object(api_, path);
  if (current && !is_ours(wanted, *current))
    return say_(wanted.source, fmt::format("{}/{} is there already and was not made of {}: it is left as it is",
                                           wanted.name_space, wanted.name, wanted.source));
  if (!may_write_()) return;
  if (!current) {
    create(api_, cluster::path_of(kNetApi, wanted.name_space, kDefinitions), wanted.object);
    return;
  }
  json::object object = wanted.object;
  object["metadata"].as_object()["resourceVersion"] = text_at(*current, {"metadata", "resourceVersion"});
  replace(api_, path, object);
}

void Networks::remove_stale() {
  for (const auto& [path, object] : there_) {
    const std::string source = annotation_of(object, kRenderedFrom);
    const std::string kind = source.substr(0, source.find('/'));
    if (source.empty() || !source.starts_with(kind + "/" + name_space_ + "/")) continue;
    if (wanted_.contains(path) || broken_.contains(source) || unknown_kinds_.contains(kind) || !may_write_()) continue;
    const json::object only{{"resourceVersion", text_at(object, {"metadata", "resourceVersion"})}};
    api_.require({.method = "DELETE", .path = path, .body = json::serialize(json::object{{"preconditions", only}})});
  }
}

void Networks::sync() {
  read();
  for (const auto& [path, wanted] : wanted_) {
    if (fought_for_.contains(path)) continue;
    try {
      write(wanted);
    } catch (const kubernetes::ApiRefusal& refusal) {
      // One namespace that is not there keeps no other network waiting.
      if (refusal.status() == 401) throw;
      say_(wanted.source, refusal.what());
    }
  }
  remove_stale();
}

}  // namespace barewire::cluster
