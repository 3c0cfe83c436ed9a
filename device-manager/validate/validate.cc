// SPDX-License-Identifier: Apache-2.0
// A plugin stops at the first key that is wrong. To hear of the others the key is taken out and the plugin asked again,
// so that one look tells all; a key that is missing ends it, since there is nothing to take out.
#include "device-manager/validate/validate.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <string_view>

#include "core/cni/known_keys.h"
#include "core/json_view.h"

namespace barewire::manager {
namespace {

namespace json = boost::json;
using Severity = Finding::Severity;

constexpr int kMostErrors = 32;  ///< of one plugin

/// The path in `… config key "vf.vlan" is …`, as JsonView::reject and its like write it.
std::optional<std::string> key_in(std::string_view message) {
  constexpr std::string_view kBefore = "config key \"";
  const auto start = message.find(kBefore);
  if (start == std::string_view::npos) return std::nullopt;
  const auto end = message.find('"', start + kBefore.size());
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(message.substr(start + kBefore.size(), end - start - kBefore.size()));
}

bool erase(json::value& value, std::string_view path);

/// Keys may hold dots themselves (sysctls), so each is compared whole.
bool erase_member(json::object& object, std::string_view path) {
  for (auto& member : object) {
    const std::string_view key = member.key();
    if (!path.starts_with(key)) continue;
    std::string_view rest = path.substr(key.size());
    if (rest.empty()) {
      object.erase(std::string(key));
      return true;
    }
    if (rest.front() != '.' && rest.front() != '[') continue;
    if (rest.front() == '.') rest.remove_prefix(1);
    if (erase(member.value(), rest)) return true;
  }
  return false;
}

/// `path` begins with "[2]".
bool erase_element(json::array& array, std::string_view path) {
  const auto end = path.find(']');
  if (path.empty() || path.front() != '[' || end == std::string_view::npos) return false;
  std::size_t index = 0;
  for (const char digit : path.substr(1, end - 1)) index = index * 10 + static_cast<std::size_t>(digit - '0');
  if (index >= array.size()) return false;
  std::string_view rest = path.substr(end + 1);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  if (!rest.empty()) return erase(array[index], rest);
  array.erase(array.begin() + static_cast<std::ptrdiff_t>(index));
  return true;
}

bool erase(json::value& value, std::string_view path) {
  if (value.is_object()) return erase_member(value.get_object(), path);
  return value.is_array() && erase_element(value.get_array(), path);
}

class Validation {
 public:
  Validation(Verdict& verdict, const cni::PluginTable& plugins, std::string prefix)
      : verdict_(verdict), plugins_(plugins), prefix_(std::move(prefix)) {}

  /// The document's own keys, then each plugin's.
  void run(const json::value& document) {
    const JsonView root(document);
    if (!root.has("plugins")) return look_at(document.as_object(), "");
    const auto elements = root.at("plugins").array("a list of plugin configurations");
    if (elements.empty()) root.at("plugins").reject("one plugin configuration at least");
    std::size_t number = 0;
    for (const JsonView& element : elements) {
      if (!element.is_object()) element.reject("the configuration of a plugin");
      json::object config = element.value().as_object();
      config["name"] = verdict_.network;
      config["cniVersion"] = root.string_or("cniVersion", "");
      look_at(std::move(config), fmt::format("plugin {}", ++number));
    }
  }
  void report(Severity severity, const std::string& where, std::string what, std::string hint = {}) {
    const bool both = !prefix_.empty() && !where.empty();
    Finding finding{severity, prefix_ + (both ? ", " : "") + where, std::move(what), std::move(hint)};
    const auto same = [&](const Finding& each) { return each.where == finding.where && each.what == finding.what; };
    if (std::none_of(verdict_.findings.begin(), verdict_.findings.end(), same))
      verdict_.findings.push_back(std::move(finding));
  }

 private:
  void look_at(json::object config, const std::string& where) {
    const json::value value(config);
    const std::string type = JsonView(value).at("type").string();
    verdict_.types.push_back(type);
    const std::string place = where.empty() ? type : fmt::format("{} ({})", where, type);
    ask(type, config, place);
    const auto ipam = JsonView(value).find("ipam");
    if (!ipam || !ipam->is_object()) return;
    const std::string ipam_type = ipam->string_or("type", "");
    if (!ipam_type.empty() && ipam_type != type) ask(ipam_type, config, fmt::format("{}, ipam ({})", place, ipam_type));
  }
  void ask(const std::string& type, const json::object& config, const std::string& place) {
    const cni::Plugin* plugin = plugins_.find(type);
    if (plugin == nullptr) return tell_unknown(type, place);
    collect_errors(*plugin, config, place);
    const json::value value(config);
    for (std::string& line : cni::suspicious_keys(type, JsonView(value)))
      report(Severity::warning, place, std::move(line));
  }
  void tell_unknown(const std::string& type, const std::string& place) {
    std::vector<std::string_view> names;
    for (const cni::Plugin& each : plugins_.all()) names.push_back(each.name);
    const auto meant = cni::meant_by(type, names);
    report(Severity::warning, place,
           fmt::format("config key \"type\" is \"{}\", which is no plugin of Barewire{}", type,
                       meant ? fmt::format(": is \"{}\" meant?", *meant) : ""),
           meant ? "" : "its keys were not looked at");
  }
  void collect_errors(const cni::Plugin& plugin, const json::object& config, const std::string& place) {
    json::value left(config);
    for (int i = 0; i < kMostErrors; ++i) {
      const auto error = first_error(plugin, left);
      if (!error) return;
      report(Severity::error, place, error->what(), error->hint());
      const auto key = key_in(error->what());
      if (!key || !erase(left, *key)) return;
    }
  }
  static std::optional<Error> first_error(const cni::Plugin& plugin, const json::value& config) try {
    cni::Request request;
    request.command = cni::Command::add;
    request.conf = cni::NetConf::parse(json::serialize(config));
    if (plugin.validate != nullptr) plugin.validate(request);
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }

  Verdict& verdict_;
  const cni::PluginTable& plugins_;
  std::string prefix_;
};

}  // namespace

bool Verdict::is_valid() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& finding) { return finding.severity == Severity::error; });
}

Verdict validate(const Document& document, const cni::PluginTable& plugins) {
  Verdict verdict;
  Validation validation(verdict, plugins, document.where);
  if (document.config.empty()) {
    validation.report(Severity::warning, "", "it has no \"spec.config\"",
                      fmt::format("Multus takes the network \"{}\" of the node's own files then", document.name));
    return verdict;
  }
  try {
    const json::value value = parse_json(document.config, "the network configuration");
    // Multus gives a network without a name that of its object.
    verdict.network = JsonView(value).string_or("name", document.name);
    json::value named = value;
    if (!document.name.empty() && named.is_object() && !JsonView(value).has("name"))
      named.get_object()["name"] = document.name;
    validation.run(named);
  } catch (const Error& error) {
    validation.report(Severity::error, "", error.what(), error.hint());
  }
  return verdict;
}

}  // namespace barewire::manager
