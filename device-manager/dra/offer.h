// SPDX-License-Identifier: Apache-2.0
/// A device as the scheduler is told of it: its name, what it is, what is wrong with it. Pure logic, but for
/// find_facts. Source: Kubernetes, resource.k8s.io/v1, type Device; the attributes that Multus and others look for.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/vf/host.h"
#include "device-manager/inventory/pool.h"

namespace barewire::dra {

/// What the NIC behind a device can do; one per PF.
struct NicFacts {
  std::string profile{};       ///< "intel-igb", "probed"
  std::string eswitch_mode{};  ///< "legacy", "switchdev"; empty: it has none
  /// phys_switch_id of the uplink: ports with the same one can be bridged in hardware
  std::string switch_id{};
  std::string bond{};  ///< the bond that its uplink is in
  /// Of the uplink, which all VFs share; absent without a carrier.
  std::optional<std::uint32_t> link_speed_mbps{};
  std::map<std::string, bool> can{};                    ///< "canTrust" → … ; left out: nobody knows
  std::map<std::uint32_t, std::string> representors{};  ///< by VF number
};
/// By the PF's PCI address. A PF that cannot be asked has no facts; never throws.
NicFacts find_facts(const Node& node, vf::Host& host, const std::string& pf, const std::vector<kernel::Link>& links);

/// Something that keeps a device from being given away now. Source: KEP-5055. Told as a taint, by which the scheduler
/// keeps away from it; pods that have it go on.
struct Trouble {
  enum class Kind { unhealthy, taken };
  Kind kind = Kind::unhealthy;
  std::string why{};  ///< a clause
};

/// A device that claims may ask for, whether or not one can have it at this moment.
struct Offer {
  inventory::Device device{};  ///< of a bridge type and id, its name, alone
  std::string resource{};      ///< of its pool, "example.com/fast"
  std::optional<Trouble> trouble{};
  int ports = 0;  ///< above 0: of an OVS bridge, the claims that may have a port of it at a time
};

/// "0000:01:10.0" → "0000-01-10-0", a DNS label; the same for a pool's part of a name.
std::string label_of(const std::string& id);
/// Of a VF its PF, else the device itself: what the devices of one pool of the API share. A reference into `device`.
const std::string& parent_of(const inventory::Device& device);

/// {"name", "attributes", "capacity", "taints"?}, as in v1. `driver` is the domain of the taints.
boost::json::object device_json(const Offer& offer, const NicFacts& facts, const std::string& driver, bool with_taint);

/// An OVS bridge as one device that many claims share, a port each, under the name `name`. Source: KEP-5075,
/// allowMultipleAllocations and the capacity "ports".
boost::json::object bridge_json(const Offer& offer, const std::string& name);
/// One port of it, for one claim: where the API server knows no shared devices.
boost::json::object port_json(const Offer& offer, const std::string& name);

/// "25G" for 25000: what the API server makes of it, so that a slice read back is the one that was written.
std::string quantity_of_mbps(std::uint64_t mbps);
/// Rounded up; nullopt when `text` is no quantity. Source: Kubernetes, resource.Quantity.
std::optional<std::uint64_t> mbps_of_quantity(const std::string& text);

}  // namespace barewire::dra
