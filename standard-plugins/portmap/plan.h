// SPDX-License-Identifier: Apache-2.0
/// What portmap makes for one attachment, and making, comparing and removing it: with nftables (nft_plan.cc) or the
/// iptables command (iptables_plan.cc).
#pragma once

#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/attachment.h"
#include "standard-plugins/portmap/config.h"

namespace barewire::standard {

struct PortmapPlan {
  state::AttachmentId id;
  PortmapConfig config;
  NatBackend backend = NatBackend::nftables;
  std::vector<IpPrefix> addresses;  ///< of the pod, at most one of each family
  /// Nothing to map, or no address to map to.
  bool empty() const noexcept { return config.mappings.empty() || addresses.empty(); }
};

/// The backend `config` asks for or needs; silent about it, iptables where its commands are on the node, as with the
/// reference, else nftables. Throws Error{config} when it is iptables and not on the node, or when nftables is asked
/// for and a condition is none it can express.
NatBackend backend_of(const PortmapConfig& config);

/// Everything in one transaction. A host port that another attachment's mapping has is kept by it while that pod lives,
/// and taken over from one that is gone: this mapping waits for it. Throws KernelError.
void map_with_nftables(const PortmapPlan& plan, const Node& node);
/// Removes what is this attachment's own, and hands its ports to those who wait; harmless when there is nothing.
void unmap_with_nftables(const PortmapPlan& plan, const Node& node);
/// What is missing, as clauses.
std::vector<std::string> compare_with_nftables(const PortmapPlan& plan);

/// The same by the iptables command. The chains all pods share stay.
void map_with_iptables(const PortmapPlan& plan);
void unmap_with_iptables(const PortmapPlan& plan);
std::vector<std::string> compare_with_iptables(const PortmapPlan& plan);

}  // namespace barewire::standard
