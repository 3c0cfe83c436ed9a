// SPDX-License-Identifier: Apache-2.0
// Without a backend the node is looked at: what is in use there is what drops.
#include "standard-plugins/firewall/config.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace barewire::standard {

namespace {

constexpr std::array kBackends{std::pair{FirewallBackend::nftables, std::string_view("nftables")},
                               std::pair{FirewallBackend::iptables, std::string_view("iptables")},
                               std::pair{FirewallBackend::firewalld, std::string_view("firewalld")}};

/// The reference finds out by itself what the node uses when it does not know the backend's name, and "none" is one
/// that configurations have.
bool is_left_to_the_node(const std::string& name) {
  return name.empty() || name == "none";
}

std::optional<FirewallBackend> parse_backend(const JsonView& root) {
  const auto key = root.find("backend");
  if (!key || is_left_to_the_node(key->string())) return std::nullopt;
  const auto backend = parse_firewall_backend(key->string());
  if (!backend) key->reject("\"nftables\", \"iptables\" or \"firewalld\"");
  return backend;
}

/// A chain's name is an argument of the iptables command. Source: iptables(8), XT_EXTENSION_MAXNAMELEN.
std::string parse_admin_chain(const JsonView& root, std::string fallback) {
  constexpr std::size_t kLongest = 28;
  const auto key = root.find("iptablesAdminChainName");
  if (!key || key->string().empty()) return fallback;
  std::string name = key->string();
  const bool is_plain = std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isgraph(c); });
  // A name that begins with "-" or "!" would be an option or a negation to the command.
  if (name.size() > kLongest || !is_plain || name.front() == '-' || name.front() == '!')
    key->reject("a chain's name: up to 28 characters without blanks, the first no \"-\" or \"!\"");
  return name;
}

/// An argument of a command, too.
std::string parse_zone(const JsonView& root, std::string fallback) {
  const auto key = root.find("firewalldZone");
  if (!key || key->string().empty()) return fallback;
  std::string name = key->string();
  const auto is_fit = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '/'; };
  if (!std::all_of(name.begin(), name.end(), is_fit) || name.front() == '-')
    key->reject("the name of a firewalld zone");
  return name;
}

IngressPolicy parse_policy(const JsonView& root) {
  const auto key = root.find("ingressPolicy");
  if (!key || key->string().empty() || key->string() == "open") return IngressPolicy::open;
  if (key->string() == "same-bridge") return IngressPolicy::same_bridge;
  if (key->string() == "isolated") return IngressPolicy::isolated;
  key->reject("\"open\", \"same-bridge\" or \"isolated\"");
}

}  // namespace

std::string_view name_of(FirewallBackend backend) {
  for (const auto& [value, name] : kBackends)
    if (value == backend) return name;
  return {};
}

std::optional<FirewallBackend> parse_firewall_backend(std::string_view name) {
  for (const auto& [value, known] : kBackends)
    if (known == name) return value;
  return std::nullopt;
}

FirewallConfig FirewallConfig::parse(const JsonView& root) {
  FirewallConfig config;
  config.backend = parse_backend(root);
  config.admin_chain = parse_admin_chain(root, config.admin_chain);
  config.zone = parse_zone(root, config.zone);
  config.policy = parse_policy(root);
  return config;
}

}  // namespace barewire::standard
