// SPDX-License-Identifier: Apache-2.0
/// An API server in memory, for tests of single decisions: objects by path, resourceVersions that are held to. The
/// daemon's tests have a real one, tests/support/api_server.py.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <map>
#include <string>
#include <vector>

#include "device-manager/kubernetes/api.h"

namespace barewire::test {

class FakeApi : public kubernetes::Api {
 public:
  std::map<std::string, boost::json::object> objects;
  std::vector<std::string> writes;
  int status = 0;  ///< answered to everything when it is not 0

  kubernetes::ApiAnswer call(const kubernetes::ApiRequest& request) override {
    const std::string path = request.path.substr(0, request.path.find('?'));
    if (request.method != "GET") writes.push_back(request.method + " " + path);
    if (status != 0) return {.status = status};
    if (request.method == "GET" && is_list(request.path)) return list(path);
    if (request.method == "POST") return post(path, boost::json::parse(request.body).as_object());
    const auto found = objects.find(path);
    if (found == objects.end()) return {.status = 404};
    if (request.method == "GET") return {.status = 200, .body = found->second};
    if (request.method == "DELETE") {
      objects.erase(found);
      return {.status = 200};
    }
    if (request.method == "PATCH") return patch(found->second, boost::json::parse(request.body).as_object());
    return put(found->second, boost::json::parse(request.body).as_object());
  }

 private:
  static bool is_list(const std::string& path) { return path.find("limit=") != std::string::npos; }
  kubernetes::ApiAnswer list(const std::string& path) {
    boost::json::array items;
    for (const auto& [name, object] : objects)
      if (name.substr(0, name.rfind('/')) == path) items.emplace_back(object);
    return {.status = 200, .body = boost::json::object{{"metadata", boost::json::object()}, {"items", items}}};
  }
  kubernetes::ApiAnswer post(const std::string& path, boost::json::object object) {
    const std::string name(object["metadata"].as_object()["name"].as_string());
    if (objects.contains(path + "/" + name)) return {.status = 409};
    return store(objects[path + "/" + name], std::move(object), 201);
  }
  kubernetes::ApiAnswer put(boost::json::object& stored, boost::json::object object) {
    auto& metadata = object["metadata"].as_object();
    if (metadata["resourceVersion"] != stored["metadata"].as_object()["resourceVersion"]) return {.status = 409};
    return store(stored, std::move(object), 200);
  }
  /// RFC 7396 for members of members, which is as deep as it is needed.
  kubernetes::ApiAnswer patch(boost::json::object& stored, const boost::json::object& change) {
    const auto& wanted = change.at("metadata").at("resourceVersion");
    if (wanted != stored["metadata"].as_object()["resourceVersion"]) return {.status = 409};
    boost::json::object object = stored;
    merge(object, change);
    return store(stored, std::move(object), 200);
  }
  static void merge(boost::json::object& object, const boost::json::object& change) {
    for (const auto& [key, value] : change) {
      if (value.is_null()) {
        object.erase(key);
      } else if (value.is_object()) {
        if (!object[key].is_object()) object[key] = boost::json::object();
        merge(object[key].as_object(), value.get_object());
      } else {
        object[key] = value;
      }
    }
  }
  kubernetes::ApiAnswer store(boost::json::object& stored, boost::json::object object, int answer) {
    object["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
    stored = std::move(object);
    return {.status = answer, .body = stored};
  }
  int version_ = 0;
};

}  // namespace barewire::test
