// SPDX-License-Identifier: Apache-2.0
// Keys of args.cni come from the pod's annotation and win, as in the reference plugin.
#include "standard-plugins/tuning/config.h"

#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>

#include "core/fd.h"
#include "core/text.h"
#include "standard-plugins/tuning/duplicate.h"

namespace barewire::standard {

namespace {

/// One line of the allow-list, in the dialect of Go's regexp. Source: https://github.com/google/re2/wiki/Syntax.
class Pattern {
 public:
  Pattern(const std::string& text, const std::string& file) : pattern_(text, RE2::Quiet) {
    if (!pattern_.ok())
      throw Error(Error::Code::config, fmt::format("reading {} failed: \"{}\" is no regular expression", file, text),
                  pattern_.error());
  }
  bool matches(const std::string& text) const { return RE2::PartialMatch(text, pattern_); }

 private:
  RE2 pattern_;
};

std::vector<std::string> lines_of(const std::string& text) {
  constexpr const char* kBlank = " \t\r";
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = trim(std::string_view(text).substr(start, end - start), kBlank);
    if (!line.empty()) lines.emplace_back(line);
    start = end + 1;
  }
  return lines;
}

/// "net.ipv4.conf.IFNAME.arp_notify" → "net/ipv4/conf/eth0/arp_notify". A key whose first separator is a slash keeps
/// its dots, which may be part of an interface's name; slashes before all are passed over.
std::string path_of(std::string key, const std::string& ifname) {
  key.erase(0, key.find_first_not_of('/'));
  const auto first = key.find_first_of("./");
  if (first != std::string::npos && key[first] == '.') std::replace(key.begin(), key.end(), '.', '/');
  constexpr std::string_view kPlace = "IFNAME";
  if (const auto at = key.find(kPlace); at != std::string::npos) key.replace(at, kPlace.size(), ifname);
  return key;
}

using Sysctls = std::vector<std::pair<std::string, JsonView>>;

Sysctls sysctls_of(const cni::Request& request) {
  Sysctls all;
  if (const auto map = request.conf.root().find("sysctl")) all = map->members("an object of sysctl names and values");
  if (const auto map = request.conf.cni_arg("sysctl"))
    for (const auto& member : map->members("an object of sysctl names and values")) all.push_back(member);
  return all;
}

void require_allowed(const Sysctls& sysctls, const std::string& file) {
  const auto text = read_file(file);
  // Without the file everything of net is allowed, as in the reference plugin.
  if (!text || sysctls.empty()) return;
  const std::vector<std::string> lines = lines_of(*text);
  for (const auto& [key, value] : sysctls)
    if (std::none_of(lines.begin(), lines.end(),
                     [&, &name = key](const std::string& line) { return Pattern(line, file).matches(name); }))
      throw Error(Error::Code::config,
                  fmt::format("config key \"sysctl\" has \"{}\", which {} does not allow", key, file),
                  fmt::format("allowed: {}", fmt::join(lines, ", ")));
}

Error given_twice(const std::string& key) {
  return Error(Error::Code::config, fmt::format("config key \"sysctl\" has \"{}\" twice", key),
               "give each sysctl one value");
}

/// Twice in one object, be it in two spellings; "args.cni" may repeat what the configuration says, and wins.
void require_given_once(const cni::Request& request) {
  if (const auto key = find_duplicate(request.stdin_bytes, "sysctl")) throw given_twice(*key);
  const auto map = request.conf.root().find("sysctl");
  if (!map) return;
  std::set<std::string> paths;
  for (const auto& [key, value] : map->members("an object of sysctl names and values"))
    if (!paths.insert(path_of(key, request.ifname)).second) throw given_twice(key);
}

std::map<std::string, std::string> parse_sysctls(const cni::Request& request, const std::string& allow_list) {
  const Sysctls sysctls = sysctls_of(request);
  require_given_once(request);
  require_allowed(sysctls, allow_list);
  std::map<std::string, std::string> paths;
  for (const auto& [key, value] : sysctls) {
    const std::string path = path_of(key, request.ifname);
    // Only these belong to the netns; others would change the node.
    if (!path.starts_with("net/") || path.find("..") != std::string::npos)
      throw Error(Error::Code::config, fmt::format("config key \"sysctl\" has \"{}\"; expected a sysctl of net", key));
    paths[path] = value.string();
  }
  return paths;
}

/// "args.cni.KEY" comes before KEY.
std::optional<JsonView> find_key(const cni::Request& request, std::string_view key) {
  if (auto arg = request.conf.cni_arg(key)) return arg;
  return request.conf.root().find(key);
}

std::optional<std::uint32_t> parse_number(const cni::Request& request, std::string_view key, std::int64_t max,
                                          std::string_view meaning) {
  const auto view = find_key(request, key);
  if (!view) return std::nullopt;
  return static_cast<std::uint32_t>(view->integer(0, max, meaning));
}

LinkSettings parse_link(const cni::Request& request) {
  constexpr std::int64_t kLargestMtu = 65535;
  LinkSettings link;
  link.mac = cni::requested_mac(request);
  link.mtu = parse_number(request, "mtu", kLargestMtu, "an MTU in bytes, 0 to leave it");
  if (link.mtu == 0U) link.mtu.reset();
  link.tx_queue_length = parse_number(request, "txQLen", INT32_MAX, "a number of packets");
  // False says nothing: what is on may have been switched on by others.
  if (const auto promisc = find_key(request, "promisc"); promisc && promisc->boolean()) link.promisc = true;
  if (const auto allmulti = find_key(request, "allmulti")) link.allmulti = allmulti->boolean();
  return link;
}

}  // namespace

LinkSettings LinkSettings::present_in(const kernel::Link& link) const {
  LinkSettings present;
  if (mac) present.mac = link.mac;
  if (mtu) present.mtu = link.mtu;
  if (tx_queue_length) present.tx_queue_length = link.tx_queue_length;
  if (promisc) present.promisc = link.is_promiscuous();
  if (allmulti) present.allmulti = link.is_allmulti();
  return present;
}

std::string tuning_data_dir(const cni::Request& request) {
  const std::string named = request.conf.root().string_or("dataDir", "");
  return named.empty() ? "/run/cni/tuning" : named;
}

TuningConfig TuningConfig::parse(const cni::Request& request, const std::string& allow_list) {
  // One by one: gcc 12 fails to compile this as one braced list.
  TuningConfig config;
  config.data_dir = tuning_data_dir(request);
  config.sysctls = parse_sysctls(request, allow_list);
  config.link = parse_link(request);
  return config;
}

}  // namespace barewire::standard
