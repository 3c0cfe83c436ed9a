// SPDX-License-Identifier: Apache-2.0
/// What DPDK said of a PCI function when it was last asked: kept beside the records, for whoever must not start DPDK
/// itself. `barewire-dpdk-probe` writes it; show, doctor, apply and the ovs plugin read it. Any thread.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "core/kernel/pci.h"
#include "core/node.h"

namespace barewire::vf {

struct DpdkReport {
  boost::json::object document{};  ///< whole, as `barewire-dpdk-probe -o json` prints it; docs/node.md has its keys
  bool usable = false;             ///< DPDK has a driver for it, and every port of it starts
  std::string problem{};           ///< why it is not usable
  std::string hint{};
  std::string driver{};                          ///< DPDK's, of the first port; empty: none takes it
  std::optional<std::uint32_t> switch_domain{};  ///< of the first port; absent: no representors can be made of it
};

/// Which binding of the function to a driver this is: another one after each unbind and bind, so that what was learnt
/// of the one is not taken for the other. Empty when no driver is bound. Source: an entry of sysfs has an inode number
/// of its own each time it is made (fs/kernfs/dir.c).
std::string dpdk_binding(const kernel::Sysfs& sysfs, const std::string& address);

/// What is kept of the function as it is bound now. nullopt: it was never asked, or was another device or bound anew
/// since, or what is kept cannot be understood: then nothing is known.
std::optional<DpdkReport> find_dpdk_report(const Node& node, const kernel::PciFunction& pci);
/// As find_dpdk_report; nullopt also when there is no such function.
std::optional<DpdkReport> find_dpdk_report(const Node& node, const std::string& address);

/// Keeps it until the node's next boot. `document["device"]` says which function and binding it is of. Throws
/// Error{io}.
void save_dpdk_report(const Node& node, const std::string& address, const boost::json::object& document);

}  // namespace barewire::vf
