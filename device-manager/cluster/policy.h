// SPDX-License-Identifier: Apache-2.0
/// SriovNetworkNodePolicy of sriovnetwork.openshift.io/v1, as far as it says what a node's NICs should be, and which
/// policies are for a node. Pure: objects.h fetches them, translate.h makes a declaration of them. Source: the API of
/// sriov-network-operator.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/vf/inventory.h"
#include "device-manager/state/declaration.h"

namespace barewire::cluster {

using Labels = std::map<std::string, std::string>;

/// Which NICs a policy is for: all that is given has to fit, and of a list one.
struct NicSelector {
  std::string vendor{}, device{};           ///< four hexadecimal digits in lower case; empty: any
  std::vector<std::string> root_devices{};  ///< PCI addresses, normalised
  std::vector<vf::VfRange> pf_names{};      ///< "ens1f0#0-3"
  std::string net_filter{};                 ///< of virtual platforms; no NIC of a bare-metal node is like it
};

struct Policy {
  std::string name{};
  std::int64_t priority = 99;  ///< 0 to 99; 0 wins
  Labels node_selector{};
  NicSelector nics{};
  std::string resource{};              ///< without prefix
  std::uint32_t vfs = 0;               ///< numVfs
  std::optional<std::uint32_t> mtu{};  ///< bytes
  std::string driver = "netdev";       ///< as in node.json: "netdev", "vfio-pci"
  bool rdma = false, vhost_net = false;
  bool exclude_topology = false;
  bool externally_managed = false;
  std::string eswitch = "legacy";  ///< or "switchdev"
  std::string link_type{};         ///< "eth", "ib"; empty: not said
};

/// "SriovNetworkNodePolicy NAME", for messages.
std::string title(const Policy& policy);

/// What is wrong goes to `problems`, all of it, each with the policy's name and the key; nullopt then.
std::optional<Policy> parse_policy(std::vector<declared::Problem>& problems, const boost::json::value& object);

/// Whether every label of `selector` is one of `labels`, with its value.
bool is_selected(const Labels& selector, const Labels& labels);
/// `metadata.labels` of an object; empty where it has none.
Labels labels_of(const boost::json::value& object);

}  // namespace barewire::cluster
