// SPDX-License-Identifier: Apache-2.0
/// Configurations that ask for what a key stands for, for guard_test.cc: of keys whose value cannot be made up from the
/// subject's kind alone, or that need others beside them. "PLUGIN KEY" comes before "KEY"; SUBNET is a file of
/// flanneld.
#pragma once

#include <string_view>
#include <utility>

namespace barewire {

inline constexpr std::pair<std::string_view, const char*> kExamples[] = {
    {"deviceID", R"({"deviceID": "0000:01:10.0"})"},
    {"pciBusID", R"({"pciBusID": "0000:01:10.0"})"},
    {"runtimeConfig.deviceID", R"({"runtimeConfig": {"deviceID": "0000:01:10.0"}})"},
    {"pool", R"({"pool": ["ens1f0"]})"},
    {"pf", R"({"pf": "ens1f0"})"},
    {"vlan", R"({"vlan": 100})"},
    {"vlanProto", R"({"vlan": 100, "vlanProto": "802.1ad"})"},
    {"trust", R"({"trust": "on"})"},
    {"spoofchk", R"({"spoofchk": "off"})"},
    {"max_tx_rate", R"({"max_tx_rate": 0})"},
    {"fallback", R"({"fallback": {"type": "nobody"}})"},
    {"host-device runtimeConfig.deviceID", R"({"device": null, "runtimeConfig": {"deviceID": "0000:02:00.0"}})"},
    {"host-device pciBusID", R"({"device": null, "pciBusID": "0000:02:00.0"})"},
    {"device", R"({"device": "eth7"})"},
    {"hwaddr", R"({"device": null, "hwaddr": "02:00:00:00:00:77"})"},
    {"kernelpath", R"({"device": null, "kernelpath": "/sys/devices/none"})"},
    {"links", R"({"linksInContainer": false, "links": [{"name": "eth7"}]})"},
    {"vlanTrunk", R"({"vlanTrunk": [{"minID": 100, "maxID": 101}]})"},
    {"preserveDefaultVlan", R"({"preserveDefaultVlan": true})"},
    {"master", R"({"master": "eth7"})"},
    {"delegate", R"({"subnetFile": "SUBNET", "delegate": {"type": "nobody"}})"},
    {"sysctl", R"({"sysctl": {"net.ipv4.ip_forward": "1"}})"},
    {"args.cni.sysctl", R"({"args": {"cni": {"sysctl": {"net/ipv4/ip_forward": "1"}}}})"},
    {"bridge", R"({"bridge": "br7"})"},
    {"trunk", R"({"trunk": [{"id": 5}]})"},
    {"vlan_mode", R"({"vlan": 5, "vlan_mode": "dot1q-tunnel"})"},
    {"socket_file", R"({"socket_file": "tcp:127.0.0.1:6640"})"},
    {"external_ids", R"({"external_ids": {"iface-id": "somebody"}})"},
    {"other_config", R"({"other_config": {"rstp-enable": "true"}})"},
    {"args.cni.ovnPort", R"({"args": {"cni": {"OvnPort": "somebody"}}})"},
    {"socket_dir", R"({"interface_type": "dpdkvhostuserclient", "socket_dir": "/tmp/x"})"},
    {"runtimeConfig.bandwidth.egressRate", R"({"runtimeConfig": {"bandwidth": {"egressRate": 5000000}}})"},
    {"ingress_policing.rate", R"({"ingress_policing": {"rate": 5000000}})"},
    {"tunnel.key", R"({"tunnel": {"type": "vxlan", "remotes": [], "key": 9}})"},
    {"host.bridge.bridgeName",
     R"({"host": {"engine": "ovs-dpdk", "iftype": "vhostuser", "bridge": {"bridgeName": "b"}}})"},
    {"host.bridge.vlanId", R"({"host": {"engine": "ovs-dpdk", "iftype": "vhostuser", "bridge": {"vlanId": 9}}})"},
    {"runtimeConfig.ipRanges", R"({"runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/16"}]]}})"},
    {"ipam.subnet", R"({"ipam": {"subnet": "10.9.0.0/16"}})"},
    {"ipam.rangeStart", R"({"ipam": {"subnet": "10.9.0.0/16", "rangeStart": "10.9.0.9"}})"},
    {"ipam.rangeEnd", R"({"ipam": {"subnet": "10.9.0.0/16", "rangeEnd": "10.9.0.9"}})"},
    {"ipam.gateway", R"({"ipam": {"subnet": "10.9.0.0/16", "gateway": "10.9.0.9"}})"},
    {"ipam.ranges", R"({"ipam": {"ranges": [[{"subnet": "10.9.0.0/16"}]]}})"},
    {"ipam.ranges[].subnet", R"({"ipam": {"ranges": [[{"subnet": "10.9.0.0/16"}]]}})"},
    {"ipam.ranges[].rangeStart", R"({"ipam": {"ranges": [[{"subnet": "10.9.0.0/16", "rangeStart": "10.9.0.2"}]]}})"},
    {"ipam.ranges[].rangeEnd", R"({"ipam": {"ranges": [[{"subnet": "10.9.0.0/16", "rangeEnd": "10.9.0.2"}]]}})"},
    {"ipam.ranges[].gateway", R"({"ipam": {"ranges": [[{"subnet": "10.9.0.0/16", "gateway": "10.9.0.2"}]]}})"},
    {"ipam.daemonSocketPath", R"({"ipam": {"daemonSocketPath": "/tmp/x"}})"},
    {"ipam.provide[].option", R"({"ipam": {"provide": [{"option": "host-name", "value": "x"}]}})"},
    {"prevResult",
     R"({"cniVersion": "1.0.0", "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.2/24"}]}})"},
};

}  // namespace barewire
