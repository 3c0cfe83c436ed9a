// SPDX-License-Identifier: Apache-2.0
// The table of subjects. A new one needs a line here, one in docs/configuration/policy.md and the schema, and a plugin
// that asks for it: tests/unit/packaging/guard_test.cc looks for all three.
#include "core/policy/subject.h"

#include <algorithm>
#include <array>

namespace barewire::policy {

namespace {

constexpr std::array kSubjects{
    SubjectInfo{Subject::addresses, "addresses", Kind::prefixes, "name, or take from ranges, addresses of these"},
    SubjectInfo{Subject::allmulti, "allmulti", Kind::flag, "have all multicast packets received"},
    SubjectInfo{Subject::bridges, "bridges", Kind::patterns, "use or make these bridges of the node"},
    SubjectInfo{Subject::broadcast_queue, "broadcastQueue", Kind::limit,
                "set the queue for broadcasts of a macvlan's master to this many packets"},
    SubjectInfo{Subject::chains, "chains", Kind::patterns, "have packets pass these chains of iptables"},
    SubjectInfo{Subject::data_dirs, "dataDirs", Kind::paths, "have files kept in these directories"},
    SubjectInfo{Subject::device_info_files, "deviceInfoFiles", Kind::paths, "have these device-info files written"},
    SubjectInfo{Subject::devices, "devices", Kind::patterns,
                "take these devices of the node, but for VFs, by name or PCI address"},
    SubjectInfo{Subject::dhcp_options, "dhcpOptions", Kind::patterns, "send these options to a DHCP server"},
    SubjectInfo{Subject::drivers, "drivers", Kind::patterns, "take devices with these drivers"},
    SubjectInfo{Subject::endpoints, "endpoints", Kind::patterns,
                "have the database of Open vSwitch or the DHCP daemon sought at these places"},
    SubjectInfo{Subject::force_address, "forceAddress", Kind::flag, "replace a gateway address of a bridge"},
    SubjectInfo{Subject::gateway, "gateway", Kind::flag, "make the node the pods' gateway, which forwards"},
    SubjectInfo{Subject::guaranteed_rate, "maxGuaranteedMbps", Kind::limit, "guarantee a rate up to this, in Mb/s"},
    SubjectInfo{Subject::hairpin, "hairpin", Kind::flag, "have frames sent back through the port they came from"},
    SubjectInfo{Subject::host_ports, "hostPorts", Kind::numbers, "have these ports of the node lead to the pod"},
    SubjectInfo{Subject::interface_types, "interfaceTypes", Kind::patterns, "use Open vSwitch ports of these types"},
    SubjectInfo{Subject::link_states, "linkStates", Kind::patterns, "set a VF's link to these states"},
    SubjectInfo{Subject::log_files, "logFiles", Kind::paths, "have the log appended to these files"},
    SubjectInfo{Subject::macs, "macs", Kind::macs, "choose these MAC addresses"},
    SubjectInfo{Subject::mark_bits, "markBits", Kind::numbers, "use these bits of the packet mark"},
    SubjectInfo{Subject::masquerade, "masquerade", Kind::flag, "have packets leave under the node's address"},
    SubjectInfo{Subject::masters, "masters", Kind::patterns,
                "put interfaces on these interfaces of the node; @default: that of the default route"},
    SubjectInfo{Subject::mirrors, "mirrors", Kind::patterns, "join these mirrors of Open vSwitch"},
    SubjectInfo{Subject::modes, "modes", Kind::patterns, "use these modes of macvlan, ipvlan and bond"},
    SubjectInfo{Subject::mtu, "maxMtu", Kind::limit, "set an MTU up to this, in bytes"},
    SubjectInfo{Subject::openflow_ports, "openflowPorts", Kind::numbers, "ask for these OpenFlow port numbers"},
    SubjectInfo{Subject::ovs_columns, "ovsColumns", Kind::patterns,
                "set these keys of a port, as external_ids:KEY=VALUE and other_config:KEY=VALUE"},
    SubjectInfo{Subject::pfs, "pfs", Kind::vfs, "take VFs of these PFs, by name or PCI address, all or by number"},
    SubjectInfo{Subject::plugins, "plugins", Kind::patterns, "call these plugins, IPAM and fallbacks included"},
    SubjectInfo{Subject::promisc, "promisc", Kind::flag, "have all packets received"},
    SubjectInfo{Subject::qinq, "qinq", Kind::flag, "use 802.1ad or put one VLAN into another"},
    SubjectInfo{Subject::rate, "maxMbps", Kind::limit, "send and receive up to this, in Mb/s"},
    SubjectInfo{Subject::rdma_names, "rdmaNames", Kind::patterns, "give RDMA devices these names"},
    SubjectInfo{Subject::read_files, "readFiles", Kind::paths, "have these files of the node read"},
    SubjectInfo{Subject::selinux_contexts, "selinuxContexts", Kind::patterns, "have a device made in these contexts"},
    SubjectInfo{Subject::socket_dirs, "socketDirs", Kind::paths, "have vhost-user sockets in these directories"},
    SubjectInfo{Subject::socket_groups, "socketGroups", Kind::patterns, "give sockets to these groups"},
    SubjectInfo{Subject::socket_modes, "socketModes", Kind::patterns, "give sockets these modes"},
    SubjectInfo{Subject::spoofchk_off, "spoofchkOff", Kind::flag, "switch off a VF's spoof check"},
    SubjectInfo{Subject::sysctls, "sysctls", Kind::paths,
                "set these sysctls of the pod, as net/ipv4/conf/*/arp_filter"},
    SubjectInfo{Subject::trust, "trust", Kind::flag, "have a VF trusted"},
    SubjectInfo{Subject::tunnel_keys, "tunnelKeys", Kind::numbers, "use these tunnel numbers (VNI)"},
    SubjectInfo{Subject::tunnel_remotes, "tunnelRemotes", Kind::prefixes, "have tunnels lead from and to these nodes"},
    SubjectInfo{Subject::tunnels, "tunnels", Kind::patterns, "have tunnels of these types made"},
    SubjectInfo{Subject::vlan_priorities, "vlanPriorities", Kind::numbers, "use these VLAN priorities"},
    SubjectInfo{Subject::vlans, "vlans", Kind::numbers, "reach these VLANs; 0: untagged"},
    SubjectInfo{Subject::zones, "zones", Kind::patterns, "be added to these zones of firewalld"},
};

}  // namespace

std::span<const SubjectInfo> all_subjects() {
  return kSubjects;
}

const SubjectInfo& info_of(Subject subject) {
  // Every subject has its line: a test counts them.
  return *std::find_if(kSubjects.begin(), kSubjects.end(),
                       [&](const SubjectInfo& info) { return info.subject == subject; });
}

const SubjectInfo* find_subject(std::string_view name) {
  const auto* found =
      std::find_if(kSubjects.begin(), kSubjects.end(), [&](const SubjectInfo& info) { return info.name == name; });
  return found == kSubjects.end() ? nullptr : found;
}

}  // namespace barewire::policy
