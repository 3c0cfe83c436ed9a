// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/tuning/config.h"

#include <fmt/ranges.h>
#include <regex.h>

#include <algorithm>

#include "core/fd.h"

namespace barewire::standard {

namespace {

/// One line of the allow-list. Source: regex(3), regex(7).
class Pattern {
 public:
  Pattern(const std::string& text, const std::string& file) {
    const int err = ::regcomp(&pattern_, with_digit_class(text).c_str(), REG_EXTENDED | REG_NOSUB);
    if (err == 0) return;
    char why[128] = {};
    ::regerror(err, &pattern_, why, sizeof why);
    throw Error(Error::Code::config, fmt::format("reading {} failed: \"{}\" is no regular expression", file, text),
                why);
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  ~Pattern() { ::regfree(&pattern_); }
  bool matches(const std::string& text) const { return ::regexec(&pattern_, text.c_str(), 0, nullptr, 0) == 0; }

 private:
  /// \d, which lists written for the reference plugin use, is unknown to POSIX.
  static std::string with_digit_class(std::string text) {
    for (auto at = text.find("\\d"); at != std::string::npos; at = text.find("\\d", at + 5))
      text.replace(at, 2, "[0-9]");
    return text;
  }
  regex_t pattern_{};
};

std::vector<std::string> lines_of(const std::string& text) {
  constexpr const char* kBlank = " \t\r";
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    const auto first = line.find_first_not_of(kBlank);
    if (first != std::string::npos) lines.push_back(line.substr(first, line.find_last_not_of(kBlank) - first + 1));
    start = end + 1;
  }
  return lines;
}

/// "net.ipv4.conf.IFNAME.arp_notify" → "net/ipv4/conf/eth0/arp_notify". A key that begins with slashes keeps its dots.
std::string path_of(std::string key, const std::string& ifname) {
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
  if (!text || sysctls.empty()) return;
  const std::vector<std::string> lines = lines_of(*text);
  for (const auto& [key, value] : sysctls)
    if (std::none_of(lines.begin(), lines.end(),
                     [&, &name = key](const std::string& line) { return Pattern(line, file).matches(name); }))
      throw Error(Error::Code::config,
                  fmt::format("config key \"sysctl\" has \"{}\", which {} does not allow", key, file),
                  fmt::format("allowed: {}", fmt::join(lines, ", ")));
}

std::map<std::string, std::string> parse_sysctls(const cni::Request& request, const std::string& allow_list) {
  const Sysctls sysctls = sysctls_of(request);
  require_allowed(sysctls, allow_list);
  std::map<std::string, std::string> paths;
  for (const auto& [key, value] : sysctls) {
    const std::string path = path_of(key, request.ifname);
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
