// SPDX-License-Identifier: Apache-2.0
// The keys as docs/configuration lists them. A VF without a VLAN of its own may send any tag, and one without a rate
// any amount: so keys left out ask for that.
#include "sriov-plugin/guard.h"

#include <array>
#include <limits>

#include "core/cni/fallback.h"
#include "core/kernel/link.h"
#include "core/vf/asks.h"
#include "sriov-plugin/claimed.h"
#include "sriov-plugin/config.h"
#include "sriov-plugin/host_device_config.h"

namespace barewire {

namespace {

using cni::GuardedKey;
using policy::Asks;
using policy::Subject;

constexpr std::uint64_t kLastVlan = 4095;

constexpr std::array kSriovKeys{
    cni::read_by_guard("deviceID", Subject::pfs),
    cni::read_by_guard("pciBusID", Subject::pfs),
    cni::read_by_guard("runtimeConfig.deviceID", Subject::pfs),
    cni::read_by_guard("pool", Subject::pfs),
    cni::read_by_guard("pf", Subject::pfs),
    cni::harmless("driver", "which VFs of the pool are meant: asked for with the pool"),
    cni::harmless("strictStatus", "what STATUS says"),
    cni::read_by_guard("vlan", Subject::vlans),
    cni::asks("vlanQoS", Subject::vlan_priorities),
    cni::read_by_guard("vlanProto", Subject::qinq),
    cni::harmless("mac", "asked for with the common keys"),
    cni::read_by_guard("spoofchk", Subject::spoofchk_off),
    cni::read_by_guard("trust", Subject::trust),
    cni::asks("link_state", Subject::link_states),
    cni::asks("min_tx_rate", Subject::guaranteed_rate),
    cni::read_by_guard("max_tx_rate", Subject::rate),
    cni::asks("mtu", Subject::mtu),
    cni::asks("promisc", Subject::promisc),
    cni::asks("allmulti", Subject::allmulti),
    cni::harmless("runtimeConfig.CNIDeviceInfoFile", "asked for with the common keys"),
    cni::harmless("ipam", "its plugin's guard is asked"),
    cni::read_by_guard("fallback", Subject::plugins),
};

void ask_vlan(const JsonView& root, Asks& asks) {
  const auto vlan = root.find("vlan");
  const std::int64_t id = vlan ? vlan->integer(0, static_cast<std::int64_t>(kLastVlan), "an 802.1Q VLAN id") : 0;
  if (id == 0)
    // Without a VLAN the VF is on the switch as it is, and may tag its frames itself.
    asks.push_back(policy::ask_range(Subject::vlans, "vlan", {0, kLastVlan}, "every VLAN, since none is set"));
  else
    asks.push_back(policy::ask_number(Subject::vlans, "vlan", static_cast<std::uint64_t>(id)));
  const auto proto = root.find("vlanProto");
  if (proto && vf::parse_vlan_proto(proto->string()) != kernel::VlanProto::dot1q)
    asks.push_back(policy::ask_flag(Subject::qinq, "vlanProto"));
}

void ask_switches(const JsonView& root, Asks& asks) {
  const auto trust = root.find("trust"), spoofchk = root.find("spoofchk");
  if (trust && trust->string() == "on") asks.push_back(policy::ask_flag(Subject::trust, "trust"));
  // Any word but "on" means off.
  if (spoofchk && !spoofchk->string().empty() && spoofchk->string() != "on")
    asks.push_back(policy::ask_flag(Subject::spoofchk_off, "spoofchk"));
}

void ask_rate(const JsonView& root, Asks& asks) {
  // 0 and no key mean the same to the kernel: unlimited. So both ask for that.
  const std::int64_t rate = root.integer_or("max_tx_rate", 0, UINT32_MAX, "Mb/s, 0 = no limit", 0);
  asks.push_back(rate == 0 ? policy::ask_number(Subject::rate, "max_tx_rate", policy::kUnlimited, "no limit")
                           : policy::ask_number(Subject::rate, "max_tx_rate", static_cast<std::uint64_t>(rate)));
}

/// What a claim adds to the keys of the table, as the table asks for it.
void ask_claimed(const JsonView& given, const JsonView& root, Asks& asks) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto added = [&](std::string_view key) { return given.has(key) ? std::nullopt : root.find(key); };
  if (const auto mac = added("mac")) asks.push_back(policy::ask_mac("mac", mac->string()));
  if (const auto state = added("link_state"))
    asks.push_back(policy::ask_name(Subject::link_states, "link_state", state->string()));
  const std::pair<const char*, Subject> kNumbers[] = {
      {"vlanQoS", Subject::vlan_priorities}, {"min_tx_rate", Subject::guaranteed_rate}, {"mtu", Subject::mtu}};
  for (const auto& [key, subject] : kNumbers)
    if (const auto number = added(key))
      asks.push_back(
          policy::ask_number(subject, key, static_cast<std::uint64_t>(number->integer(0, kMost, "a number"))));
  const std::pair<const char*, Subject> kFlags[] = {{"promisc", Subject::promisc}, {"allmulti", Subject::allmulti}};
  for (const auto& [key, subject] : kFlags)
    if (const auto flag = added(key); flag && flag->boolean()) asks.push_back(policy::ask_flag(subject, key));
}

void ask_vf(const cni::Request& call, const Node& node, Asks& asks) {
  const cni::Request request = sriov::with_claim(call, node);
  const JsonView root = request.conf.root();
  ask_claimed(call.conf.root(), root, asks);
  vf::ask_requested_device(request.conf.root(), node, asks);
  const sriov::Config config = sriov::Config::parse_pool(request);
  for (const vf::VfRange& range : config.pool) vf::ask_pool(node, root.has("pf") ? "pf" : "pool", range, asks);
  ask_vlan(root, asks);
  ask_switches(root, asks);
  ask_rate(root, asks);
  if (const auto fallback = cni::Fallback::parse(request))
    cni::ask_delegate(request, fallback->config, "fallback", node, asks);
}

constexpr std::array kHostDeviceKeys{
    cni::read_by_guard("runtimeConfig.deviceID", Subject::devices),
    cni::read_by_guard("device", Subject::devices),
    cni::read_by_guard("hwaddr", Subject::devices),
    cni::read_by_guard("kernelpath", Subject::devices),
    cni::read_by_guard("pciBusID", Subject::devices),
    cni::harmless("ipam", "its plugin's guard is asked"),
};

/// By whatever names it: what is asked for is the device found. One that is not there now is asked for as it is
/// written.
void ask_host_device(const cni::Request& request, const Node& node, Asks& asks) {
  const auto query = host_device::DeviceQuery::parse(request);
  if (!query.bus_address.empty()) vf::ask_device(node, "pciBusID", query.bus_address, asks);
  if (!query.name.empty()) vf::ask_device(node, "device", query.name, asks);
  if (query.mac) {
    kernel::NlSocket socket;
    bool found = false;
    // An address is no name: several interfaces may have it (a bond's ports), and each of them is asked for.
    for (const kernel::Link& link : kernel::list_links(socket)) {
      if (link.mac != query.mac) continue;
      vf::ask_device(node, "hwaddr", link.name, asks);
      found = true;
    }
    if (!found) asks.push_back(policy::ask_name(Subject::devices, "hwaddr", query.mac->text()));
  }
  if (query.kernel_path.empty()) return;
  vf::Host host(node);
  const auto device =
      host_device::find_device(host, {.name = {}, .mac = {}, .kernel_path = query.kernel_path, .bus_address = {}});
  vf::ask_device(node, "kernelpath", device && device->link ? device->link->name : query.kernel_path, asks);
}

}  // namespace

const cni::Guard kSriovGuard{.keys = kSriovKeys, .more = ask_vf};
const cni::Guard kHostDeviceGuard{.keys = kHostDeviceKeys, .more = ask_host_device};

}  // namespace barewire
