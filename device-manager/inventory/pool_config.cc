// SPDX-License-Identifier: Apache-2.0
/// Reading pools: the device plugin's resourceList, and our own form.
/// A pool that is wrong is left out and told, the others are offered: one slip must not take every device from a node.
#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <set>

#include "core/kernel/pci.h"
#include "core/text.h"
#include "device-manager/inventory/pool.h"

namespace barewire::inventory {
namespace {

namespace json = boost::json;

/// As kubelet takes it after the prefix, and as an environment variable's name can hold it.
void require_name(const JsonView& view) {
  const std::string name = view.string();
  const auto is_fine = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_fine)) view.reject("letters, digits, '_' and '-'");
}

std::string parse_prefix(const JsonView& view, std::string_view key, const std::string& fallback) {
  const auto found = view.find(key);
  if (!found || found->string().empty()) return fallback;
  const std::string prefix = found->string();
  const auto is_fine = [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '-'; };
  if (!std::all_of(prefix.begin(), prefix.end(), is_fine)) found->reject("a domain name, as \"example.com\"");
  return prefix;
}

std::optional<std::pair<int, int>> parse_numbers(std::string_view text) {
  const auto parse = [](std::string_view digits) -> std::optional<int> {
    // sriov_numvfs has 16 bits, so no VF has a larger number.
    std::uint16_t number = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return number;
  };
  const auto dash = text.find('-');
  const auto first = parse(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair{*first, *last};
}

FunctionRange parse_range(const JsonView& view) {
  const std::string text = view.string();
  const auto hash = text.find('#');
  FunctionRange range{text.substr(0, hash), {}};
  if (range.pf.empty()) view.reject("a PF, or a PF with VF numbers, as \"ens1f0#0-3,7\"");
  // An address may be written without its domain; devices are compared by the whole.
  if (const auto address = kernel::normalise_pci_address(range.pf)) range.pf = *address;
  std::string_view rest = hash == std::string::npos ? std::string_view() : std::string_view(text).substr(hash + 1);
  while (hash != std::string::npos) {
    const auto comma = rest.find(',');
    const auto numbers = parse_numbers(rest.substr(0, comma));
    if (!numbers) view.reject("a PF with VF numbers, as \"ens1f0#0-3,7\"");
    range.numbers.push_back(*numbers);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return range;
}

std::vector<FunctionRange> parse_ranges(const JsonView& view) {
  std::vector<FunctionRange> ranges;
  for (const JsonView& each : view.array("a list of PFs")) ranges.push_back(parse_range(each));
  return ranges;
}

// sysfs prints hexadecimal digits in lower case, datasheets often not.
void lower(std::vector<std::string>& texts) {
  for (std::string& text : texts) text = to_lower(text);
}

std::vector<std::string> parse_addresses(const JsonView& view) {
  std::vector<std::string> addresses;
  for (const JsonView& each : view.array("a list of PCI addresses")) {
    const auto address = kernel::normalise_pci_address(each.string());
    if (!address) each.reject("a PCI address, as 0000:01:10.0");
    addresses.push_back(*address);
  }
  return addresses;
}

std::string parse_vdpa_type(const JsonView& view) {
  const std::string type = view.string();
  if (!type.empty() && type != "vhost" && type != "virtio") view.reject("\"vhost\" or \"virtio\"");
  return type;
}

struct SelectorKey {
  std::string_view name;
  std::array<bool, 3> of;  ///< known to net, accelerator, auxiliary
  void (*read)(Selector&, const JsonView&);
};

/// Source: the SR-IOV network device plugin's configuration, selectors of its three device types.
constexpr std::array<SelectorKey, 14> kSelectorKeys = {{
    {"vendors", {true, true, true}, [](Selector& s, const JsonView& v) { lower(s.vendors = v.strings()); }},
    {"devices", {true, true, true}, [](Selector& s, const JsonView& v) { lower(s.devices = v.strings()); }},
    {"drivers", {true, true, true}, [](Selector& s, const JsonView& v) { s.drivers = v.strings(); }},
    {"pciAddresses", {true, true, false}, [](Selector& s, const JsonView& v) { s.pci_addresses = parse_addresses(v); }},
    {"acpiIndexes", {true, true, true}, [](Selector& s, const JsonView& v) { s.acpi_indexes = v.strings(); }},
    {"pfNames", {true, false, true}, [](Selector& s, const JsonView& v) { s.pf_names = parse_ranges(v); }},
    {"rootDevices", {true, false, true}, [](Selector& s, const JsonView& v) { s.root_devices = parse_ranges(v); }},
    {"linkTypes", {true, false, true}, [](Selector& s, const JsonView& v) { s.link_types = v.strings(); }},
    {"isRdma", {true, false, true}, [](Selector& s, const JsonView& v) { s.rdma = v.boolean(); }},
    {"needVhostNet", {true, false, true}, [](Selector& s, const JsonView& v) { s.vhost_net = v.boolean(); }},
    {"vdpaType", {true, false, false}, [](Selector& s, const JsonView& v) { s.vdpa_type = parse_vdpa_type(v); }},
    {"auxTypes", {false, false, true}, [](Selector& s, const JsonView& v) { s.auxiliary_types = v.strings(); }},
    {"ddpProfiles", {true, false, false}, [](Selector& s, const JsonView& v) { s.ddp_profiles = v.strings(); }},
    {"pKeys", {true, false, false}, [](Selector& s, const JsonView& v) { s.pkeys = v.strings(); }},
}};

/// A selector that is not known narrows nothing, so a misspelt one would offer devices that nobody meant to.
Selector parse_selector(const JsonView& view, DeviceType type) {
  Selector selector;
  for (const auto& [name, value] : view.members("an object of selectors")) {
    const auto key =
        std::find_if(kSelectorKeys.begin(), kSelectorKeys.end(),
                     [&wanted = name](const SelectorKey& each) { return equal_ignoring_case(each.name, wanted); });
    if (key == kSelectorKeys.end() || !key->of[static_cast<std::size_t>(type)])
      value.reject("no such selector", "known to this device type: docs/kubernetes.md lists them");
    // null says nothing, as in Go.
    if (!value.value().is_null()) key->read(selector, value);
  }
  // As the peer: a device is used the one way or the other.
  if (selector.rdma && !selector.vdpa_type.empty()) view.at("vdpaType").reject("nothing, since \"isRdma\" is true");
  // To offer a device without having asked would give pods one with another profile.
  if (!selector.ddp_profiles.empty())
    view.at("ddpProfiles").reject("nothing", "Barewire does not ask NICs for their DDP profile");
  return selector;
}

std::vector<Selector> parse_selectors(const JsonView& view, DeviceType type) {
  const auto found = view.find("selectors");
  // No selectors ask for nothing: every device of the type.
  if (!found) return {Selector{}};
  // The peer takes one object or a list of them.
  if (!found->is_array()) return {parse_selector(*found, type)};
  std::vector<Selector> selectors;
  for (const JsonView& each : found->array()) selectors.push_back(parse_selector(each, type));
  if (selectors.empty()) found->reject("at least one selector");
  return selectors;
}

DeviceType parse_type(const JsonView& view) {
  const std::string type = view.string_or("deviceType", "");
  if (type.empty() || type == "netDevice") return DeviceType::net;
  if (type == "accelerator") return DeviceType::accelerator;
  if (type == "auxNetDevice") return DeviceType::auxiliary;
  view.at("deviceType").reject("\"netDevice\", \"accelerator\" or \"auxNetDevice\"");
}

std::map<std::string, std::map<std::string, std::string>> parse_info(const JsonView& view) {
  std::map<std::string, std::map<std::string, std::string>> info;
  for (const auto& [device, values] : view.members("an object of PCI addresses"))
    for (const auto& [key, value] : values.members("an object of strings")) info[device][key] = value.string();
  return info;
}

void parse_offer(const JsonView& offer, Pool& pool) {
  const std::string word = offer.string();
  if (word != "device-plugin" && word != "claims" && word != "both")
    offer.reject("\"device-plugin\", \"claims\" or \"both\"");
  pool.to_device_plugin = word != "claims";
  pool.to_claims = word != "device-plugin";
}

/// What our own keys add, allowed in both forms.
void parse_own_keys(const JsonView& view, Pool& pool) {
  if (const auto policy = view.find("policy")) {
    const std::string word = policy->string();
    if (word == "pack")
      pool.policy = Policy::pack;
    else if (word == "spread")
      pool.policy = Policy::spread;
    else if (word == "distinct-pf")
      pool.policy = Policy::distinct_pf;
    else
      policy->reject("\"pack\", \"spread\" or \"distinct-pf\"");
  }
  pool.follow_carrier = view.boolean_or("carrier", false);
  if (const auto offer = view.find("offer")) parse_offer(*offer, pool);
}

std::string require_mode(const JsonView& view) {
  const std::string mode = view.string();
  if (mode != "netdev" && mode != "vdpa" && !kernel::is_userspace_driver(mode))
    view.reject("\"netdev\", \"vdpa\", \"vfio-pci\", \"uio_pci_generic\" or \"igb_uio\"");
  return mode;
}

void require_short_keys(const JsonView& view) {
  constexpr std::array<std::string_view, 12> kKeys = {"vfs",  "driver",   "policy", "carrier", "rdma",   "vhostNet",
                                                      "vdpa", "topology", "info",   "offer",   "bridge", "ports"};
  for (const auto& [key, value] : view.members())
    // Exact, unlike the peer's form: a key that is passed over would change what is offered.
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) value.reject("no such key");
}

/// PFs named either way: a device is one of these or of those.
std::vector<Selector> parse_vfs(const JsonView& view) {
  const auto ranges = view.is_string() ? std::vector{parse_range(view)} : parse_ranges(view);
  if (ranges.empty()) view.reject("at least one PF, as \"ens1f0#0-3\"");
  Selector by_name, by_address;
  for (const FunctionRange& range : ranges) {
    if (kernel::normalise_pci_address(range.pf))
      by_address.root_devices.push_back(range);
    else
      by_name.pf_names.push_back(range);
  }
  std::vector<Selector> selectors;
  if (!by_name.pf_names.empty()) selectors.push_back(by_name);
  if (!by_address.root_devices.empty()) selectors.push_back(by_address);
  return selectors;
}

/// The names of all pools in a configuration, each once.
class PoolList {
 public:
  explicit PoolList(PoolConfig& config) : config_(config) {}
  void add(const std::string& what, const std::function<Pool()>& parse) {
    try {
      Pool pool = parse();
      // kubelet knows a resource by its name alone: the second would take the place of the first.
      if (!names_.insert(pool.resource()).second)
        throw Error(Error::Code::config, fmt::format("resource {} is declared twice", pool.resource()));
      config_.pools.push_back(std::move(pool));
    } catch (const Error& error) {
      config_.problems.push_back(fmt::format("{} is not offered: {}{}", what, error.what(),
                                             error.hint().empty() ? "" : " (" + error.hint() + ")"));
    }
  }

 private:
  PoolConfig& config_;
  std::set<std::string> names_;
};

}  // namespace

Pool parse_resource(const JsonView& view, const std::string& default_prefix) {
  require_name(view.at("resourceName"));
  Pool pool;
  pool.name = view.at("resourceName").string();
  pool.prefix = parse_prefix(view, "resourcePrefix", default_prefix);
  pool.type = parse_type(view);
  pool.topology = !view.boolean_or("excludeTopology", false);
  pool.selectors = parse_selectors(view, pool.type);
  if (const auto info = view.find("additionalInfo")) pool.additional_info = parse_info(*info);
  parse_own_keys(view, pool);
  return pool;
}

/// Ports of an OVS bridge: what says how a VF is to be says nothing of them.
static void parse_bridge(const JsonView& view, Pool& pool) {
  for (const char* key : {"vfs", "driver", "policy", "carrier", "rdma", "vhostNet", "vdpa", "info", "topology"})
    if (const auto found = view.find(key)) found->reject("nothing, since the key \"bridge\" is there");
  pool.bridge = view.at("bridge").string();
  if (pool.bridge.empty() || pool.bridge.find('/') != std::string::npos || pool.bridge.size() > 63)
    view.at("bridge").reject("the name of an OVS bridge");
  // kubelet is sent every one of them at each change, and keeps them in its checkpoint.
  constexpr std::int64_t kMostPorts = 4096;
  pool.ports = static_cast<int>(view.integer_or("ports", 1, kMostPorts, "a number of ports", 100));
  if (const auto offer = view.find("offer")) parse_offer(*offer, pool);
  // A port of a switch is near no NUMA node.
  pool.topology = false;
}

Pool parse_short_pool(const std::string& name, const JsonView& view, const std::string& default_prefix) {
  require_short_keys(view);
  const json::value name_value(name);
  require_name(JsonView(name_value, "pool name"));
  Pool pool;
  pool.name = name;
  pool.prefix = default_prefix;
  if (view.has("bridge")) {
    parse_bridge(view, pool);
    return pool;
  }
  if (const auto ports = view.find("ports")) ports->reject("a key \"bridge\" beside it");
  pool.selectors = parse_vfs(view.at("vfs"));
  const auto driver = view.find("driver");
  // Here the driver is declared, not guessed from the devices: a VF on another is unhealthy, and seen.
  pool.driver_mode = driver ? require_mode(*driver) : "netdev";
  for (Selector& each : pool.selectors) {
    each.rdma = view.boolean_or("rdma", false);
    each.vhost_net = view.boolean_or("vhostNet", false);
    if (const auto vdpa = view.find("vdpa")) each.vdpa_type = parse_vdpa_type(*vdpa);
  }
  pool.topology = view.boolean_or("topology", true);
  if (const auto info = view.find("info")) pool.additional_info = parse_info(*info);
  parse_own_keys(view, pool);
  return pool;
}

PoolConfig parse_pools(std::string_view bytes, const std::string& file, const std::string& default_prefix) {
  const json::value document = parse_json(bytes, file);
  const JsonView view(document, fmt::format("{}: key", file));
  PoolConfig config;
  PoolList list(config);
  const auto resources = view.find("resourceList");
  const auto pools = view.find("pools");
  if (!resources && !pools)
    throw Error(Error::Code::config, fmt::format("{} declares no pools", file),
                "it needs the key \"pools\", or \"resourceList\" as the SR-IOV network device plugin has it");
  // Each form keeps the prefix its users know: intel.com is the peer's default.
  const auto prefix_or = [&](const char* own) {
    return parse_prefix(view, "prefix", default_prefix.empty() ? own : default_prefix);
  };
  if (resources)
    for (const JsonView& each : resources->array("a list of resources"))
      list.add("the pool at " + each.path(), [&] { return parse_resource(each, prefix_or("intel.com")); });
  if (pools)
    for (const auto& [name, each] : pools->members("an object of pools"))
      list.add("pool " + name,
               [&, &name = name, &each = each] { return parse_short_pool(name, each, prefix_or("barewire.io")); });
  return config;
}

}  // namespace barewire::inventory
