// SPDX-License-Identifier: Apache-2.0
// What a profile knows is asked first, then the kernel, by requests that change nothing.
#include "sriov-plugin/preflight.h"

#include <fmt/ranges.h>
#include <net/if_arp.h>

#include "core/kernel/devlink.h"
#include "core/vf/claim.h"

namespace barewire::sriov {

namespace {

using hw::Attribute;

void check_netdev_settings(const vf::VfOfPf& target, const vf::Settings& settings) {
  if (!kernel::is_userspace_driver(target.vf.pci.driver)) return;
  const auto refuse = [&](const char* key) {
    throw Error(Error::Code::config,
                fmt::format("config key \"{}\" cannot be applied: VF {} is on {} and has no netdev", key,
                            target.vf.pci.address, target.vf.pci.driver),
                "leave it to the program that drives the VF");
  };
  if (settings.mtu) refuse("mtu");
  if (settings.promisc.value_or(false)) refuse("promisc");
  if (settings.allmulti.value_or(false)) refuse("allmulti");
}

/// Asked only where the answer can be yes: the question costs a generic netlink socket.
bool is_in_switchdev(const hw::Nic& nic, const std::string& pf) {
  if (nic.profile.switchdev.capability.support == hw::Capability::Support::no) return false;
  return kernel::find_eswitch_mode({"pci", pf}) == kernel::EswitchMode::switchdev;
}

hw::Target target_of(const hw::Nic& nic, const vf::VfOfPf& target, const vf::Settings& settings) {
  hw::Target result;
  result.pf_address = target.pf.pci.address;
  result.vf = target.vf.id;
  // As it will be: some NICs allow more to a VF that is trusted by then.
  result.trusted = settings.trust.value_or(target.vf.info && target.vf.info->trust.value_or(false));
  result.switchdev = is_in_switchdev(nic, target.pf.pci.address);
  return result;
}

bool needs_pf(const vf::Settings& settings) {
  return settings.mac || settings.vlan || settings.spoof_check || settings.trust || settings.link_state ||
         settings.min_tx_rate || settings.max_tx_rate;
}

void check_pf(const hw::Nic& nic, const vf::VfOfPf& target, const vf::Settings& settings) {
  if (!needs_pf(settings)) return;
  const std::string& pf = target.pf.pci.address;
  if (!target.pf.link)
    throw Error(Error::Code::device, fmt::format("PF {} has no netdev on the host, so its VFs cannot be set", pf),
                "bind the PF's driver, or bring its netdev back into the host's netns");
  if (!target.vf.info)
    throw Error(Error::Code::unsupported_by_nic,
                fmt::format("setting attributes of VF {} is not supported: PF {} ({}) tells nothing of its VFs",
                            target.vf.pci.address, pf, nic.profile.description()),
                "remove mac, vlan, spoofchk, trust, link_state and the rates from the network config");
  const hw::Profile& profile = nic.profile;
  // Only where it was seen on such a NIC: a guess must not refuse what might work.
  if (profile.pf_must_be_up.value && profile.pf_must_be_up.verified && !target.pf.link->is_up())
    throw Error(
        Error::Code::device,
        fmt::format("PF {} is down, and {} takes no VF settings then", target.pf.link->name, profile.description()),
        fmt::format("ip link set {} up", target.pf.link->name));
}

/// The change that sets what is set already: the driver says whether it knows the attribute, and nothing happens.
std::optional<kernel::VfChange> harmless_change(Attribute attribute, const kernel::VfInfo& info) {
  kernel::VfChange change;
  switch (attribute) {
    case Attribute::vlan:
      change.vlan = kernel::VfChange::Vlan{info.vlan, info.qos, info.vlan_proto};
      return change;
    case Attribute::spoofchk:
      change.spoof_check = info.spoof_check;
      break;
    case Attribute::trust:
      change.trust = info.trust;
      break;
    case Attribute::link_state:
      change.link_state = info.link_state;
      break;
    case Attribute::min_tx_rate:
    case Attribute::max_tx_rate:
      // One request sets both rates, so one question answers for both.
      change.max_tx_rate = info.max_tx_rate;
      return change;
    default:
      return std::nullopt;
  }
  if (!change.spoof_check && !change.trust && !change.link_state) return std::nullopt;
  return change;
}

/// What a driver does not report, it does not have.
bool is_reported(Attribute attribute, const kernel::VfInfo& info) {
  if (attribute == Attribute::spoofchk) return info.spoof_check.has_value();
  if (attribute == Attribute::trust) return info.trust.has_value();
  return attribute != Attribute::link_state || info.link_state.has_value();
}

bool is_offered(vf::Host& host, const vf::VfOfPf& target, Attribute attribute) {
  const kernel::VfInfo& info = *target.vf.info;
  if (!is_reported(attribute, info)) return false;
  const auto change = harmless_change(attribute, info);
  if (!change) return true;
  try {
    kernel::change_vf(host.socket, target.pf.link->index, target.pf.link->name, info.id, *change);
  } catch (const kernel::KernelError& error) {
    // Any other refusal is about this value or this moment, and tells nothing of the attribute.
    return error.err() != EOPNOTSUPP && error.err() != ENOSYS;
  }
  return true;
}

void request(std::vector<hw::Requested>& list, Attribute attribute, const char* key, std::string value,
             std::optional<std::int64_t> number = std::nullopt) {
  list.push_back({attribute, key, std::move(value), number});
}

const char* on_off(bool on) {
  return on ? "on" : "off";
}

}  // namespace

std::vector<hw::Requested> requested_attributes(const vf::Settings& settings) {
  std::vector<hw::Requested> list;
  if (settings.mac) request(list, Attribute::mac, "mac", settings.mac->text());
  if (const auto& vlan = settings.vlan) {
    request(list, Attribute::vlan, "vlan", fmt::format("{}", vlan->id), vlan->id);
    if (vlan->qos != 0) request(list, Attribute::vlan_qos, "vlanQoS", fmt::format("{}", vlan->qos), vlan->qos);
    if (vlan->proto == kernel::VlanProto::dot1ad) request(list, Attribute::vlan_8021ad, "vlanProto", "802.1ad");
  }
  if (settings.spoof_check) request(list, Attribute::spoofchk, "spoofchk", on_off(*settings.spoof_check));
  if (settings.trust) request(list, Attribute::trust, "trust", on_off(*settings.trust));
  if (settings.link_state)
    request(list, Attribute::link_state, "link_state", std::string(vf::word(*settings.link_state)));
  if (const auto& rate = settings.min_tx_rate)
    request(list, Attribute::min_tx_rate, "min_tx_rate", fmt::format("{}", *rate), *rate);
  if (const auto& rate = settings.max_tx_rate)
    request(list, Attribute::max_tx_rate, "max_tx_rate", fmt::format("{}", *rate), *rate);
  if (const auto& mtu = settings.mtu) request(list, Attribute::mtu, "mtu", fmt::format("{}", *mtu), *mtu);
  if (settings.promisc.value_or(false)) request(list, Attribute::promisc, "promisc", "on");
  if (settings.allmulti.value_or(false)) request(list, Attribute::allmulti, "allmulti", "on");
  return list;
}

vf::Settings without_what_is(vf::Settings settings, const std::optional<kernel::VfInfo>& info) {
  if (!info) return settings;
  // What is so already needs no support: "vlan": 0 is in many configurations for NICs that know no VLAN.
  if (settings.vlan && settings.vlan->id == 0 && info->vlan == 0) settings.vlan.reset();
  if (settings.spoof_check && settings.spoof_check == info->spoof_check) settings.spoof_check.reset();
  if (settings.trust == info->trust.value_or(false)) settings.trust.reset();
  if (settings.link_state == info->link_state.value_or(kernel::VfLinkState::automatic)) settings.link_state.reset();
  return settings;
}

void check_vf(const hw::Nic& nic, const vf::VfOfPf& target, const vf::Settings& settings) {
  vf::require_available(target);
  check_netdev_settings(target, settings);
  check_pf(nic, target, settings);
  const vf::Settings changed = without_what_is(settings, target.vf.info);
  hw::check_supported(nic.profile, requested_attributes(changed), target_of(nic, target, settings));
}

void probe_vf(vf::Host& host, const hw::Nic& nic, const vf::VfOfPf& target, const vf::Settings& settings) {
  // check_pf has refused whatever would have needed them.
  if (!target.vf.info || !target.pf.link) return;
  std::vector<std::string> missing;
  for (const hw::Requested& wanted : requested_attributes(without_what_is(settings, target.vf.info))) {
    const hw::Capability& capability = nic.profile.capability(wanted.attribute);
    // A question costs a request to the driver, so only what the profile is not sure of is asked.
    const bool known = capability.verified && capability.support != hw::Capability::Support::unknown;
    if (!known && !is_offered(host, target, wanted.attribute)) missing.push_back(wanted.key);
  }
  if (missing.empty()) return;
  throw Error(Error::Code::unsupported_by_nic,
              fmt::format("setting {} on {} vf {} is not supported by {}: the driver says so", fmt::join(missing, ", "),
                          target.pf.pci.address, target.vf.id, nic.profile.description()),
              "remove these keys from the network config");
}

}  // namespace barewire::sriov
