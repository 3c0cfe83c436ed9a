// SPDX-License-Identifier: Apache-2.0
// Options that the protocol sets by itself are refused, since a second one would end the exchange with most servers.
#include "ipam/dhcp/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "core/unix_socket.h"

namespace barewire::ipam::dhcp {

namespace {

struct Name {
  std::string_view text;
  Option option;
};
constexpr std::array kNames = {Name{"dhcp-client-identifier", kClientIdentifier},
                               Name{"subnet-mask", kSubnetMask},
                               Name{"routers", kRouters},
                               Name{"host-name", kHostName},
                               Name{"user-class", kUserClass},
                               Name{"vendor-class-identifier", kVendorClass}};
constexpr const char* kOptionMeaning =
    "dhcp-client-identifier, subnet-mask, routers, host-name, user-class, vendor-class-identifier, or a number from 1 "
    "to "
    "254";
/// What the protocol itself sets: another value would make it fail.
constexpr std::array kOwn = {kRequestedAddress,     kLeaseTime,  kOverload, kMessageType, kServerIdentifier,
                             kParameterRequestList, kMaximumSize};
constexpr std::size_t kLongest = 255;

std::uint8_t option_of(const JsonView& key) {
  // Text in the reference plugin; a number says the same.
  const auto option = parse_option(key.value().is_int64() ? std::to_string(key.value().get_int64()) : key.string());
  if (!option) key.reject(kOptionMeaning);
  return *option;
}

std::uint8_t provided_option_of(const JsonView& entry) {
  const JsonView key = entry.at("option");
  const std::uint8_t option = option_of(key);
  if (std::find(kOwn.begin(), kOwn.end(), option) != kOwn.end())
    key.reject("an option other than 50 to 55 and 57, which the protocol itself sets");
  return option;
}

/// `fromArg`, where CNI_ARGS has it, wins over `value`.
std::optional<std::string> provided_value(const JsonView& entry, const cni::Request& request) {
  std::optional<std::string> value;
  if (const std::string written = entry.string_or("value", ""); !written.empty()) value = written;
  const std::string argument = entry.string_or("fromArg", "");
  if (!argument.empty())
    // Its absence is no error: a runtime that is not Kubernetes has other arguments.
    if (const auto found = request.args.find(argument)) value = found;
  if (value && value->size() > kLongest)
    entry.reject(fmt::format("a value of at most {} bytes, and this one has {}", kLongest, value->size()));
  return value;
}

std::map<std::uint8_t, Bytes> parse_provided(const JsonView& ipam, const cni::Request& request) {
  std::map<std::uint8_t, Bytes> provided;
  const auto list = ipam.find("provide");
  if (!list) return provided;
  for (const JsonView& entry : list->array("an array of objects with the key \"option\"")) {
    const std::uint8_t option = provided_option_of(entry);
    if (const auto value = provided_value(entry, request)) provided[option] = Bytes(value->begin(), value->end());
  }
  return provided;
}

Bytes parse_requested(const JsonView& ipam) {
  Bytes requested;
  bool with_default = true;
  const auto add = [&](std::uint8_t option) {
    if (std::find(requested.begin(), requested.end(), option) == requested.end()) requested.push_back(option);
  };
  if (const auto list = ipam.find("request"))
    for (const JsonView& entry : list->array("an array of objects with the key \"option\"")) {
      if (entry.boolean_or("skipDefault", false)) with_default = false;
      const auto key = entry.find("option");
      if (key && !(key->is_string() && key->string().empty())) add(option_of(*key));
    }
  // Without a mask there is no result; the reference plugin asks for both unless it is told not to.
  if (with_default) {
    add(kRouters);
    add(kSubnetMask);
  }
  return requested;
}

bool parse_with_gateway(const JsonView& ipam) {
  const auto list = ipam.find("suppress");
  if (!list) return true;
  bool with_gateway = true;
  for (const JsonView& item : list->array("an array of \"gateway\"")) {
    if (item.string() != "gateway") item.reject("\"gateway\"");
    with_gateway = false;
  }
  return with_gateway;
}

}  // namespace

std::optional<std::uint8_t> parse_option(std::string_view text) {
  for (const Name& name : kNames)
    if (name.text == text) return name.option;
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 1 || number > 254) return std::nullopt;
  return static_cast<std::uint8_t>(number);
}

Config Config::parse(const cni::Request& request) {
  const JsonView ipam = request.conf.root().at("ipam");
  Config config;
  config.provided = parse_provided(ipam, request);
  config.requested = parse_requested(ipam);
  config.with_gateway = parse_with_gateway(ipam);
  const std::int64_t priority =
      ipam.integer_or("priority", 0, std::numeric_limits<std::uint32_t>::max(), "a metric, 0 for the kernel's own", 0);
  if (priority != 0) config.priority = static_cast<std::uint32_t>(priority);
  return config;
}

std::string socket_path_of(const cni::Request& request) {
  const auto ipam = request.conf.root().find("ipam");
  const auto key = ipam ? ipam->find("daemonSocketPath") : std::nullopt;
  if (!key || key->string().empty()) return kDefaultSocketPath;
  const std::string path = key->string();
  if (path.front() != '/' || path.size() > kLongestSocketPath)
    key->reject(fmt::format("an absolute path of at most {} bytes", kLongestSocketPath));
  return path;
}

Bytes client_identifier(const std::string& network, const std::string& container_id, const std::string& ifname) {
  constexpr std::size_t kMost = 254;  // one byte of the option says what kind of identifier it is
  // The container comes first, since the end is what may be cut.
  const std::string text = fmt::format("{}/{}/{}", container_id, network, ifname).substr(0, kMost);
  // The first byte is 0: an identifier that is no hardware address. Source: RFC 2132 §9.14.
  Bytes identifier(1 + text.size());
  std::copy(text.begin(), text.end(), identifier.begin() + 1);
  return identifier;
}

}  // namespace barewire::ipam::dhcp
