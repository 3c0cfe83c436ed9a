// SPDX-License-Identifier: Apache-2.0
// flanneld may have leased another subnet since ADD; DEL never reads its file.
#include "standard-plugins/flannel/config.h"

#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <charconv>

namespace barewire::standard {

namespace json = boost::json;

namespace {

/// One line of the file.
struct Variable {
  std::string_view name, value;
  std::string path;
  int line = 0;

  [[noreturn]] void reject(std::string_view expected) const {
    throw Error(Error::Code::config,
                fmt::format("{}, line {}: {} is \"{}\"; expected {}", path, line, name, value, expected),
                "flanneld writes this file");
  }
  std::vector<IpPrefix> prefixes(bool v4) const {
    std::vector<IpPrefix> found;
    for (std::string_view rest = value; !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find(','));
      const auto prefix = IpPrefix::parse(one);
      if (!prefix || prefix->address.is_v4() != v4) reject(v4 ? "IPv4 networks" : "IPv6 networks");
      found.push_back(prefix->network());
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    }
    return found;
  }
  std::uint32_t number() const {
    std::uint32_t parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size()) reject("a number of bytes");
    return parsed;
  }
};

struct Found {
  std::vector<IpPrefix> networks[2], subnets[2];  ///< by family, IPv4 first
  std::optional<std::uint32_t> mtu;
  std::optional<bool> masquerades;

  void take(const Variable& variable) {
    if (variable.name == "FLANNEL_NETWORK") networks[0] = variable.prefixes(true);
    if (variable.name == "FLANNEL_IPV6_NETWORK") networks[1] = variable.prefixes(false);
    if (variable.name == "FLANNEL_SUBNET") subnets[0] = variable.prefixes(true);
    if (variable.name == "FLANNEL_IPV6_SUBNET") subnets[1] = variable.prefixes(false);
    if (variable.name == "FLANNEL_MTU") mtu = variable.number();
    // Names of flanneld's own file, other lines of which are passed over.
    if (variable.name == "FLANNEL_IPMASQ") masquerades = variable.value == "true";
  }
  void require_all(const std::string& path) const {
    std::vector<std::string_view> missing;
    if (networks[0].empty() && networks[1].empty()) missing.push_back("FLANNEL_NETWORK");
    if (subnets[0].empty() && subnets[1].empty()) missing.push_back("FLANNEL_SUBNET");
    if (!mtu) missing.push_back("FLANNEL_MTU");
    if (!masquerades) missing.push_back("FLANNEL_IPMASQ");
    if (missing.empty()) return;
    throw Error(Error::Code::config, fmt::format("{} has no {}", path, fmt::join(missing, ", ")),
                "flanneld writes this file");
  }
};

json::object object_at(const JsonView& root, const char* key) {
  const auto view = root.find(key);
  if (!view) return {};
  if (!view->is_object()) view->reject("an object");
  return view->value().as_object();
}

void set_default(json::object& object, const char* key, const json::value& value) {
  if (!JsonView(object).has(key)) object[key] = value;
}

json::object ipam_of(const cni::NetConf& conf, const FlannelSubnet& subnet) {
  json::object ipam = object_at(conf.root(), "ipam");
  json::array ranges, routes;
  if (const auto given = conf.root().find("ipam"))
    if (const auto list = given->find("routes"))
      for (const JsonView& route : list->array("a list of routes")) routes.push_back(route.value());
  for (const IpPrefix& prefix : subnet.subnets) ranges.push_back(json::array{json::object{{"subnet", prefix.text()}}});
  // The whole overlay and not this node's part of it: pods of the other nodes are reached by the same gateway.
  for (const IpPrefix& network : subnet.networks) routes.push_back(json::object{{"dst", network.text()}});
  set_default(ipam, "type", "host-local");
  // Never the configuration's: the ranges are what flanneld has leased for this node.
  ipam["ranges"] = std::move(ranges);
  ipam["routes"] = std::move(routes);
  return ipam;
}

std::string non_empty(const JsonView& root, const char* key, const char* fallback) {
  const std::string given = root.string_or(key, "");
  return given.empty() ? fallback : given;
}

}  // namespace

FlannelSubnet FlannelSubnet::parse(std::string_view text, const std::string& path) {
  Found found;
  int line = 0;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const auto equals = one.find('=');
    ++line;
    if (equals == std::string_view::npos) continue;
    found.take({.name = one.substr(0, equals), .value = one.substr(equals + 1), .path = path, .line = line});
  }
  found.require_all(path);
  FlannelSubnet subnet;
  for (const int family : {0, 1}) {
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(subnet.networks, found.networks[family]);
    append(subnet.subnets, found.subnets[family]);
  }
  subnet.mtu = *found.mtu;
  subnet.masquerades = *found.masquerades;
  return subnet;
}

FlannelConfig FlannelConfig::parse(const JsonView& root) {
  FlannelConfig config;
  config.subnet_file = non_empty(root, "subnetFile", "/run/flannel/subnet.env");
  config.data_dir = non_empty(root, "dataDir", "/var/lib/cni/flannel");
  config.delegate = object_at(root, "delegate");
  // Read for its type alone: a wrong one is refused before anything is made.
  object_at(root, "ipam");
  const auto delegate = root.find("delegate");
  if (!delegate) return config;
  for (const char* key : {"name", "ipam"})
    if (const auto set = delegate->find(key)) set->reject("no value, because flannel sets it");
  if (const auto type = delegate->find("type"); type && type->string().empty()) type->reject("the name of a plugin");
  return config;
}

std::string flannel_file(const std::string& data_dir, const std::string& container_id) {
  return fmt::format("{}/{}", data_dir, container_id);
}

json::object delegate_config(const cni::NetConf& conf, const FlannelConfig& config, const FlannelSubnet& subnet) {
  json::object delegate = config.delegate;
  delegate["name"] = conf.name;
  delegate["cniVersion"] = conf.cni_version.text();
  // As the reference: what the delegate says itself has the last word.
  set_default(delegate, "type", "bridge");
  set_default(delegate, "ipMasq", !subnet.masquerades);  // one of the two does it
  set_default(delegate, "mtu", subnet.mtu);
  if (JsonView(json::value(delegate)).at("type").string() == "bridge") set_default(delegate, "isGateway", true);
  // The runtime gives it to the plugin that it calls; the delegate is the one to act on it.
  if (const auto runtime = conf.root().find("runtimeConfig")) delegate["runtimeConfig"] = runtime->value();
  delegate["ipam"] = ipam_of(conf, subnet);
  return delegate;
}

}  // namespace barewire::standard
