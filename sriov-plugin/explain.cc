// SPDX-License-Identifier: Apache-2.0
// The code of ADD up to its first change, so that what is foretold cannot differ from what would happen.
#include "sriov-plugin/explain.h"

#include <fmt/ranges.h>

#include "core/cni/fallback.h"
#include "core/kernel/pci.h"
#include "sriov-plugin/claim.h"
#include "sriov-plugin/preflight.h"

namespace barewire::sriov {

namespace {

std::string shown(const std::optional<bool>& value) {
  return !value ? "not reported" : *value ? "on" : "off";
}

std::string describe(const vf::VfOfPf& target) {
  return fmt::format("{} (vf {} of {}, driver {}{})", target.vf.pci.address, target.vf.id,
                     target.pf.link ? target.pf.link->name : target.pf.pci.address, target.vf.pci.driver,
                     target.vf.link ? ", netdev " + target.vf.link->name : "");
}

std::vector<std::string> unknown_keys(const hw::Nic& nic, const vf::Settings& settings) {
  std::vector<std::string> keys;
  for (const hw::Requested& wanted : requested_attributes(settings)) {
    const hw::Capability& capability = nic.profile.capability(wanted.attribute);
    if (!capability.verified || capability.support == hw::Capability::Support::unknown) keys.push_back(wanted.key);
  }
  return keys;
}

void explain_preflight(const hw::Nic& nic, const vf::Settings& settings, std::vector<std::string>& lines) {
  const auto unknown = unknown_keys(nic, settings);
  lines.push_back(fmt::format("preflight: {} can do what is asked", nic.profile.description()));
  if (!unknown.empty())
    lines.push_back(
        fmt::format("preflight: asks the driver about {}, of which the profile is not sure", fmt::join(unknown, ", ")));
}

void explain_configure(const vf::VfOfPf& target, const vf::Settings& settings, std::vector<std::string>& lines) {
  // A PF that tells nothing has been refused by the preflight, unless nothing was asked of it.
  const kernel::VfInfo now = target.vf.info.value_or(kernel::VfInfo{});
  const auto line = [&](const char* what, const std::string& to, const std::string& from) {
    lines.push_back(fmt::format("configure: set {} to {} (is {})", what, to, from));
  };
  if (settings.mac) line("mac", settings.mac->text(), now.mac ? now.mac->text() : "not reported");
  if (const auto& vlan = settings.vlan)
    line("vlan", fmt::format("{} priority {} {}", vlan->id, vlan->qos, vf::word(vlan->proto)),
         fmt::format("{} priority {} {}", now.vlan, now.qos, vf::word(now.vlan_proto)));
  if (settings.spoof_check) line("spoofchk", shown(settings.spoof_check), shown(now.spoof_check));
  if (settings.trust) line("trust", shown(settings.trust), shown(now.trust));
  if (settings.min_tx_rate)
    line("min_tx_rate", fmt::format("{} Mb/s", *settings.min_tx_rate), fmt::format("{}", now.min_tx_rate));
  if (settings.max_tx_rate)
    line("max_tx_rate", fmt::format("{} Mb/s", *settings.max_tx_rate), fmt::format("{}", now.max_tx_rate));
  if (settings.link_state)
    line("link_state", std::string(vf::word(*settings.link_state)),
         now.link_state ? std::string(vf::word(*now.link_state)) : "not reported");
}

/// What is set does not always bind the pod.
void explain_mac(const hw::Nic& nic, const vf::Settings& settings, std::vector<std::string>& lines) {
  const hw::Fact<bool>& may = nic.profile.mac.untrusted_may_override;
  if (!settings.mac || !may.value) return;
  lines.push_back(fmt::format("configure: {} lets a pod take another MAC all the same{}{}", nic.profile.description(),
                              may.verified ? "" : ", as far as is known", may.note.empty() ? "" : ": " + may.note));
}

void explain_move(const vf::VfOfPf& target, const vf::Settings& settings, std::vector<std::string>& lines) {
  if (!target.vf.link) {
    lines.push_back(fmt::format("move: nothing, the VF is on {} and has no netdev", target.vf.pci.driver));
    return;
  }
  lines.push_back(fmt::format("move: {} into the pod under CNI_IFNAME, in one request", target.vf.link->name));
  if (settings.mtu) lines.push_back(fmt::format("move: set MTU to {} (is {})", *settings.mtu, target.vf.link->mtu));
  if (settings.promisc) lines.push_back(fmt::format("move: set promisc {}", shown(settings.promisc)));
  if (settings.allmulti) lines.push_back(fmt::format("move: set allmulti {}", shown(settings.allmulti)));
  lines.push_back("move: set it up");
}

void explain_address(const cni::Request& request, const vf::VfOfPf& target, std::vector<std::string>& lines) {
  const std::string& ipam = request.conf.ipam_type;
  if (ipam.empty()) return lines.push_back("address: none, the config has no ipam");
  lines.push_back(fmt::format("address: ask {}", ipam));
  lines.push_back(target.vf.link ? "address: add addresses and routes, announce them to the neighbours"
                                 : "address: tell them in the result; the program that drives the VF applies them");
}

std::vector<std::string> explain_vf(const cni::Request& request, const Config& config, Node& node) {
  vf::Host host(node);
  const vf::VfOfPf target = peek(host, config);
  const hw::Nic nic = hw::find_nic(node, target.pf);
  cni::lacking(cni::Lack::unsupported, Error::Code::unsupported_by_nic,
               [&] { check_vf(nic, target, config.settings); });
  std::vector<std::string> lines;
  explain_preflight(nic, config.settings, lines);
  lines.push_back(fmt::format("claim: VF {}, its present state on record", describe(target)));
  explain_configure(target, config.settings, lines);
  explain_mac(nic, config.settings, lines);
  explain_move(target, config.settings, lines);
  explain_address(request, target, lines);
  return lines;
}

std::vector<std::string> explain_fallback(const cni::Request& request, const cni::LackError& lack) {
  const auto fallback = cni::Fallback::parse(request);
  // As add_by_fallback decides: a configuration whose fallback does not serve this lack fails.
  if (!fallback || !fallback->serves(lack.lack())) throw lack;
  return {fmt::format("preflight: {} ({})", lack.what(), cni::word(lack.lack())),
          fmt::format("fallback: call ADD of {} with what \"fallback\" says", fallback->type)};
}

}  // namespace

std::vector<std::string> explain(const std::string& config_text, const std::optional<std::string>& device, Node& node) {
  cni::Request request;
  // No environment: whoever asks has no pod, so container and netns stay empty.
  request.conf = cni::NetConf::parse(config_text);
  const Config config = Config::parse(request, device);
  try {
    return explain_vf(request, config, node);
  } catch (const cni::LackError& lack) {
    return explain_fallback(request, lack);
  }
}

}  // namespace barewire::sriov
