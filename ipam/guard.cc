// SPDX-License-Identifier: Apache-2.0
// The keys as docs/configuration lists them. Gateways count as addresses: a bridge with "isGateway" gives them to the
// node.
#include "ipam/guard.h"

#include <array>

#include "ipam/dhcp/config.h"

namespace barewire::ipam {

namespace {

using policy::Asks;
using policy::Subject;

constexpr std::array kHostLocalKeys{
    cni::read_by_guard("runtimeConfig.ipRanges", Subject::addresses),
    cni::read_by_guard("ipam.subnet", Subject::addresses),
    cni::read_by_guard("ipam.rangeStart", Subject::addresses),
    cni::read_by_guard("ipam.rangeEnd", Subject::addresses),
    cni::read_by_guard("ipam.gateway", Subject::addresses),
    cni::read_by_guard("ipam.ranges", Subject::addresses),
    cni::harmless("ipam.routes", "routes of the pod"),
    cni::asks("ipam.dataDir", Subject::data_dirs),
    cni::asks("ipam.resolvConf", Subject::read_files),
    cni::harmless("ipam.strictStatus", "what STATUS says"),
    cni::harmless("CNI_ARGS IP", "asked for with the common keys"),
    cni::harmless("args.cni.ips", "asked for with the common keys"),
    cni::harmless("runtimeConfig.ips", "asked for with the common keys"),
    // Of a range:
    cni::read_by_guard("ipam.ranges[].subnet", Subject::addresses),
    cni::read_by_guard("ipam.ranges[].rangeStart", Subject::addresses),
    cni::read_by_guard("ipam.ranges[].rangeEnd", Subject::addresses),
    cni::read_by_guard("ipam.ranges[].gateway", Subject::addresses),
};

/// What may be handed out: from `rangeStart` to `rangeEnd` where those are given, else all of the subnet.
void ask_one_range(const JsonView& range, Asks& asks) {
  if (!range.is_object()) return asks.push_back({Subject::addresses, range.path(), "a value that is not understood"});
  const std::string subnet = range.string_or("subnet", "");
  const auto prefix = IpPrefix::parse(subnet);
  // What cannot be understood is asked for as it is written, and refused where addresses are bounded.
  if (!prefix) return asks.push_back(policy::ask_address(Subject::addresses, range.path() + ".subnet", subnet));
  const auto end_of = [&](const char* key, const IpAddress& otherwise) {
    return IpAddress::parse(range.string_or(key, "")).value_or(otherwise);
  };
  asks.push_back(
      policy::ask_addresses(Subject::addresses, range.path() + ".subnet",
                            {end_of("rangeStart", prefix->network().address), end_of("rangeEnd", prefix->last())}));
  if (const std::string gateway = range.string_or("gateway", ""); !gateway.empty())
    asks.push_back(policy::ask_address(Subject::addresses, range.path() + ".gateway", gateway));
}

/// A list of lists of ranges.
void ask_ranges(const std::optional<JsonView>& sets, Asks& asks) {
  if (!sets) return;
  for (const JsonView& set : sets->array("an array of range sets"))
    for (const JsonView& range : set.array("an array of ranges")) ask_one_range(range, asks);
}

void ask_host_local(const cni::Request& request, const Node&, Asks& asks) {
  ask_ranges(request.conf.runtime_config("ipRanges"), asks);
  const auto ipam = request.conf.root().find("ipam");
  if (!ipam) return;
  // The old form: the keys of one range stand in "ipam" itself.
  if (ipam->has("subnet")) ask_one_range(*ipam, asks);
  ask_ranges(ipam->find("ranges"), asks);
}

constexpr std::array kStaticKeys{
    cni::asks("ipam.addresses[].address", Subject::addresses),
    cni::asks("ipam.addresses[].gateway", Subject::addresses),
    cni::harmless("ipam.addresses", "its parts are listed one by one"),
    cni::harmless("ipam.routes", "routes of the pod"),
    cni::harmless("ipam.dns", "told in the result"),
    cni::harmless("CNI_ARGS IP", "asked for with the common keys"),
    cni::harmless("CNI_ARGS GATEWAY", "asked for with the common keys"),
    cni::harmless("args.cni.ips", "asked for with the common keys"),
    cni::harmless("runtimeConfig.ips", "asked for with the common keys"),
};

constexpr std::array kDhcpKeys{
    cni::read_by_guard("ipam.daemonSocketPath", Subject::endpoints),
    cni::harmless("ipam.provide", "its parts are listed one by one"),
    cni::read_by_guard("ipam.provide[].option", Subject::dhcp_options),
    cni::harmless("ipam.provide[].value", "bounded by the option"),
    cni::harmless("ipam.provide[].fromArg", "bounded by the option"),
    cni::harmless("ipam.request", "what the server is asked to tell"),
    cni::harmless("ipam.request[].skipDefault", "what the server is asked to tell"),
    cni::harmless("ipam.priority", "routes of the pod"),
    cni::harmless("ipam.suppress", "routes of the pod"),
};

/// An option has a number, and some have a name too: one bound for both.
void ask_dhcp(const cni::Request& request, const Node&, Asks& asks) {
  const auto ipam = request.conf.root().find("ipam");
  if (!ipam) return;
  if (const std::string path = ipam->string_or("daemonSocketPath", ""); !path.empty())
    asks.push_back(policy::ask_name(Subject::endpoints, "ipam.daemonSocketPath", "unix:" + path));
  const auto list = ipam->find("provide");
  if (!list) return;
  for (const JsonView& entry : list->array("an array of objects with the key \"option\"")) {
    const JsonView option = entry.at("option");
    std::string text = option.is_string() ? option.string() : std::to_string(option.integer(1, 254, "an option"));
    policy::Ask ask = policy::ask_name(Subject::dhcp_options, option.path(), text);
    if (const auto number = dhcp::parse_option(text)) ask.names.push_back(std::to_string(*number));
    asks.push_back(std::move(ask));
  }
}

}  // namespace

const cni::Guard kDhcpGuard{.keys = kDhcpKeys, .more = ask_dhcp};
const cni::Guard kHostLocalGuard{.keys = kHostLocalKeys, .more = ask_host_local};
const cni::Guard kStaticGuard{.keys = kStaticKeys};

}  // namespace barewire::ipam
