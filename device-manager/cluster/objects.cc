// SPDX-License-Identifier: Apache-2.0
// Lists are read whole before anything is decided by them: half a list of policies would be another declaration.
#include "device-manager/cluster/objects.h"

#include <boost/json/serialize.hpp>

#include "core/json_view.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;

const json::value* member(const json::value& object, const char* name) {
  return object.is_object() ? object.get_object().if_contains(name) : nullptr;
}

}  // namespace

std::string path_of(const std::string& api, const std::string& name_space, const std::string& resource,
                    const std::string& name) {
  std::string path = api;
  if (!name_space.empty()) path += "/namespaces/" + kubernetes::percent_encoded(name_space);
  path += "/" + resource;
  return name.empty() ? path : path + "/" + kubernetes::percent_encoded(name);
}

std::vector<json::value> list_all(kubernetes::Api& api, const std::string& path, const std::string& query) {
  constexpr int kPage = 500;
  std::vector<json::value> all;
  std::string mark;
  do {
    std::string asked = fmt::format("{}?limit={}", path, kPage);
    if (!query.empty()) asked += "&" + query;
    if (!mark.empty()) asked += "&continue=" + kubernetes::percent_encoded(mark);
    const json::value page = api.require({.path = asked});
    const JsonView view(page, "the API server's list: key");
    // A list of nothing may have null there; one without the key is no list.
    if (!page.is_object() || !page.get_object().contains("items")) view.at("items");
    if (const auto items = view.find("items"))
      for (const JsonView& each : items->array()) all.push_back(each.value());
    mark = text_at(page, {"metadata", "continue"});
  } while (!mark.empty());
  return all;
}

std::optional<std::vector<json::value>> find_all(kubernetes::Api& api, const std::string& path) {
  try {
    return list_all(api, path);
  } catch (const kubernetes::ApiRefusal& refusal) {
    if (refusal.status() == 404) return std::nullopt;
    throw;
  }
}

std::optional<json::value> find_object(kubernetes::Api& api, const std::string& path) {
  try {
    return api.require({.path = path});
  } catch (const kubernetes::ApiRefusal& refusal) {
    if (refusal.status() == 404) return std::nullopt;
    throw;
  }
}

json::value replace(kubernetes::Api& api, const std::string& path, const json::value& object) {
  return api.require({.method = "PUT", .path = path, .body = json::serialize(object)});
}

json::value create(kubernetes::Api& api, const std::string& collection, const json::value& object) {
  return api.require({.method = "POST", .path = collection, .body = json::serialize(object)});
}

json::value merge(kubernetes::Api& api, const std::string& path, const json::value& patch) {
  return api.require({.method = "PATCH",
                      .path = path,
                      .body = json::serialize(patch),
                      .content_type = "application/merge-patch+json"});
}

std::string text_at(const json::value& object, std::initializer_list<const char*> path) {
  const json::value* value = &object;
  for (const char* name : path) {
    value = member(*value, name);
    if (value == nullptr) return {};
  }
  return value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string annotation_of(const json::value& object, const char* name) {
  return text_at(object, {"metadata", "annotations", name});
}

}  // namespace barewire::cluster
