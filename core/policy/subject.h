// SPDX-License-Identifier: Apache-2.0
/// What a policy can bound: one subject for each thing that a network configuration asks of the node. ask.h carries
/// what is asked, bound.h what is allowed. docs/configuration/policy.md describes every subject to administrators.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace barewire::policy {

/// How a bound is written, and compared with what is asked.
enum class Kind {
  flag,      ///< true or false: whether it may be asked at all
  patterns,  ///< list of patterns with * and ?; one that begins with ! excludes
  paths,     ///< the same of absolute paths: * stays within a component, ** does not
  numbers,   ///< list of numbers and ranges, [7, "100-199"]: all that is asked must lie within
  macs,      ///< list of MAC addresses and ranges "FIRST-LAST"
  prefixes,  ///< list of IP prefixes that hold every address asked for
  limit,     ///< the largest number that may be asked
  vfs,       ///< list of patterns of PFs, each with VF numbers or all of them: "ens1f0#0-3"
};

enum class Subject {
  addresses,          ///< of the pod, by IPAM keys, CNI_ARGS or capability
  allmulti,           ///< of VFs, and of tuning
  bridges,            ///< of Linux and of Open vSwitch
  broadcast_queue,    ///< of macvlan, packets
  chains,             ///< of iptables: firewall's and portmap's own keys
  data_dirs,          ///< where reference plugins keep files, "dataDir"
  device_info_files,  ///< runtimeConfig.CNIDeviceInfoFile
  devices,            ///< host-device; VFs are `pfs`
  dhcp_options,
  drivers,          ///< of VFs and devices taken
  endpoints,        ///< databases and daemons, as they are written
  force_address,    ///< bridge's key of that name
  gateway,          ///< isGateway, isDefaultGateway and their like
  guaranteed_rate,  ///< "maxGuaranteedMbps"
  hairpin,
  host_ports,  ///< portmap, any protocol
  interface_types,
  link_states,  ///< of a VF: auto, enable, disable
  log_files,    ///< root appends to them
  macs,         ///< of pods, wherever they are asked for
  mark_bits,    ///< portmap with iptables
  masquerade,
  masters,  ///< of macvlan, ipvlan and vlan
  mirrors,
  modes,  ///< of a driver: macvlan, ipvlan, bond
  mtu,    ///< "maxMtu", bytes
  openflow_ports,
  ovs_columns,  ///< external_ids and other_config
  pfs,          ///< VFs by their PF: single ones, and pools
  plugins,      ///< whatever is called on behalf of this one
  promisc,
  qinq,              ///< of VFs and of ports of Open vSwitch
  rate,              ///< "maxMbps", in either direction
  rdma_names,        ///< in the pod
  read_files,        ///< resolv.conf, flannel's subnet file and the like
  selinux_contexts,  ///< tap
  socket_dirs,       ///< vhost-user
  socket_groups,
  socket_modes,
  spoofchk_off,  ///< on is nobody's to forbid
  sysctls,       ///< paths below /proc/sys
  trust,
  tunnel_keys,     ///< VNI
  tunnel_remotes,  ///< addresses
  tunnels,
  vlan_priorities,  ///< PCP, 0 to 7
  vlans,            ///< of VFs, bridges, Open vSwitch and vlan
  zones,            ///< firewalld
};

struct SubjectInfo {
  Subject subject;
  std::string_view name;  ///< the key in a rule's "allow"
  Kind kind;
  std::string_view about;  ///< completes "a network configuration may …"; no full stop
};

/// Every subject, in the order of the enumeration, which is that of their names but for a few.
std::span<const SubjectInfo> all_subjects();
/// Never fails: every subject has one.
const SubjectInfo& info_of(Subject subject);
/// nullptr for another word. Letter case counts: a rule that is misread would allow what it should not.
const SubjectInfo* find_subject(std::string_view name);

}  // namespace barewire::policy
