// SPDX-License-Identifier: Apache-2.0
/// The keys of the firewall plugin; accept.h and isolation.h act on them. docs/configuration/firewall.md describes
/// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/cni/request.h"

namespace barewire::standard {

/// Who is told to let the pod's packets through.
enum class FirewallBackend {
  nftables,  ///< nobody: nothing on the node drops them
  iptables,
  firewalld
};
/// The words of "backend"; parse_firewall_backend gives nullopt for any other.
std::string_view name_of(FirewallBackend backend);
std::optional<FirewallBackend> parse_firewall_backend(std::string_view name);

/// The reference plugin's "ingressPolicy": what a pod receives from other pods of the node.
enum class IngressPolicy {
  open,
  same_bridge,  ///< nothing from other bridges whose pods have a policy
  isolated      ///< nothing from its own bridge either
};

/// Defaults are the reference plugin's.
struct FirewallConfig {
  std::optional<FirewallBackend> backend;  ///< absent: what the node uses
  std::string admin_chain = "CNI-ADMIN";   ///< iptables alone
  std::string zone = "trusted";            ///< firewalld alone
  IngressPolicy policy = IngressPolicy::open;

  /// Throws Error{config} naming the key.
  static FirewallConfig parse(const JsonView& root);
};

}  // namespace barewire::standard
