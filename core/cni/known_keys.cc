// SPDX-License-Identifier: Apache-2.0
// A misspelt key is ignored by every plugin of this world, and the pod gets another network than was meant. Keys are
// therefore compared with those that are known, and a near miss is named in the log; nothing is refused.
#include "core/cni/known_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/text.h"

namespace barewire::cni {

namespace {

struct Known {
  std::string_view plugin;
  std::string_view keys;
};

constexpr std::string_view kCommon =
    "cniVersion name type ipam dns prevResult runtimeConfig args capabilities logLevel log_level logFile log_file "
    "debug "
    "cni.dev/valid-attachments cni.dev/attachments fallback";

constexpr std::array kPlugins = {
    Known{"bandwidth", "ingressRate ingressBurst egressRate egressBurst"},
    Known{"bond",
          "mode miimon links linksInContainer failOverMac mtu allSlavesActive tlbDynamicLb xmitHashPolicy ifname"},
    Known{"bridge",
          "bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode vlan "
          "vlanTrunk "
          "preserveDefaultVlan portIsolation macspoofchk enabledad disableContainerInterface mac"},
    Known{"firewall", "backend iptablesAdminChainName firewalldZone ingressPolicy"},
    Known{"flannel", "delegate subnetFile dataDir"},
    Known{"host-device", "deviceID device hwaddr kernelpath pciBusID"},
    Known{"ipvlan", "master linkInContainer mode mtu"},
    Known{"macvlan", "master linkInContainer mode mtu bcqueuelen mac"},
    Known{
        "ovs",
        "bridge deviceID pciBusID vlan trunk vlan_mode qinq_ethtype mtu ofport_request interface_type ingress_policing "
        "qos tunnel socket_file private_key certificate ca_cert configuration_path link_state_check_retries "
        "link_state_check_interval protected external_ids other_config mac socket_dir socket_name socket_mode "
        "socket_group ovs_run_dir"},
    Known{"portmap", "snat masqAll conditionsV4 conditionsV6 backend markMasqBit externalSetMarkChain"},
    Known{"ptp", "ipMasq ipMasqBackend mtu"},
    Known{"rdma", "deviceID rdmaDeviceName"},
    Known{"sbr", "table gateways addSourceHints"},
    Known{"sriov",
          "deviceID pciBusID pool pf vlan vlanQoS vlanProto mac spoofchk trust link_state min_tx_rate max_tx_rate mtu "
          "promisc allmulti driver strictStatus"},
    Known{"tap", "multiQueue owner group mtu bridge selinuxContext mac"},
    Known{"tuning", "sysctl mac mtu txQLen promisc allmulti dataDir"},
    Known{"vlan", "master vlanId linkInContainer mtu"},
    Known{"vrf", "vrfname table"}};

constexpr std::array kIpam = {
    Known{"dhcp", "type daemonSocketPath provide request priority suppress"},
    Known{"host-local",
          "type name subnet rangeStart rangeEnd gateway ranges routes dataDir resolvConf dns strictStatus"},
    Known{"static", "type addresses routes dns"}};

/// Optimal string alignment: letters more, less, other, or two neighbours exchanged.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> table(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) table[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) table[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      table[i][j] =
          std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
    }
  return table[a.size()][b.size()];
}

void append_words(std::string_view text, std::vector<std::string_view>& words) {
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

bool is_ipam_plugin(std::string_view plugin) {
  return std::any_of(kIpam.begin(), kIpam.end(), [&](const Known& known) { return known.plugin == plugin; });
}

std::string_view known_keys(std::string_view plugin) {
  for (const Known& known : kPlugins)
    if (known.plugin == plugin) return known.keys;
  for (const Known& known : kIpam)
    if (known.plugin == plugin) return known.keys;
  return {};
}

std::optional<std::string> meant_by(std::string_view key, const std::vector<std::string_view>& known) {
  // One slip in a short word, two in a long one: with more, "mode" and "name" would be taken for each other.
  constexpr std::size_t kShort = 4, kLong = 8;
  const std::string written = to_lower(key);
  if (written.size() < kShort || written.size() > 64) return std::nullopt;  // a long one is no slip
  const std::size_t most = written.size() >= kLong ? 2 : 1;
  std::optional<std::string> nearest;
  std::size_t least = most + 1;
  for (const std::string_view candidate : known) {
    const std::size_t apart = distance(written, to_lower(candidate));
    // Known, in whichever letter case.
    if (apart == 0) return std::nullopt;
    if (apart < least && candidate.size() >= kShort) {
      nearest = candidate;
      least = apart;
    }
  }
  return nearest;
}

std::vector<std::string> suspicious_keys(std::string_view plugin, const JsonView& config) {
  std::vector<std::string> lines;
  std::vector<std::string_view> known;
  append_words(known_keys(plugin), known);
  // Of a plugin without keys nothing can be misspelt.
  if (known.empty()) return lines;
  const bool ipam = is_ipam_plugin(plugin);
  const auto object = ipam ? config.find("ipam") : std::optional(config);
  if (!object || !object->is_object()) return lines;
  if (!ipam) append_words(kCommon, known);
  for (const auto& [key, value] : object->members())
    if (const auto meant = meant_by(key, known))
      lines.push_back(fmt::format("config key \"{}\" is not known to {}: is \"{}{}\" meant?", value.path(), plugin,
                                  ipam ? "ipam." : "", *meant));
  return lines;
}

}  // namespace barewire::cni
