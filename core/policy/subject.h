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
  addresses,
  allmulti,
  bridges,
  broadcast_queue,
  chains,
  data_dirs,
  device_info_files,
  devices,
  dhcp_options,
  drivers,
  endpoints,
  force_address,
  gateway,
  guaranteed_rate,
  hairpin,
  host_ports,
  interface_types,
  link_states,
  log_files,
  macs,
  mark_bits,
  masquerade,
  masters,
  mirrors,
  modes,
  mtu,
  openflow_ports,
  ovs_columns,
  pfs,
  plugins,
  promisc,
  qinq,
  rate,
  rdma_names,
  read_files,
  selinux_contexts,
  socket_dirs,
  socket_groups,
  socket_modes,
  spoofchk_off,
  sysctls,
  trust,
  tunnel_keys,
  tunnel_remotes,
  tunnels,
  vlan_priorities,
  vlans,
  zones,
};

struct SubjectInfo {
  Subject subject;
  std::string_view name;  ///< the key in a rule's "allow"
  Kind kind;
  std::string_view about;  ///< completes "a network configuration may …"; no full stop
};

/// Every subject, in the order of the enumeration, which is that of their names but for a few.
std::span<const SubjectInfo> all_subjects();
const SubjectInfo& info_of(Subject subject);
/// nullptr for another word. Letter case counts: a rule that is misread would allow what it should not.
const SubjectInfo* find_subject(std::string_view name);

}  // namespace barewire::policy
