// SPDX-License-Identifier: Apache-2.0
// Range sets keep the key that they came from, since a message has to name it.
#include "ipam/host_local/config.h"

#include <algorithm>

#include "core/log.h"
#include "ipam/requested_ips.h"
#include "ipam/resolv_conf.h"

namespace barewire::ipam::host_local {

namespace {

/// An address of `subnet`'s family under `key`; an empty string is the same as no key, as in Go's net.IP.
std::optional<IpAddress> find_address(const JsonView& range, std::string_view key, const IpPrefix& subnet) {
  const auto found = range.find(key);
  if (!found || found->string().empty()) return std::nullopt;
  const auto address = IpAddress::parse(found->string());
  if (!address || address->is_v4() != subnet.address.is_v4())
    found->reject(subnet.address.is_v4() ? "an IPv4 address" : "an IPv6 address");
  return address;
}

std::optional<IpAddress> find_in_subnet(const JsonView& range, std::string_view key, const IpPrefix& subnet) {
  const auto address = find_address(range, key, subnet);
  if (address && !subnet.contains(*address)) range.at(key).reject(fmt::format("an address of {}", subnet.text()));
  return address;
}

IpPrefix parse_subnet(const JsonView& subnet) {
  const auto prefix = IpPrefix::parse(subnet.string());
  if (!prefix) subnet.reject("a subnet, as 10.1.2.0/24");
  if (*prefix != prefix->network())
    subnet.reject(fmt::format("no host bits set: the network address is {}", prefix->network().text()));
  const auto longest = static_cast<std::uint8_t>(prefix->address.size() * 8 - 2);
  // As the reference: a smaller subnet has no room beside its own address and the gateway's.
  if (prefix->length > longest) subnet.reject(fmt::format("room for addresses: a prefix length up to {}", longest));
  return *prefix;
}

/// The last address; in IPv4 the one before, for the last is the broadcast address.
IpAddress default_end(const IpPrefix& subnet) {
  return subnet.address.is_v4() ? subnet.last().previous() : subnet.last();
}

Range parse_range(const JsonView& json) {
  Range range;
  range.subnet = parse_subnet(json.at("subnet"));
  // Of any subnet, as the reference takes it.
  range.gateway = find_address(json, "gateway", range.subnet).value_or(range.subnet.address.next());
  // The gateway may be among them: it is passed over when addresses are chosen.
  range.start = find_in_subnet(json, "rangeStart", range.subnet).value_or(range.subnet.address.next());
  range.end = find_in_subnet(json, "rangeEnd", range.subnet).value_or(default_end(range.subnet));
  if (range.end < range.start)
    json.at(json.has("rangeEnd") ? "rangeEnd" : "rangeStart")
        .reject(fmt::format("a range that does not end before it starts ({})", range.text()));
  return range;
}

RangeSet parse_range_set(const JsonView& json) {
  RangeSet set;
  for (const JsonView& element : json.array("an array of ranges")) {
    const Range range = parse_range(element);
    if (!set.empty() && set[0].subnet.address.is_v4() != range.subnet.address.is_v4())
      json.reject("ranges of one address family: a range set gives one address");
    if (overlap(set, {range})) json.reject(fmt::format("ranges that do not overlap ({})", element.path()));
    set.push_back(range);
  }
  if (set.empty()) json.reject("at least one range");
  return set;
}

/// With the key that each came from, for messages.
struct NamedSet {
  RangeSet set;
  std::string key;
};

void append_sets(const std::optional<JsonView>& json, std::vector<NamedSet>& sets) {
  if (!json) return;
  for (const JsonView& element : json->array("an array of range sets"))
    sets.push_back({parse_range_set(element), element.path()});
}

/// The order is the reference's: what the runtime asks for, the single range, the list.
std::vector<NamedSet> parse_range_sets(const cni::Request& request, const JsonView& ipam) {
  std::vector<NamedSet> sets;
  append_sets(request.conf.runtime_config("ipRanges"), sets);
  if (ipam.has("subnet")) sets.push_back({{parse_range(ipam)}, "ipam.subnet"});
  append_sets(ipam.find("ranges"), sets);
  if (sets.empty())
    throw Error(Error::Code::config, "config key \"ipam.ranges\" is missing; expected at least one range",
                "give ipam a \"subnet\", or \"ranges\": [[{\"subnet\": \"10.1.2.0/24\"}]]");
  for (std::size_t i = 0; i < sets.size(); ++i)
    for (std::size_t j = i + 1; j < sets.size(); ++j)
      if (overlap(sets[i].set, sets[j].set))
        throw Error(Error::Code::config, fmt::format("config keys \"{}\" ({}) and \"{}\" ({}) overlap", sets[i].key,
                                                     text_of(sets[i].set), sets[j].key, text_of(sets[j].set)));
  return sets;
}

/// Results before 0.3.0 have room for one address of each family.
void require_room_in_result(const cni::Version& version, const std::vector<NamedSet>& sets) {
  if (version >= cni::Version{0, 3, 0}) return;
  const auto v4 = std::count_if(sets.begin(), sets.end(), [](const NamedSet& s) { return s.set[0].start.is_v4(); });
  if (v4 > 1 || static_cast<std::ptrdiff_t>(sets.size()) - v4 > 1)
    throw Error(Error::Code::config,
                fmt::format("config key \"cniVersion\" is \"{}\"; expected at least 0.3.0 for more than one address of "
                            "a family",
                            version.text()));
}

/// "10.1.2.3" or "10.1.2.3/24", as the reference accepts in runtimeConfig; here everywhere.
IpAddress parse_asked(const AskedAddress& asked) {
  const auto prefix = IpPrefix::parse(asked.text);
  const auto address = prefix ? prefix->address : IpAddress::parse(asked.text);
  if (!address) asked.reject("an IP address");
  return *address;
}

std::vector<IpAddress> parse_requested(const cni::Request& request, const std::vector<NamedSet>& sets) {
  request.args.require_known({"IP"});
  auto asked = asked_in_args(request, "IP");
  for (const auto& list : {request.conf.cni_arg("ips"), request.conf.runtime_config("ips")})
    for (const AskedAddress& address : asked_in(list)) asked.push_back(address);
  std::vector<IpAddress> requested;
  std::vector<std::size_t> sets_used;
  for (const AskedAddress& one : asked) {
    const IpAddress address = parse_asked(one);
    // The runtime may say the same in two places.
    if (std::find(requested.begin(), requested.end(), address) != requested.end()) continue;
    const auto set =
        std::find_if(sets.begin(), sets.end(), [&](const NamedSet& s) { return find_range(s.set, address); });
    if (set == sets.end()) one.reject("an address of the configured ranges");
    if (find_range(set->set, address)->gateway == address) one.reject("an address other than the gateway");
    const auto index = static_cast<std::size_t>(set - sets.begin());
    if (std::find(sets_used.begin(), sets_used.end(), index) != sets_used.end())
      one.reject(fmt::format("one address of each range set; {} has given one already", set->key));
    sets_used.push_back(index);
    requested.push_back(address);
  }
  return requested;
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonView root = request.conf.root();
  const JsonView ipam = root.at("ipam");
  auto sets = parse_range_sets(request, ipam);
  require_room_in_result(request.conf.cni_version, sets);
  Config config;
  config.requested = parse_requested(request, sets);
  for (NamedSet& named : sets) config.range_sets.push_back(std::move(named.set));
  if (const auto routes = ipam.find("routes"))
    for (const JsonView& route : routes->array("an array of routes")) config.routes.push_back(cni::parse_route(route));
  const std::string resolv_conf = ipam.string_or("resolvConf", "");
  if (!resolv_conf.empty()) config.dns = read_resolv_conf(resolv_conf);
  config.strict_status = ipam.boolean_or("strictStatus", false);
  return config;
}

std::string reservation_directory(const cni::Request& request, const Node& node) {
  std::string directory = node.cni_state_dir + "/networks";
  const JsonView root = request.conf.root();
  // A runtime calls DEL until it succeeds, so what DEL does not need may be wrong by then.
  const bool lenient = request.command == cni::Command::del;
  if (!lenient || (root.has("ipam") && root.at("ipam").is_object())) {
    const auto given = root.at("ipam").find("dataDir");
    if (given && (!lenient || given->is_string()) && !given->string().empty()) directory = given->string();
    if (given && lenient && !given->is_string())
      log_warning("ignoring config key \"{}\": it is no string", given->path());
  }
  return directory + "/" + request.conf.name;
}

std::string index_directory(const Node& node) {
  return node.run_dir + "/host-local";
}

}  // namespace barewire::ipam::host_local
