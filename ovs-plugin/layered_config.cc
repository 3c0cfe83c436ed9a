// SPDX-License-Identifier: Apache-2.0
// Key by key, as ovs-cni merges them; an empty string counts as absent there, and so it does here.
#include "ovs-plugin/layered_config.h"

#include "core/fd.h"

namespace barewire::ovs {

namespace {

// As ovs-cni looks for them, the first that exists.
constexpr const char* kUsualPlaces[] = {"/etc/kubernetes/cni/net.d/ovs.d/ovs.conf", "/etc/cni/net.d/ovs.d/ovs.conf"};

std::optional<JsonView> find_filled(const JsonView& view, std::string_view key) {
  auto found = view.find(key);
  if (found && found->is_string() && found->string().empty()) return std::nullopt;
  return found;
}

}  // namespace

LayeredConfig LayeredConfig::read(const cni::Request& request) {
  const auto parse = [&](const std::string& path, std::string_view bytes) {
    // Shared by copies of this object, so that views into it outlive any one of them.
    auto file = std::make_shared<const boost::json::value>(parse_json(bytes, path));
    return LayeredConfig(request.conf.document, std::move(file), path);
  };
  const std::string named = request.conf.root().string_or("configuration_path", "");
  // A file that is named must be there; the usual places may be empty.
  if (!named.empty()) {
    if (const auto bytes = read_file(named)) return parse(named, *bytes);
    request.conf.root().at("configuration_path").reject("the path of a file that exists");
  }
  for (const char* place : kUsualPlaces)
    if (const auto bytes = read_file(place)) return parse(place, *bytes);
  return {request.conf.document, nullptr, {}};
}

std::optional<JsonView> LayeredConfig::find(std::string_view key) const {
  // The network's own configuration goes before the node's file.
  if (auto found = find_filled(JsonView(*network_), key)) return found;
  if (!file_) return std::nullopt;
  return find_filled(JsonView(*file_, path_ + ": key"), key);
}

std::string LayeredConfig::string_or(std::string_view key, std::string fallback) const {
  const auto found = find(key);
  return found ? found->string() : std::move(fallback);
}

bool LayeredConfig::boolean_or(std::string_view key, bool fallback) const {
  const auto found = find(key);
  return found ? found->boolean() : fallback;
}

std::int64_t LayeredConfig::integer_or(std::string_view key, std::int64_t min, std::int64_t max,
                                       std::string_view meaning, std::int64_t fallback) const {
  const auto found = find(key);
  return found ? found->integer(min, max, meaning) : fallback;
}

}  // namespace barewire::ovs
