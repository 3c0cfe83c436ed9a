// SPDX-License-Identifier: Apache-2.0
// A device is asked for by every name it has, the kernel's alternative names too: a policy that excludes one of them
// must not be passed by with another.
#include "core/vf/asks.h"

#include <algorithm>

#include "core/kernel/link.h"
#include "core/kernel/pci.h"

namespace barewire::vf {

namespace {

using policy::Ask;
using policy::Asks;
using policy::Subject;

// The SR-IOV capability counts VFs in 16 bits.
constexpr std::uint32_t kLastVf = UINT16_MAX;
constexpr std::size_t kLongestName = 127;  // ALTIFNAMSIZ - 1: a longer one is no interface's

/// Adds what is not there yet.
void add_name(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

/// A device of the node, as far as it is found: all its names, and its address on the bus.
struct Found {
  std::vector<std::string> names;
  std::optional<std::string> address;
};

void add_link_names(const std::string& name, std::vector<std::string>& names) {
  // A text of a configuration becomes part of a path below /sys here: what cannot be an interface's name must not.
  if (name.size() > kLongestName || name.find('/') != std::string::npos) return;
  kernel::NlSocket socket;
  const auto link = kernel::find_link(socket, name);
  if (!link) return;
  add_name(names, link->name);
  for (const std::string& alternative : link->alt_names) add_name(names, alternative);
}

Found find(const kernel::Sysfs& sysfs, const std::string& text) {
  Found found{{}, kernel::normalise_pci_address(text)};
  if (!found.address && text.find('/') == std::string::npos) {
    add_link_names(text, found.names);
    const std::string name = found.names.empty() ? text : found.names.front();
    if (!name.starts_with('.')) found.address = sysfs.link_name("class/net/" + name + "/device");
  }
  if (found.address) {
    for (const std::string& name : sysfs.list("bus/pci/devices/" + *found.address + "/net")) {
      add_name(found.names, name);
      add_link_names(name, found.names);
    }
    add_name(found.names, *found.address);
  }
  add_name(found.names, text);
  return found;
}

void ask_driver(const kernel::Sysfs& sysfs, const std::string& key, const std::string& address, Asks& asks) {
  const auto driver = sysfs.link_name("bus/pci/devices/" + address + "/driver");
  if (!driver) return;
  const bool asked = std::any_of(asks.begin(), asks.end(), [&](const Ask& ask) {
    return ask.subject == Subject::drivers && ask.shown == *driver;
  });
  if (!asked) asks.push_back(policy::ask_name(Subject::drivers, key, *driver));
}

}  // namespace

void ask_device(const Node& node, const std::string& key, const std::string& text, Asks& asks) {
  const kernel::Sysfs sysfs(node.sysfs);
  const Found found = find(sysfs, text);
  const auto place = found.address ? kernel::find_vf_place(sysfs, *found.address) : std::nullopt;
  Ask ask{.subject = Subject::devices, .key = key, .shown = text, .names = found.names};
  if (place) {
    ask.subject = Subject::pfs;
    ask.names = find(sysfs, place->pf_address).names;
    ask.numbers.emplace_back(place->id, place->id);
    ask.shown = fmt::format("{}, VF {} of {}", text, place->id, ask.names.front());
  }
  asks.push_back(std::move(ask));
  if (found.address) ask_driver(sysfs, key, *found.address, asks);
}

void ask_interface(Subject subject, const std::string& key, const std::string& name, Asks& asks) {
  Ask ask{.subject = subject, .key = key, .shown = name};
  add_link_names(name, ask.names);
  add_name(ask.names, name);
  asks.push_back(std::move(ask));
}

void ask_pool(const Node& node, const std::string& key, const VfRange& range, Asks& asks) {
  const kernel::Sysfs sysfs(node.sysfs);
  const Found found = find(sysfs, range.pf);
  Ask ask{.subject = Subject::pfs, .key = key, .shown = range.pf, .names = found.names};
  for (const auto& [first, last] : range.ranges) ask.numbers.emplace_back(first, last);
  // A PF without numbers means all its VFs, those included that are made later.
  if (range.ranges.empty()) ask.numbers.emplace_back(0, kLastVf);
  asks.push_back(std::move(ask));
  if (!found.address) return;
  for (const auto& [id, vf] : kernel::list_vf_addresses(sysfs, *found.address))
    if (range.contains(id)) ask_driver(sysfs, key, vf, asks);
}

void ask_requested_device(const JsonView& root, const Node& node, Asks& asks) {
  const auto runtime = root.find("runtimeConfig");
  for (const auto& key : {root.find("deviceID"), root.find("pciBusID"),
                          runtime && runtime->is_object() ? runtime->find("deviceID") : std::nullopt})
    if (key && key->is_string() && !key->string().empty()) ask_device(node, key->path(), key->string(), asks);
}

}  // namespace barewire::vf
