// SPDX-License-Identifier: Apache-2.0
// Several pods may want the same gateway at the same moment; "it is there already" is then a success.
#include "standard-plugins/common/gateway.h"

#include <linux/if_addr.h>

#include <algorithm>
#include <cerrno>

#include "core/kernel/address.h"
#include "core/kernel/sysctl.h"

namespace barewire::standard {

namespace {

constexpr const char* kForward4 = "net/ipv4/ip_forward";
constexpr const char* kForward6 = "net/ipv6/conf/all/forwarding";

bool has_family(const std::vector<cni::IpConfig>& ips, bool v4) {
  return std::any_of(ips.begin(), ips.end(), [&](const cni::IpConfig& ip) { return ip.address.address.is_v4() == v4; });
}

std::vector<const char*> forwarding_keys(const std::vector<cni::IpConfig>& ips) {
  std::vector<const char*> keys;
  if (has_family(ips, true)) keys.push_back(kForward4);
  if (has_family(ips, false)) keys.push_back(kForward6);
  return keys;
}

bool has_default_route(const cni::Result& result, bool v4) {
  return std::any_of(result.routes.begin(), result.routes.end(), [&](const cni::Route& route) {
    return route.gateway && route.destination.is_default() && route.destination.address.is_v4() == v4;
  });
}

/// Several addresses of one IPv4 link, or overlapping IPv6 subnets, are taken for a mistake.
bool conflicts(const IpPrefix& present, const IpPrefix& wanted) {
  if (present.address.is_v4() != wanted.address.is_v4()) return false;
  if (present.address.is_v4()) return true;
  return !present.address.is_link_local() && present.overlaps(wanted);
}

bool is_on(const char* key) {
  const auto value = kernel::read_sysctl(key);
  return value && !value->starts_with('0');
}

}  // namespace

void default_gateways(cni::Result& result) {
  for (cni::IpConfig& ip : result.ips)
    // The first address of the subnet, as the reference chooses it.
    if (!ip.gateway) ip.gateway = ip.address.network().address.next();
}

void add_default_routes(cni::Result& result) {
  for (const cni::IpConfig& ip : result.ips) {
    const bool v4 = ip.address.address.is_v4();
    if (!ip.gateway || has_default_route(result, v4)) continue;
    cni::Route route;
    route.destination = *IpPrefix::parse(v4 ? "0.0.0.0/0" : "::/0");
    route.gateway = ip.gateway;
    result.routes.push_back(route);
  }
}

std::vector<IpPrefix> gateways_of(const cni::Result& result) {
  std::vector<IpPrefix> gateways;
  for (const cni::IpConfig& ip : result.ips) {
    if (!ip.gateway || ip.gateway->is_unspecified()) continue;
    const IpPrefix gateway{*ip.gateway, ip.address.length};
    if (std::find(gateways.begin(), gateways.end(), gateway) == gateways.end()) gateways.push_back(gateway);
  }
  return gateways;
}

void ensure_gateway(kernel::NlSocket& socket, const kernel::Link& link, const IpPrefix& gateway,
                    const GatewayTerms& terms) {
  const auto present = kernel::list_addresses(socket, link.index, gateway.address.family());
  // Looked for first: each pod of the network asks for the same one, and all but the first find it.
  for (const kernel::AddressInfo& address : present)
    if (address.prefix == gateway) return;
  for (const kernel::AddressInfo& address : present) {
    if (!conflicts(address.prefix, gateway)) continue;
    if (!terms.force)
      throw Error(Error::Code::held,
                  fmt::format("giving {} the gateway address {} failed: it already has {}", link.name, gateway.text(),
                              address.prefix.text()),
                  "another network uses this bridge, or the subnet was changed; \"forceAddress\": true replaces it");
    kernel::remove_address(socket, link.index, address.prefix);
  }
  try {
    // IPv4 has no probe in the kernel. For IPv6 it takes a second, which is spared where nobody else can have the
    // address.
    const bool probe = gateway.address.is_v4() || !terms.probe || terms.probe();
    kernel::add_address(socket, link.index, gateway, probe ? 0U : std::uint32_t{IFA_F_NODAD});
  } catch (const kernel::KernelError& error) {
    if (error.err() != EEXIST) throw;  // another pod's ADD was faster
  }
}

void enable_forwarding(const std::vector<cni::IpConfig>& ips) {
  for (const char* key : forwarding_keys(ips))
    // Written only where it is off: a node whose sysctls are read-only works all the same when it forwards already.
    if (!is_on(key)) kernel::write_sysctl(key, "1");
}

std::vector<std::string> compare_forwarding(const std::vector<cni::IpConfig>& ips) {
  std::vector<std::string> missing;
  for (const char* key : forwarding_keys(ips))
    if (!is_on(key)) missing.push_back(fmt::format("sysctl {} is off", key));
  return missing;
}

}  // namespace barewire::standard
