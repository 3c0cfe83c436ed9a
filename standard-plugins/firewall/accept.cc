// SPDX-License-Identifier: Apache-2.0
// nftables has no rule that lets a packet through what another table drops, so that backend has nothing to add.
#include "standard-plugins/firewall/accept.h"

#include <arpa/inet.h>  // before the kernel's headers, which define the same types anew
#include <fmt/ranges.h>
#include <linux/netfilter.h>

#include "core/kernel/nftables.h"
#include "core/log.h"
#include "standard-plugins/common/iptables.h"
#include "standard-plugins/common/iptables_batch.h"
#include "standard-plugins/common/legacy_iptables.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace nft = kernel::nft;

namespace {

constexpr const char* kForward = "FORWARD";

nft::Table filter_table(bool v4) {
  return {v4 ? nft::Family::ip : nft::Family::ip6, "filter"};
}

/// Of either make: the command that is in use today has chains of nftables. Source: xtables-nft(8).
bool uses_iptables() {
  if (!has_iptables_commands()) return false;
  return may_have_iptables_chain(true, "filter", kForward) || may_have_iptables_chain(false, "filter", kForward);
}

}  // namespace

FirewallBackend choose_backend(const FirewallConfig& config) {
  if (config.backend == FirewallBackend::firewalld && !is_firewalld_running())
    throw Error(Error::Code::config, "config key \"backend\" is \"firewalld\", but firewalld does not run on this node",
                "start it, or leave the key out: what the node uses is then found out");
  if (config.backend == FirewallBackend::iptables)
    for (const bool v4 : {true, false}) const Iptables probe(v4, "backend");
  if (config.backend) return *config.backend;
  // First: where firewalld runs its zones decide, and a rule elsewhere would not let through what they drop.
  if (is_firewalld_running()) return FirewallBackend::firewalld;
  return uses_iptables() ? FirewallBackend::iptables : FirewallBackend::nftables;
}

std::string find_dropper(FirewallBackend backend) {
  // The others put a rule of their own in front.
  if (backend != FirewallBackend::nftables) return {};
  kernel::NlSocket socket = nft::open_socket();
  std::vector<std::string_view> droppers;
  for (const bool v4 : {true, false})
    if (nft::chain_policy(socket, filter_table(v4), kForward) == std::uint32_t{NF_DROP})
      droppers.push_back(v4 ? "ip filter FORWARD" : "ip6 filter FORWARD");
  if (droppers.empty()) return {};
  return fmt::format("{} drops what none of its own rules accepts", fmt::join(droppers, " and "));
}

void accept_pod(const PodAccept& pod, const Node& node) {
  // Nothing to let through: a pod without IPAM.
  if (pod.addresses.empty()) return;
  if (pod.backend == FirewallBackend::firewalld) return accept_with_firewalld(pod);
  if (pod.backend == FirewallBackend::iptables) {
    const state::FileLock lock = lock_iptables(node);
    return accept_with_iptables(pod);
  }
  if (const std::string dropper = find_dropper(pod.backend); !dropper.empty())
    log_warning("{}: packets of the pod may not pass, since {}", pod.id.text(), dropper);
}

void no_longer_accept_pod(const PodAccept& pod, const Node& node) {
  if (pod.addresses.empty()) return;
  if (pod.backend == FirewallBackend::firewalld) return remove_from_firewalld(pod);
  if (pod.backend != FirewallBackend::iptables) return;
  const state::FileLock lock = lock_iptables(node);
  remove_from_iptables(pod);
}

std::vector<std::string> compare_accepted(const PodAccept& pod) {
  if (pod.backend == FirewallBackend::firewalld) return compare_with_firewalld(pod);
  if (pod.backend == FirewallBackend::iptables) return compare_with_iptables(pod);
  return {};
}

}  // namespace barewire::standard
