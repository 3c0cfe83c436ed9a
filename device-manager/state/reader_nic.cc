// SPDX-License-Identifier: Apache-2.0
// One NIC of a declaration: how it is chosen, what it should be, its groups of VFs.
#include <algorithm>
#include <charconv>

#include "core/kernel/pci.h"
#include "core/vf/inventory.h"
#include "device-manager/state/keys.h"

namespace barewire::declared {
namespace {

constexpr std::int64_t kMostVfs = 65535;  // sriov_numvfs has 16 bits
// Source: RFC 791, the least; IEEE 802.3 frames with what drivers of today take.
constexpr std::int64_t kLeastMtu = 68, kMostMtu = 65535;
constexpr std::int64_t kMostRate = 4'000'000'000;  // Mb/s in 32 bits

std::string text_of(const JsonView& view, std::string_view expected) {
  if (!view.is_string() || view.string().empty()) view.reject(expected);
  return view.string();
}

MacAddress parse_mac(const JsonView& view) {
  const auto mac = MacAddress::parse(text_of(view, "a MAC address"));
  if (!mac || mac->is_zero() || mac->is_multicast()) view.reject("a MAC address of one device");
  return *mac;
}

std::optional<std::uint16_t> parse_hex(std::string_view digits) {
  std::uint16_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  const bool whole = failure == std::errc() && end == digits.data() + digits.size();
  return whole && digits.size() == 4 ? std::optional(number) : std::nullopt;
}

hw::PciId parse_id(const JsonView& view) {
  constexpr std::string_view kExpected = "vendor and device as lspci -n shows them, such as \"8086:10c9\"";
  const std::string text = text_of(view, kExpected);
  const auto colon = std::min(text.find(':'), text.size());
  const auto vendor = parse_hex(std::string_view(text).substr(0, colon));
  const auto device = parse_hex(std::string_view(text).substr(std::min(colon + 1, text.size())));
  if (!vendor || !device) view.reject(kExpected);
  return {*vendor, *device};
}

std::string parse_pci(const JsonView& view) {
  const auto address = kernel::normalise_pci_address(text_of(view, "a PCI address"));
  if (!address) view.reject("a PCI address such as \"0000:01:00.0\"");
  return *address;
}

Selector parse_selector(std::vector<Problem>& problems, const JsonView& view) {
  Selector selector;
  const std::size_t before = problems.size();
  const auto text = [](std::optional<std::string>& into) {
    return [&into](const JsonView& value) { into = text_of(value, "a name"); };
  };
  read_keys(problems, view,
            {{"pci", [&](const JsonView& value) { selector.pci = parse_pci(value); }},
             {"name", text(selector.name)},
             {"altName", text(selector.alt_name)},
             {"device", [&](const JsonView& value) { selector.device = parse_id(value); }},
             {"mac", [&](const JsonView& value) { selector.mac = parse_mac(value); }},
             {"slot", text(selector.slot)},
             {"driver", text(selector.driver)}});
  // One that says nothing would be every NIC of the node.
  if (problems.size() == before && selector == Selector{}) view.reject("at least one key, such as \"name\"");
  return selector;
}

std::vector<Selector> parse_selectors(std::vector<Problem>& problems, const JsonView& view) {
  if (!view.is_array()) return {parse_selector(problems, view)};
  std::vector<Selector> selectors;
  for (const JsonView& each : view.array()) selectors.push_back(parse_selector(problems, each));
  if (selectors.empty()) view.reject("at least one NIC");
  return selectors;
}

kernel::EswitchMode parse_mode(const JsonView& view) {
  const std::string mode = text_of(view, "\"legacy\" or \"switchdev\"");
  if (mode != "legacy" && mode != "switchdev") view.reject("\"legacy\" or \"switchdev\"");
  return mode == "legacy" ? kernel::EswitchMode::legacy : kernel::EswitchMode::switchdev;
}

std::optional<std::uint32_t> parse_number(const JsonView& view, std::int64_t least, std::int64_t most,
                                          std::string_view meaning) {
  return static_cast<std::uint32_t>(view.integer(least, most, meaning));
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> parse_ranges(const JsonView& view) {
  constexpr std::string_view kExpected = "numbers of VFs such as \"0-3,7\"";
  vf::VfRange range;
  try {
    // The notation of pools, which name the PF too.
    range = vf::VfRange::parse("pf#" + text_of(view, kExpected), "vfs");
  } catch (const Error& error) {
    view.reject(kExpected, error.hint());
  }
  if (range.ranges.empty()) view.reject(kExpected);
  std::sort(range.ranges.begin(), range.ranges.end());
  for (std::size_t i = 1; i < range.ranges.size(); ++i)
    if (range.ranges[i].first <= range.ranges[i - 1].second) view.reject("each VF once");
  return range.ranges;
}

std::string parse_driver(const JsonView& view) {
  const std::string driver = text_of(view, "\"netdev\", \"dpdk\", \"vfio-pci\" or another PCI driver");
  if (driver == "vdpa" || driver == "vhost-vdpa" || driver == "virtio-vdpa")
    view.reject("\"netdev\", \"vfio-pci\" or another PCI driver",
                "vDPA devices are not made from a declaration: make them with `vdpa dev add` of iproute2");
  if (driver.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != std::string::npos)
    view.reject("\"netdev\" or the name of a PCI driver");
  return driver;
}

Verify parse_verify(const JsonView& view) {
  constexpr std::string_view kExpected = "\"off\", \"warn\" or \"require\"";
  const std::string word = text_of(view, kExpected);
  if (word == "off") return Verify::off;
  if (word == "warn") return Verify::warn;
  if (word != "require") view.reject(kExpected);
  return Verify::require;
}

void parse_macs(const JsonView& view, VfGroup& group) {
  if (view.is_string() && view.string() == "stable") {
    group.stable_macs = true;
    return;
  }
  if (!view.is_array()) view.reject("\"stable\", or a list of MAC addresses");
  for (const JsonView& each : view.array()) group.macs.push_back(parse_mac(each));
  if (group.macs.empty()) view.reject("\"stable\", or as many MAC addresses as the group has VFs");
}

/// As the node daemon takes it. Source: inventory/pool_config.cc.
std::string parse_pool(const JsonView& view) {
  const std::string name = text_of(view, "the name of a pool");
  const auto is_fine = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
  if (!std::all_of(name.begin(), name.end(), is_fine)) view.reject("letters, digits, '_' and '-'");
  return name;
}

std::size_t size_of(const VfGroup& group) {
  std::size_t size = 0;
  for (const auto& [first, last] : group.ranges) size += last - first + 1;
  return size;
}

void check_group(const JsonView& view, const VfGroup& group) {
  const vf::Settings& set = group.settings;
  if (!group.macs.empty() && !group.ranges.empty() && group.macs.size() != size_of(group))
    view.at("macs").reject(fmt::format("{} MAC addresses, one for each of VFs {}", size_of(group), group.text()));
  if (set.min_tx_rate && set.max_tx_rate && *set.max_tx_rate != 0 && *set.min_tx_rate > *set.max_tx_rate)
    view.at("minTxRate").reject(fmt::format("at most maxTxRate, {}", *set.max_tx_rate));
}

/// What the parts of one NIC have to agree about.
void check_nic(std::vector<Problem>& problems, const JsonView& view, const Nic& nic) {
  if (!nic.groups.empty() && !view.has("vfs"))
    attempt(problems, [&] { view.at("groups").reject("the key \"vfs\" beside it: how many VFs there are"); });
  for (std::size_t i = 0; i < nic.groups.size(); ++i) {
    const VfGroup& group = nic.groups[i];
    const auto tell = [&](const std::string& text) {
      problems.push_back(
          {fmt::format("{}: key \"{}.vfs\" is \"{}\"; {}", nic.file, group.key, group.text(), text), {}});
    };
    if (nic.vfs && !group.ranges.empty() && group.ranges.back().second >= *nic.vfs)
      tell(fmt::format("the NIC has {} VFs, numbered from 0", *nic.vfs));
    for (std::size_t j = 0; j < i; ++j)
      for (const auto& [first, last] : nic.groups[j].ranges)
        for (const auto& [begin, end] : group.ranges)
          if (first <= end && begin <= last)
            tell(fmt::format("it overlaps with {}, which has {}", nic.groups[j].key, nic.groups[j].text()));
    if (group.mtu && nic.mtu && *group.mtu > *nic.mtu)
      problems.push_back({fmt::format("{}: key \"{}.mtu\" is {}; expected at most the NIC's, {}", nic.file, group.key,
                                      *group.mtu, *nic.mtu),
                          {}});
  }
}

/// Source: IFNAMSIZ of linux/if.h; a name becomes a path below /sys.
std::string parse_netdev(const JsonView& view) {
  constexpr std::size_t kLongest = 15;
  const std::string name = text_of(view, "the name of a netdev");
  if (name.size() > kLongest || name.find_first_of("/ \t\n:") != std::string::npos || name == "." || name == "..")
    view.reject("a name of at most 15 characters without '/', ':' and blanks");
  return name;
}

/// Longer than a name may be, but the numbers of VFs have to fit too. Source: ALTIFNAMSIZ of linux/if.h.
std::string parse_alt_name(const JsonView& view) {
  constexpr std::size_t kLongest = 120;
  const std::string name = text_of(view, "a name");
  if (name.size() > kLongest || name.find_first_of("/ \t\n:") != std::string::npos || name == "." || name == "..")
    view.reject("a name of at most 120 characters without '/', ':' and blanks");
  return name;
}

}  // namespace

OvsBridge parse_bridge(std::vector<Problem>& problems, const JsonView& view, const std::string& file) {
  OvsBridge bridge;
  bridge.file = file;
  bridge.key = view.path();
  read_keys(problems, view,
            {{"name", [&](const JsonView& v) { bridge.name = parse_netdev(v); }},
             {"datapath",
              [&](const JsonView& v) {
                bridge.datapath = text_of(v, "\"system\" or \"netdev\"");
                if (bridge.datapath != "system" && bridge.datapath != "netdev") v.reject("\"system\" or \"netdev\"");
              }},
             {"uplink", [&](const JsonView& v) { bridge.uplink = parse_netdev(v); }},
             {"hwOffload", [&](const JsonView& v) { bridge.hw_offload = v.boolean(); }}});
  attempt(problems, [&] { view.at("name"); });
  return bridge;
}

VfGroup parse_group(std::vector<Problem>& problems, const JsonView& view) {
  VfGroup group;
  group.key = view.path();
  const auto flag = [](std::optional<bool>& into) { return [&into](const JsonView& v) { into = v.boolean(); }; };
  const auto rate = [](std::optional<std::uint32_t>& into) {
    return [&into](const JsonView& v) { into = parse_number(v, 0, kMostRate, "Mb/s; 0 is no limit"); };
  };
  read_keys(problems, view,
            {{"vfs", [&](const JsonView& v) { group.ranges = parse_ranges(v); }},
             {"driver", [&](const JsonView& v) { group.driver = parse_driver(v); }},
             {"mtu", [&](const JsonView& v) { group.mtu = parse_number(v, kLeastMtu, kMostMtu, "bytes"); }},
             {"macs", [&](const JsonView& v) { parse_macs(v, group); }},
             {"trust", flag(group.settings.trust)},
             {"spoofchk", flag(group.settings.spoof_check)},
             {"minTxRate", rate(group.settings.min_tx_rate)},
             {"maxTxRate", rate(group.settings.max_tx_rate)},
             {"verify", [&](const JsonView& v) { group.verify = parse_verify(v); }},
             {"pool", [&](const JsonView& v) { group.pool = parse_pool(v); }}});
  attempt(problems, [&] { view.at("vfs"), check_group(view, group); });
  return group;
}

Nic parse_nic(std::vector<Problem>& problems, const JsonView& view, const std::string& file) {
  Nic nic;
  nic.file = file;
  nic.key = view.path();
  read_keys(problems, view,
            {{"select", [&](const JsonView& v) { nic.selectors = parse_selectors(problems, v); }},
             {"vfs", [&](const JsonView& v) { nic.vfs = parse_number(v, 0, kMostVfs, "a number of VFs"); }},
             {"eswitch", [&](const JsonView& v) { nic.eswitch = parse_mode(v); }},
             {"mtu", [&](const JsonView& v) { nic.mtu = parse_number(v, kLeastMtu, kMostMtu, "bytes"); }},
             {"altName", [&](const JsonView& v) { nic.alt_name = parse_alt_name(v); }},
             {"externallyManaged", [&](const JsonView& v) { nic.externally_managed = v.boolean(); }},
             {"groups", [&](const JsonView& v) {
                for (const JsonView& each : v.array("a list of groups of VFs"))
                  nic.groups.push_back(parse_group(problems, each));
              }}});
  if (!view.is_object()) return nic;
  attempt(problems, [&] { view.at("select"); });
  check_nic(problems, view, nic);
  return nic;
}

}  // namespace barewire::declared
