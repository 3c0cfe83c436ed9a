// SPDX-License-Identifier: Apache-2.0
/// One table of keys, each with what is a value of it. The API server passes parameters on unread, so a slip in one
/// shows up nowhere else.
#include "device-manager/dra/parameters.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/ip.h"
#include "core/json_view.h"
#include "core/kernel/pci.h"
#include "core/vf/record.h"

namespace barewire::dra {

namespace json = boost::json;

namespace {

/// Strict, where a network configuration takes any other word for "off": no claims are old enough to count on that.
void switch_word(const JsonView& value) {
  if (const std::string word = value.string(); word != "on" && word != "off") value.reject("\"on\" or \"off\"");
}

void rate(const JsonView& value) {
  value.integer(0, std::numeric_limits<std::uint32_t>::max(), "Mb/s, 0 = no limit");
}

void interface_name(const JsonView& value) {
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ - 1
  const std::string name = value.string();
  // As the kernel judges names. Source: net/core/dev.c, dev_valid_name.
  const bool plain =
      std::none_of(name.begin(), name.end(), [](unsigned char c) { return c <= ' ' || c == '/' || c == ':'; });
  if (name.empty() || name.size() > kLongest || !plain || name == "." || name == "..")
    value.reject("the name of an interface, 15 characters at most");
}

void driver(const JsonView& value) {
  const std::string name = value.string();
  if (name != "netdev" && name != "vdpa" && !kernel::is_userspace_driver(name))
    value.reject("\"netdev\" (any driver of the kernel), \"vdpa\", \"vfio-pci\", \"uio_pci_generic\" or \"igb_uio\"");
}

void mac(const JsonView& value) {
  const auto address = MacAddress::parse(value.string());
  if (!address || address->is_zero() || address->is_multicast()) value.reject("a unicast Ethernet address");
}

/// What else is in it the IPAM plugin judges.
void ipam(const JsonView& value) {
  if (!value.is_object() || value.string_or("type", "").empty()) value.reject("an object with a \"type\"");
}

struct Key {
  std::string_view name;
  void (*check)(const JsonView&);
};
constexpr std::array kKeys{
    Key{"vlan", [](const JsonView& value) { value.integer(0, 4094, "an 802.1Q VLAN id"); }},
    Key{"vlanQoS", [](const JsonView& value) { value.integer(0, 7, "a VLAN priority"); }},
    Key{"vlanProto",
        [](const JsonView& value) {
          if (!vf::parse_vlan_proto(value.string())) value.reject("\"802.1q\" or \"802.1ad\"");
        }},
    Key{"mac", mac},
    Key{"ifname", interface_name},
    Key{"ipam", ipam},
    Key{"trust", switch_word},
    Key{"spoofchk", switch_word},
    Key{"link_state",
        [](const JsonView& value) {
          if (!vf::parse_link_state(value.string())) value.reject("\"auto\", \"enable\" or \"disable\"");
        }},
    Key{"min_tx_rate", rate},
    Key{"max_tx_rate", rate},
    Key{"mtu", [](const JsonView& value) { value.integer(68, 65535, "bytes"); }},
    Key{"promisc", [](const JsonView& value) { value.boolean(); }},
    Key{"allmulti", [](const JsonView& value) { value.boolean(); }},
    Key{"driver", driver},
};

const Key* find_key(std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& each) { return each.name == name; });
  return found == kKeys.end() ? nullptr : &*found;
}

/// Exact names: one that differs in case is not ours.
json::object exactly(const std::string& name, const json::value& value) {
  return json::object{{name, value}};
}

[[noreturn]] void refuse(const std::string& subject, const std::string& what) {
  std::string known;
  for (const Key& key : kKeys) known += fmt::format("{}{}", known.empty() ? "" : ", ", key.name);
  throw Error(Error::Code::config, fmt::format("{}: {}", subject, what), "the keys are: " + known);
}

/// By exact name, as above: `JsonView` would take "Kind" for "kind".
std::string member(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

}  // namespace

json::object parse_parameters(const json::value& parameters, const std::string& subject) {
  if (!parameters.is_object()) refuse(subject, "the parameters are no object");
  const json::object& given = parameters.get_object();
  if (member(given, "apiVersion") != kParametersVersion || member(given, "kind") != kParametersKind)
    refuse(subject, fmt::format("the parameters are \"{}\" of \"{}\"; expected \"{}\" of \"{}\"", member(given, "kind"),
                                member(given, "apiVersion"), kParametersKind, kParametersVersion));
  json::object settings;
  for (const auto& [name, value] : given) {
    if (name == "apiVersion" || name == "kind") continue;
    const Key* key = find_key(name);
    if (key == nullptr) refuse(subject, fmt::format("there is no key \"{}\"", std::string_view(name)));
    const json::value single = exactly(name, value);
    key->check(JsonView(single, subject + ": key").at(name));
    settings[name] = value;
  }
  return settings;
}

void merge_parameters(json::object& settings, const json::object& over) {
  for (const auto& [name, value] : over) settings[name] = value;
}

/// After class and claim are merged: each alone may be incomplete, and the other completes it.
void require_consistent(const json::object& settings, const std::string& subject) {
  const json::value document = settings;
  const JsonView view(document, subject + ": key");
  const auto vlan = view.find("vlan");
  const bool has_vlan = vlan && vlan->integer(0, 4094, "an 802.1Q VLAN id") != 0;
  for (const char* key : {"vlanQoS", "vlanProto"})
    if (const auto found = view.find(key); found && !has_vlan) found->reject("a key \"vlan\" beside it");
  const auto min = view.find("min_tx_rate"), max = view.find("max_tx_rate");
  if (!min || !max) return;
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto limit = max->integer(0, kMost, "Mb/s");
  if (limit != 0 && min->integer(0, kMost, "Mb/s") > limit)
    min->reject(fmt::format("at most {}, as \"max_tx_rate\" says", limit));
}

}  // namespace barewire::dra
