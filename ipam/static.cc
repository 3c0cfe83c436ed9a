// SPDX-License-Identifier: Apache-2.0
/// The static plugin: hands out what the configuration, or the runtime, names; keeps nothing.
#include <algorithm>

#include "ipam/plugins.h"
#include "ipam/requested_ips.h"

namespace barewire::ipam::static_addresses {

namespace {

struct Config {
  std::vector<cni::IpConfig> addresses;
  std::vector<cni::Route> routes;
  cni::Dns dns;

  /// Throws Error{config} naming the key, its value and what was expected.
  static Config parse(const cni::Request& request);
};

constexpr const char* kAddressMeaning = "an address with a prefix length, as 10.1.2.3/24";

cni::IpConfig parse_address(const JsonView& json) {
  const JsonView key = json.at("address");
  const auto address = IpPrefix::parse(key.string());
  if (!address) key.reject(kAddressMeaning);
  cni::IpConfig ip{.address = *address, .gateway = {}, .interface = {}};
  const auto gateway = json.find("gateway");
  if (!gateway || gateway->string().empty()) return ip;
  ip.gateway = IpAddress::parse(gateway->string());
  if (!ip.gateway || ip.gateway->is_v4() != address->address.is_v4())
    gateway->reject(address->address.is_v4() ? "an IPv4 address" : "an IPv6 address");
  return ip;
}

std::vector<cni::IpConfig> parse_asked(const std::vector<AskedAddress>& asked) {
  std::vector<cni::IpConfig> ips;
  for (const AskedAddress& one : asked) {
    const auto address = IpPrefix::parse(one.text);
    // With a prefix length: there is no subnet in the configuration that could lend one.
    if (!address) one.reject(kAddressMeaning);
    ips.push_back({.address = *address, .gateway = {}, .interface = {}});
  }
  return ips;
}

/// What the runtime names takes the place of what the configuration does, runtimeConfig before args; CNI_ARGS adds.
std::vector<cni::IpConfig> parse_addresses(const cni::Request& request, const JsonView& ipam) {
  for (const auto& list : {request.conf.runtime_config("ips"), request.conf.cni_arg("ips")})
    // An empty list asks for nothing: the configuration counts then.
    if (auto ips = parse_asked(asked_in(list)); !ips.empty()) return ips;
  std::vector<cni::IpConfig> ips;
  if (const auto configured = ipam.find("addresses"))
    for (const JsonView& element : configured->array("an array of addresses")) ips.push_back(parse_address(element));
  for (const cni::IpConfig& ip : parse_asked(asked_in_args(request, "IP"))) ips.push_back(ip);
  return ips;
}

void apply_asked_gateways(const cni::Request& request, std::vector<cni::IpConfig>& ips) {
  for (const AskedAddress& asked : asked_in_args(request, "GATEWAY")) {
    const auto gateway = IpAddress::parse(asked.text);
    if (!gateway) asked.reject("an IP address");
    for (cni::IpConfig& ip : ips)
      // Of several addresses, those in whose subnet it is.
      if (ip.address.contains(*gateway)) ip.gateway = gateway;
  }
}

/// Results before 0.3.0 have room for one address of each family.
void require_room_in_result(const cni::Version& version, const std::vector<cni::IpConfig>& ips) {
  if (version >= cni::Version{0, 3, 0}) return;
  const auto v4 = std::count_if(ips.begin(), ips.end(), [](const auto& ip) { return ip.address.address.is_v4(); });
  if (v4 > 1 || static_cast<std::ptrdiff_t>(ips.size()) - v4 > 1)
    throw Error(Error::Code::config,
                fmt::format("config key \"cniVersion\" is \"{}\"; expected at least 0.3.0 for more than one address of "
                            "a family",
                            version.text()));
}

Config Config::parse(const cni::Request& request) {
  const JsonView root = request.conf.root();
  const JsonView ipam = root.at("ipam");
  request.args.require_known({"IP", "GATEWAY"});
  Config config;
  config.addresses = parse_addresses(request, ipam);
  apply_asked_gateways(request, config.addresses);
  require_room_in_result(request.conf.cni_version, config.addresses);
  if (const auto routes = ipam.find("routes"))
    for (const JsonView& route : routes->array("an array of routes")) config.routes.push_back(cni::parse_route(route));
  if (const auto dns = ipam.find("dns")) config.dns = cni::Dns::parse(*dns);
  return config;
}

Error missing(const cni::IpConfig& ip, std::string_view what) {
  return Error(Error::Code::drift,
               fmt::format("checking addresses failed: \"prevResult\" {} {}", what, ip.address.text()));
}

}  // namespace

cni::Result add(const cni::Request& request, Node&) {
  Config config = Config::parse(request);
  return {.interfaces = {}, .ips = std::move(config.addresses), .routes = std::move(config.routes), .dns = config.dns};
}

void check(const cni::Request& request, Node&) {
  const Config config = Config::parse(request);
  if (!request.conf.previous)
    throw Error(Error::Code::config, "config key \"prevResult\" is missing; CHECK compares it with the configuration");
  for (const cni::IpConfig& expected : config.addresses) {
    const auto& ips = request.conf.previous->ips;
    const auto found = std::find_if(ips.begin(), ips.end(), [&](const cni::IpConfig& ip) {
      return ip.address.address == expected.address.address;
    });
    if (found == ips.end()) throw missing(expected, "lacks");
    if (expected.gateway && found->gateway != expected.gateway) throw missing(expected, "has another gateway for");
  }
}

void status(const cni::Request& request, Node&) {
  validate(request);
}

void validate(const cni::Request& request) {
  Config::parse(request);
}

}  // namespace barewire::ipam::static_addresses
