// SPDX-License-Identifier: Apache-2.0
// sriov-cni's keys with its quirks ("any other word is off"); its users' configurations must mean the same here.
#include "sriov-plugin/config.h"

#include <fmt/ranges.h>

#include <limits>

#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/vf/claim.h"

namespace barewire::sriov {

namespace {

void parse_pool_keys(const JsonView& root, Config& config) {
  const auto pf = root.find("pf"), pool = root.find("pool");
  if (pf && pool) pool->reject("nothing, since the key \"pf\" names the VFs already");
  std::vector<std::string> texts;
  if (pf) texts = {pf->string()};
  if (pool) texts = pool->is_string() ? std::vector{pool->string()} : pool->strings();
  if (pool && texts.empty()) pool->reject("at least one PF, as \"ens1f0#0-3\"");
  for (const std::string& text : texts) config.pool.push_back(vf::VfRange::parse(text, pf ? "pf" : "pool"));
  config.pool_text = fmt::format("{}", fmt::join(texts, ", "));
  config.strict_status = root.boolean_or("strictStatus", false);
  const auto driver = root.find("driver");
  if (!driver) return;
  config.pool_driver = driver->string();
  if (config.pool_driver != Config::kNetdev && !kernel::is_userspace_driver(config.pool_driver))
    driver->reject("\"netdev\" (any driver of the kernel), \"vfio-pci\", \"uio_pci_generic\" or \"igb_uio\"");
}

void require_device_or_pool(const Config& config) {
  if (config.device || !config.pool.empty()) return;
  throw Error(Error::Code::config,
              "VF pci addr is required: none of the config keys \"deviceID\", \"pciBusID\", "
              "\"runtimeConfig.deviceID\", \"pf\", \"pool\" is given",
              "under Multus, give the NetworkAttachmentDefinition the annotation k8s.v1.cni.cncf.io/resourceName; "
              "without it, name a PF: \"pf\": \"ens1f0\"");
}

std::optional<kernel::VfChange::Vlan> parse_vlan(const JsonView& root) {
  const auto id = root.find("vlan"), qos = root.find("vlanQoS"), proto = root.find("vlanProto");
  // A key that would be without effect is refused: its author expects one.
  if (!id && qos) qos->reject("a key \"vlan\" beside it");
  if (!id && proto) proto->reject("a key \"vlan\" beside it");
  if (!id) return std::nullopt;
  kernel::VfChange::Vlan vlan;
  vlan.id = static_cast<std::uint16_t>(id->integer(0, 4094, "an 802.1Q VLAN id"));
  if (qos) vlan.qos = static_cast<std::uint8_t>(qos->integer(0, 7, "a VLAN priority"));
  // VLAN 0 is "no VLAN" to the kernel, where a priority or a protocol has nothing to stand in.
  if (qos && vlan.id == 0 && vlan.qos != 0) qos->reject("0, because \"vlan\" is 0");
  if (!proto) return vlan;
  const auto parsed = vf::parse_vlan_proto(proto->string());
  if (!parsed) proto->reject("\"802.1q\" or \"802.1ad\"");
  vlan.proto = *parsed;
  if (vlan.id == 0 && vlan.proto == kernel::VlanProto::dot1ad) proto->reject("\"802.1q\", because \"vlan\" is 0");
  return vlan;
}

/// "on" is on and any other word is off: what sriov-cni does, and so configurations rely on it.
std::optional<bool> parse_switch(const JsonView& root, std::string_view key) {
  const auto found = root.find(key);
  if (!found || found->string().empty()) return std::nullopt;
  const std::string word = found->string();
  if (word != "on" && word != "off") log_warning("config key \"{}\" is \"{}\", which means off", key, word);
  return word == "on";
}

std::optional<kernel::VfLinkState> parse_link_state(const JsonView& root) {
  const auto found = root.find("link_state");
  if (!found || found->string().empty()) return std::nullopt;
  const auto state = vf::parse_link_state(found->string());
  if (!state) found->reject("\"auto\", \"enable\" or \"disable\"");
  return state;
}

std::optional<std::uint32_t> parse_rate(const JsonView& root, std::string_view key) {
  const auto found = root.find(key);
  if (!found) return std::nullopt;
  constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(found->integer(0, kMax, "Mb/s, 0 = no limit"));
}

void parse_rates(const JsonView& root, vf::Settings& settings) {
  settings.min_tx_rate = parse_rate(root, "min_tx_rate");
  settings.max_tx_rate = parse_rate(root, "max_tx_rate");
  const std::uint32_t max = settings.max_tx_rate.value_or(0);
  if (settings.min_tx_rate && max != 0 && *settings.min_tx_rate > max)
    // 0 is "no limit", and no minimum exceeds that.
    root.at("min_tx_rate").reject(fmt::format("at most {}, as \"max_tx_rate\" says", max));
}

std::optional<std::uint32_t> parse_mtu(const JsonView& root) {
  const auto found = root.find("mtu");
  if (!found) return std::nullopt;
  const std::int64_t mtu = found->integer(0, 65535, "bytes, 0 = as it is");
  // Source: RFC 791 §3.2: every link carries 68 octets unfragmented.
  if (mtu != 0 && mtu < 68) found->reject("at least 68 (bytes), or 0 = as it is");
  if (mtu == 0) return std::nullopt;
  return static_cast<std::uint32_t>(mtu);
}

std::optional<bool> parse_flag(const JsonView& root, std::string_view key) {
  const auto found = root.find(key);
  if (!found) return std::nullopt;
  return found->boolean();
}

vf::Settings parse_settings(const cni::Request& request) {
  const JsonView root = request.conf.root();
  vf::Settings settings;
  settings.mac = cni::requested_mac(request);
  settings.vlan = parse_vlan(root);
  settings.spoof_check = parse_switch(root, "spoofchk");
  settings.trust = parse_switch(root, "trust");
  settings.link_state = parse_link_state(root);
  parse_rates(root, settings);
  settings.mtu = parse_mtu(root);
  settings.promisc = parse_flag(root, "promisc");
  settings.allmulti = parse_flag(root, "allmulti");
  return settings;
}

}  // namespace

Config Config::parse(const cni::Request& request, const std::optional<std::string>& device) {
  Config config = parse_pool(request);
  if (device) config.device = kernel::normalise_pci_address(*device);
  if (device && !config.device)
    throw Error(Error::Code::config, fmt::format("\"{}\" is not the PCI address of a VF, as 0000:01:10.0", *device));
  require_device_or_pool(config);
  config.settings = parse_settings(request);
  if (const auto file = request.conf.runtime_config("CNIDeviceInfoFile")) config.device_info_file = file->string();
  if (!config.device_info_file.empty() && config.device_info_file[0] != '/')
    request.conf.runtime_config("CNIDeviceInfoFile")->reject("an absolute path");
  // An argument that nobody reads is an error unless IgnoreUnknown is given. Source: LoadArgs of CNI's
  // pkg/types/args.go.
  request.args.require_known({"MAC", "IP", "GATEWAY"});
  return config;
}

Config Config::parse_pool(const cni::Request& request) {
  Config config;
  config.device = vf::requested_device(request);
  parse_pool_keys(request.conf.root(), config);
  return config;
}

}  // namespace barewire::sriov
