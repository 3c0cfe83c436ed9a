// SPDX-License-Identifier: Apache-2.0
// Only the first address of a family is mapped to, as in the reference plugin.
#include "standard-plugins/portmap/config.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "core/text.h"
#include "standard-plugins/portmap/conditions.h"

namespace barewire::standard {

namespace {

constexpr std::int64_t kLargestPort = 65535;

struct Protocol {
  std::string_view name;
  std::uint8_t number;
};
constexpr std::array kProtocols{Protocol{"tcp", IPPROTO_TCP}, Protocol{"udp", IPPROTO_UDP},
                                Protocol{"sctp", IPPROTO_SCTP}};

std::string parse_protocol(const JsonView& mapping) {
  const auto key = mapping.find("protocol");
  if (!key || key->string().empty()) return "tcp";
  // Kubernetes writes TCP, others tcp.
  std::string name = to_lower(key->string());
  for (const Protocol& protocol : kProtocols)
    if (protocol.name == name) return name;
  key->reject("\"tcp\", \"udp\" or \"sctp\"");
}

std::optional<IpAddress> parse_host_ip(const JsonView& mapping) {
  const auto key = mapping.find("hostIP");
  if (!key || key->string().empty()) return std::nullopt;
  const auto address = IpAddress::parse(key->string());
  if (!address) key->reject("an IP address of the node");
  return address;
}

PortMapping parse_mapping(const JsonView& view) {
  const auto port = [&](const char* key, const char* meaning) {
    return static_cast<std::uint16_t>(view.at(key).integer(1, kLargestPort, meaning));
  };
  PortMapping mapping;
  mapping.host_port = port("hostPort", "a port of the node");
  mapping.container_port = port("containerPort", "a port of the pod");
  mapping.protocol = parse_protocol(view);
  mapping.host_ip = parse_host_ip(view);
  return mapping;
}

std::optional<NatBackend> parse_backend(const JsonView& root) {
  const auto key = root.find("backend");
  if (!key || key->string().empty()) return std::nullopt;
  if (key->string() == "nftables") return NatBackend::nftables;
  if (key->string() == "iptables") return NatBackend::iptables;
  key->reject("\"nftables\" or \"iptables\"");
}

std::vector<std::string> read_conditions(const JsonView& root, const char* name) {
  const auto key = root.find(name);
  if (!key) return {};
  std::vector<std::string> words = key->strings();
  std::erase(words, "");
  if (const auto host = find_host_name(words))
    throw Error(Error::Code::config, fmt::format("config key \"{}\" has {} as an address", name, *host),
                "write addresses in digits: a name server must not decide whether a pod starts");
  return words;
}

void validate(const PortmapConfig& config, const JsonView& root) {
  if (config.external_mark_chain.empty()) return;
  // Both say how packets are marked: the reference plugin refuses the two together as well.
  if (root.has("markMasqBit")) root.at("markMasqBit").reject("no value, because externalSetMarkChain is given");
  // The chain is of iptables' table, to which a rule of another table cannot jump.
  if (config.backend == NatBackend::nftables)
    root.at("externalSetMarkChain").reject("no value, because backend is nftables");
}

}  // namespace

std::uint8_t PortMapping::protocol_number() const {
  const auto* found = std::find_if(kProtocols.begin(), kProtocols.end(),
                                   [&](const Protocol& candidate) { return candidate.name == protocol; });
  return found == kProtocols.end() ? std::uint8_t{0} : found->number;
}

std::optional<IpAddress> PortMapping::only_address() const {
  // 0.0.0.0 is how runtimes write "every address of the node".
  if (!host_ip || host_ip->is_unspecified()) return std::nullopt;
  return host_ip;
}

PortmapConfig PortmapConfig::parse(const cni::NetConf& conf) {
  constexpr std::int64_t kHighestBit = 31;
  const JsonView root = conf.root();
  PortmapConfig config;
  config.backend = parse_backend(root);
  config.source_nat = root.boolean_or("snat", true);
  config.masquerade_all = root.boolean_or("masqAll", false);
  config.conditions_v4 = read_conditions(root, "conditionsV4");
  config.conditions_v6 = read_conditions(root, "conditionsV6");
  config.external_mark_chain = root.string_or("externalSetMarkChain", "");
  // The default (13) is the reference plugin's, chosen beside the bits that Kubernetes uses (14 and 15).
  config.mark_bit = static_cast<int>(
      root.integer_or("markMasqBit", 0, kHighestBit, "the number of a bit of the packet mark", config.mark_bit));
  if (const auto list = conf.runtime_config("portMappings"))
    for (const JsonView& mapping : list->array("a list of port mappings"))
      config.mappings.push_back(parse_mapping(mapping));
  validate(config, root);
  return config;
}

std::vector<IpPrefix> pod_addresses(const cni::Result& previous, const std::string& ifname) {
  const auto is_of_pod = [&](const cni::IpConfig& ip) {
    // Results of old versions name no interface: the address is taken for the pod's.
    if (!ip.interface || *ip.interface < 0) return true;
    const auto position = static_cast<std::size_t>(*ip.interface);
    if (position >= previous.interfaces.size()) return true;
    const cni::Interface& interface = previous.interfaces[position];
    return interface.name == ifname && !interface.sandbox.empty();
  };
  std::vector<IpPrefix> addresses;
  for (const bool v4 : {true, false}) {
    const auto found = std::find_if(previous.ips.begin(), previous.ips.end(), [&](const cni::IpConfig& ip) {
      return ip.address.address.is_v4() == v4 && is_of_pod(ip);
    });
    if (found != previous.ips.end()) addresses.push_back(found->address);
  }
  return addresses;
}

}  // namespace barewire::standard
