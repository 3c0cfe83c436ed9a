// SPDX-License-Identifier: Apache-2.0
/// What an attachment's record keeps of its VF: which one it is, how it was before, what was asked of it, what ADD
/// left. Written before the first change, so that settings.h, move.h and restore.h can undo and compare from it alone.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json_view.h"
#include "core/kernel/link.h"
#include "core/kernel/sysfs.h"
#include "core/kernel/vf.h"
#include "core/vf/cleaning.h"

namespace barewire::vf {

/// What a network config may ask of a VF; absent values stay untouched.
struct Settings {
  std::optional<MacAddress> mac;  ///< admin MAC and effective MAC
  std::optional<kernel::VfChange::Vlan> vlan;
  std::optional<bool> spoof_check;
  std::optional<bool> trust;
  std::optional<std::uint32_t> min_tx_rate;  ///< Mb/s
  std::optional<std::uint32_t> max_tx_rate;  ///< Mb/s
  std::optional<kernel::VfLinkState> link_state;
  std::optional<std::uint32_t> mtu;  ///< of the netdev, bytes
  std::optional<bool> promisc;
  std::optional<bool> allmulti;
};

/// A netdev on the host, before it was moved.
struct NetdevState {
  std::string name;
  std::optional<std::vector<std::string>> alt_names;  ///< absent: nobody recorded them
  std::string alias;
  std::string kind;               ///< empty: hardware
  std::optional<MacAddress> mac;  ///< effective; absent: no Ethernet (InfiniBand)
  std::optional<MacAddress> perm_mac;
  std::string phys_port_name;  ///< which of the netdevs of its device (representors, ports); empty: not told
  bool mac_is_own = false;     ///< the VF gave itself its address; the PF only repeats it
  std::uint32_t mtu = 0;
  std::uint32_t tx_queue_length = 0;
  bool up = false;
  std::optional<DeviceState> device;  ///< absent: nobody recorded it
};

struct VfRecord {
  std::string device;    ///< PCI address of the VF
  std::string pf;        ///< PCI address of the PF
  std::string pf_name;   ///< at ADD, for messages; found again by address
  std::uint32_t id = 0;  ///< of the VF on its PF
  std::string driver;
  bool userspace = false;                  ///< on vfio-pci, uio_pci_generic or igb_uio: no netdev
  std::optional<NetdevState> netdev;       ///< before ADD
  std::optional<kernel::VfInfo> admin;     ///< before ADD; absent: the PF tells nothing
  Settings settings;                       ///< asked for by the config
  std::optional<kernel::VfInfo> expected;  ///< as ADD left it; absent until then
  int pod_index = 0;                       ///< ifindex in the pod; 0 until it was moved there
};

/// Whether a netdev of the host gave itself its address, at random or because somebody set it; a VF that did not has it
/// from its PF. Source: Documentation/ABI/testing/sysfs-class-net, "addr_assign_type".
bool mac_is_own(const kernel::Sysfs& sysfs, const std::string& netdev);
/// `link`, which is on the host, as it is now, read for a record. Throws KernelError.
NetdevState capture_netdev(Host& host, const kernel::Link& link);

boost::json::object to_json(const VfRecord& record);
/// From Attachment::data. Throws Error{state} naming the key.
VfRecord parse_vf_record(const boost::json::object& data, const std::string& subject);
boost::json::object to_json(const NetdevState& netdev);
NetdevState parse_netdev_state(const JsonView& json);

/// "802.1q", "802.1ad"; "auto", "enable", "disable": the words of config and messages.
std::string_view word(kernel::VlanProto proto);
std::string_view word(kernel::VfLinkState state);
std::optional<kernel::VfLinkState> parse_link_state(std::string_view word);
std::optional<kernel::VlanProto> parse_vlan_proto(std::string_view word);  ///< any case

}  // namespace barewire::vf
