// SPDX-License-Identifier: Apache-2.0
#include "tests/support/node_snapshot.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/fd.h"
#include "tests/support/process.h"

namespace fs = std::filesystem;
namespace json = boost::json;

namespace barewire::test {

namespace {

using Items = std::map<std::string, std::string>;

json::array query(const std::string& text) {
  const CommandResult result = run_shell(text);
  if (!result.ok()) throw Error(Error::Code::io, fmt::format("running '{}' failed: {}", text, result.err));
  if (result.out.find_first_not_of(" \n") == std::string::npos) return {};
  return json::parse(result.out).as_array();
}

bool is_volatile(std::string_view key) {
  static const std::set<std::string_view> kVolatile = {"ifindex",
                                                       "operstate",
                                                       "link_index",
                                                       "carrier_changes",
                                                       "carrier_up_count",
                                                       "carrier_down_count",
                                                       "stats",
                                                       "stats64",
                                                       "valid_life_time",
                                                       "preferred_life_time",
                                                       "gc_timer",
                                                       "hello_timer",
                                                       "tcn_timer",
                                                       "topology_change_timer",
                                                       "message_age_timer",
                                                       "forward_delay_timer",
                                                       "hold_timer",
                                                       "cacheinfo"};
  return kVolatile.contains(key);
}

/// Flags the kernel raises and drops by itself as carrier comes and goes.
bool is_volatile_flag(const json::value& value) {
  static const std::set<std::string_view> kFlags = {"LOWER_UP", "NO-CARRIER", "DORMANT", "RUNNING"};
  return value.is_string() && kFlags.contains(value.get_string());
}

void flatten(const std::string& path, const json::value& value, Items& items) {
  if (value.is_object()) {
    for (const auto& member : value.get_object())
      if (!is_volatile(member.key())) flatten(path + "." + std::string(member.key()), member.value(), items);
  } else if (value.is_array()) {
    std::size_t index = 0;
    for (const auto& element : value.get_array())
      if (!is_volatile_flag(element)) flatten(fmt::format("{}[{}]", path, index++), element, items);
  } else {
    items[path] = json::serialize(value);
  }
}

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

void take_links(Items& items) {
  for (const auto& link : query("ip -d -j link show")) {
    const std::string name = text_of(link.as_object(), "ifname");
    items["link " + name] = "present";
    flatten("link " + name, link, items);
  }
}

void take_addresses(Items& items) {
  for (const auto& link : query("ip -j address show")) {
    const json::object& object = link.as_object();
    const json::value* addresses = object.if_contains("addr_info");
    if (addresses == nullptr) continue;
    for (const auto& address : addresses->as_array()) {
      if (!address.is_object() || address.get_object().empty()) continue;
      const std::string name =
          fmt::format("address {} {}", text_of(object, "ifname"), text_of(address.get_object(), "local"));
      flatten(name, address, items);
    }
  }
}

/// Whole objects as one item each: their order has no meaning.
void take_list(const std::string& what, const std::string& command, Items& items) {
  for (const auto& entry : query(command)) {
    json::object object = entry.as_object();
    if (json::value* flags = object.if_contains("flags"))  // "linkdown" comes and goes with carrier
      *flags = json::array();
    items[what + " " + json::serialize(object)] = "present";
  }
}

void take_nft(Items& items) {
  const CommandResult result = run_shell("command -v nft >/dev/null || exit 0; nft -s list ruleset");
  if (!result.out.empty()) items["nft ruleset"] = "\n" + result.out;
}

void take_vf_drivers(Items& items) {
  std::error_code none;
  for (const auto& device : fs::directory_iterator("/sys/bus/pci/devices", none)) {
    if (!fs::exists(device.path() / "physfn")) continue;
    const std::string name = "vf " + device.path().filename().string();
    const fs::path driver = fs::read_symlink(device.path() / "driver", none);
    items[name + ".driver"] = none ? "(none)" : driver.filename().string();
    items[name + ".driver_override"] = read_file(device.path() / "driver_override").value_or("");
  }
}

bool is_bookkeeping(const fs::path& path) {
  const std::string name = path.filename();
  const std::string directory = path.parent_path().filename();
  return name == "lock" || name.ends_with(".lock") || name.starts_with("last_reserved_ip.") || directory == "locks" ||
         directory == "host-local" || name == "host-local" || name == "locks";
}

/// Directories are no state; what is in them is.
void add_files(const std::string& directory, Items& items) {
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(directory, none)) {
    if (is_bookkeeping(entry.path())) continue;
    const std::string name = "file " + entry.path().string();
    if (entry.is_symlink()) {
      items[name] = "-> " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_regular_file()) {
      items[name] = read_file(entry.path()).value_or("(gone)");
    }
  }
}

}  // namespace

NodeSnapshot NodeSnapshot::take(const std::vector<std::string>& directories) {
  NodeSnapshot snapshot;
  take_links(snapshot.items_);
  take_addresses(snapshot.items_);
  take_list("route", "ip -4 -d -j route show table all", snapshot.items_);
  take_list("route6", "ip -6 -d -j route show table all", snapshot.items_);
  take_list("rule", "ip -4 -j rule show", snapshot.items_);
  take_list("rule6", "ip -6 -j rule show", snapshot.items_);
  take_list("neighbour", "ip -j neighbour show nud permanent", snapshot.items_);
  take_nft(snapshot.items_);
  take_vf_drivers(snapshot.items_);
  for (const auto& directory : directories) add_files(directory, snapshot.items_);
  return snapshot;
}

NodeSnapshot NodeSnapshot::take_files(const std::vector<std::string>& directories) {
  NodeSnapshot snapshot;
  for (const auto& directory : directories) add_files(directory, snapshot.items_);
  return snapshot;
}

std::string NodeSnapshot::difference(const NodeSnapshot& after) const {
  std::string lines;
  for (const auto& [what, value] : items_) {
    const auto now = after.items_.find(what);
    if (now != after.items_.end() && now->second == value) continue;
    lines += fmt::format("- {} = {}\n", what, value);
    if (now != after.items_.end()) lines += fmt::format("+ {} = {}\n", what, now->second);
  }
  for (const auto& [what, value] : after.items_)
    if (!items_.contains(what)) lines += fmt::format("+ {} = {}\n", what, value);
  return lines;
}

std::ostream& operator<<(std::ostream& out, const NodeSnapshot& snapshot) {
  for (const auto& [what, value] : snapshot.items()) out << what << " = " << value << "\n";
  return out;
}

}  // namespace barewire::test
