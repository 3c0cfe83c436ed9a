// SPDX-License-Identifier: Apache-2.0
#include "tests/support/node_snapshot.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <filesystem>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>

#include "core/error.h"
#include "core/fd.h"
#include "tests/support/process.h"

namespace fs = std::filesystem;
namespace json = boost::json;

namespace barewire::test {

namespace {

using Items = std::map<std::string, std::string>;

using Answers = std::vector<json::array>;

/// ip(8) prints a link's name as it is, which may be any bytes.
const json::parse_options kOfAnyBytes = [] {
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  return options;
}();

/// The answers of `ip` to several queries in their order: one process, because each takes long in a guest. It prints
/// each answer on a line of its own.
Answers ask_ip(std::vector<std::string> options, const std::string& queries) {
  options.insert(options.end(), {"-j", "-batch", "-"});
  const CommandResult result = run({.program = "ip",
                                    .arguments = std::move(options),
                                    .argv0 = {},
                                    .environment = {},
                                    .stdin_bytes = queries,
                                    .netns = ""});
  if (!result.ok()) throw Error(Error::Code::io, fmt::format("asking ip '{}' failed: {}", queries, result.err));
  Answers answers;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);)
    if (line.find_first_not_of(' ') != std::string::npos)
      answers.push_back(json::parse(line, {}, kOfAnyBytes).as_array());
  if (const auto asked = std::count(queries.begin(), queries.end(), '\n'); std::ssize(answers) != asked)
    throw Error(Error::Code::io, fmt::format("ip gave {} answers to {} queries", answers.size(), asked));
  return answers;
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

/// What the kernel attaches when a netdev is opened for the first time (noqueue to those that send at once, as veth),
/// and what it has before. Source: net/sched/sch_generic.c attach_default_qdiscs.
bool is_own_qdisc(const std::string& qdisc) {
  std::string chosen = read_file("/proc/sys/net/core/default_qdisc").value_or("");
  while (chosen.ends_with('\n')) chosen.pop_back();
  return qdisc != "noop" && qdisc != "noqueue" && qdisc != "mq" && qdisc != chosen;
}

void take_links(const json::array& links, Items& items) {
  for (const auto& each : links) {
    json::object link = each.as_object();
    if (!is_own_qdisc(text_of(link, "qdisc"))) link.erase("qdisc");
    const std::string name = text_of(link, "ifname");
    items["link " + name] = "present";
    flatten("link " + name, link, items);
  }
}

void take_addresses(const json::array& links, Items& items) {
  for (const auto& link : links) {
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
void take_list(const std::string& what, const json::array& entries, Items& items) {
  for (const auto& entry : entries) {
    json::object object = entry.as_object();
    if (json::value* flags = object.if_contains("flags"))  // "linkdown" comes and goes with carrier
      *flags = json::array();
    items[what + " " + json::serialize(object)] = "present";
  }
}

/// Links, addresses, routes, rules and neighbours.
void take_network(Items& items) {
  const Answers answers = ask_ip({"-d"},
                                 "link show\naddress show\nroute show table all\n"
                                 "neighbour show nud permanent\nrule show\n");
  take_links(answers[0], items);
  take_addresses(answers[1], items);
  take_list("route", answers[2], items);
  take_list("neighbour", answers[3], items);
  take_list("rule", answers[4], items);
  take_list("rule6", ask_ip({"-6"}, "rule show\n")[0], items);
}

/// An IPv6 address that the kernel has not finished with: its state, and its route, change by themselves in a moment.
bool is_settling(const Items& items) {
  return std::any_of(items.begin(), items.end(), [&](const auto& item) {
    const std::string_view name = item.first;
    constexpr std::string_view kTentative = ".tentative";
    if (!name.ends_with(kTentative)) return false;
    return !items.contains(std::string(name.substr(0, name.size() - kTentative.size())) + ".dadfailed");
  });
}

/// No IPv6, or "addrgenmode none", which `ip address show` does not tell.
bool makes_no_link_local(const std::string& link) {
  const std::string directory = "/proc/sys/net/ipv6/conf/" + link;
  return read_file(directory + "/disable_ipv6").value_or("1") != "0\n" ||
         read_file(directory + "/addr_gen_mode").value_or("0") == "1\n";
}

/// A link gets its link-local address up to a second after its carrier. Source: net/core/link_watch.c.
bool awaits_link_local(const json::object& link) {
  const json::value* flags = link.if_contains("flags");
  if (flags == nullptr || text_of(link, "link_type") != "ether") return false;
  const std::string text = json::serialize(*flags);
  if (text.find("\"UP\"") == std::string::npos || text.find("LOWER_UP") == std::string::npos) return false;
  if (makes_no_link_local(text_of(link, "ifname"))) return false;
  const json::value* addresses = link.if_contains("addr_info");
  return addresses == nullptr || json::serialize(*addresses).find("\"fe80:") == std::string::npos;
}

bool any_awaits_link_local() {
  const Answers answers = ask_ip({"-d"}, "address show\n");
  return std::any_of(answers[0].begin(), answers[0].end(),
                     [](const json::value& link) { return awaits_link_local(link.as_object()); });
}

void await_link_local() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  while (any_awaits_link_local() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

/// take_network once duplicate address detection is over, or after a few seconds.
void take_settled_network(Items& items) {
  await_link_local();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (;;) {
    Items network;
    take_network(network);
    if (!is_settling(network) || std::chrono::steady_clock::now() > deadline) return items.merge(network);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
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
    for (const auto& netdev : fs::directory_iterator(device.path() / "net", none))
      items[name + ".mac"] = read_file(netdev.path() / "addr_assign_type") == "0\n" ? "from its PF" : "its own";
  }
}

bool is_bookkeeping(const fs::path& path) {
  const std::string name = path.filename();
  const std::string directory = path.parent_path().filename();
  return name == "lock" || name.ends_with(".lock") || name.starts_with("last_reserved_ip.") || directory == "locks" ||
         directory == "host-local" || directory == "journal" || name == "host-local" || name == "locks";
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
  take_settled_network(snapshot.items_);
  take_nft(snapshot.items_);
  take_vf_drivers(snapshot.items_);
  for (const auto& directory : directories) add_files(directory, snapshot.items_);
  return snapshot;
}

NodeSnapshot NodeSnapshot::take_devices(const std::vector<std::string>& directories) {
  NodeSnapshot snapshot = take_files(directories);
  take_links(ask_ip({"-d"}, "link show\n")[0], snapshot.items_);
  take_vf_drivers(snapshot.items_);
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

std::string lasting_difference(const NodeSnapshot& before, const std::function<NodeSnapshot()>& take) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  for (;;) {
    std::string difference = before.difference(take());
    if (difference.empty() || std::chrono::steady_clock::now() > deadline) return difference;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::ostream& operator<<(std::ostream& out, const NodeSnapshot& snapshot) {
  for (const auto& [what, value] : snapshot.items()) out << what << " = " << value << "\n";
  return out;
}

}  // namespace barewire::test
