// SPDX-License-Identifier: Apache-2.0
/// Having a pod's packets let through by what drops packets on this node: the filter table of the iptables command
/// (iptables_accept.cc) or firewalld (firewalld.cc). docs/decisions/firewall.md says why nftables is no third.
#pragma once

#include <string>
#include <vector>

#include "core/ip.h"
#include "core/node.h"
#include "core/state/attachment.h"
#include "standard-plugins/firewall/config.h"

namespace barewire::standard {

/// One pod as a backend is told of it. Without addresses there is nothing to let through.
struct PodAccept {
  state::AttachmentId id;
  FirewallConfig config;
  FirewallBackend backend = FirewallBackend::nftables;
  std::vector<IpAddress> addresses;  ///< of the pod
  bool has_record = true;            ///< false: perhaps the reference plugin's, which signs nothing
};

/// The backend `config` names; else firewalld where it runs, else iptables where the node's filter table has a FORWARD
/// chain and the command is there, else nftables. Throws Error{config} when the named one cannot be used.
FirewallBackend choose_backend(const FirewallConfig& config);

/// Why packets of pods may be dropped although `backend` was asked; empty when no reason is known.
std::string find_dropper(FirewallBackend backend);

/// Throws Error{kernel} with what the command said.
void accept_pod(const PodAccept& pod, const Node& node);
/// Harmless when there is nothing.
void no_longer_accept_pod(const PodAccept& pod, const Node& node);
/// What is missing, as clauses.
std::vector<std::string> compare_accepted(const PodAccept& pod);

/// By backend. Those that change iptables are called with its lock held. Throw Error{kernel} with the words of command
/// or firewalld, Error{io}.
void accept_with_iptables(const PodAccept& pod);
void remove_from_iptables(const PodAccept& pod);
std::vector<std::string> compare_with_iptables(const PodAccept& pod);

/// Whether firewalld answers on the system bus. Does not start it. Throws Error{io} when the bus itself is silent.
bool is_firewalld_running();
void accept_with_firewalld(const PodAccept& pod);
void remove_from_firewalld(const PodAccept& pod);
std::vector<std::string> compare_with_firewalld(const PodAccept& pod);

}  // namespace barewire::standard
