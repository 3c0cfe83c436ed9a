// SPDX-License-Identifier: Apache-2.0
/// Network configurations that sriov and host-device must refuse: each a few members that go into an otherwise good
/// configuration, the code, and what the message must name. Shared by the unit tests of the parsers and the plugin
/// tests of the program.
#pragma once

#include <array>

namespace barewire::test {

struct BadInput {
  const char* members;  ///< JSON members, after others that they override
  int code;
  const char* named;  ///< part of the message
};

/// For every plugin: the keys that each configuration may have.
inline constexpr std::array kBadCommon = {
    BadInput{R"("name":5)", 7, "\"name\" is 5"},
    BadInput{R"("name":"")", 7, "missing network name"},
    BadInput{R"("name":null)", 7, "missing network name"},
    BadInput{R"("name":"a b")", 7, "network name"},
    BadInput{R"("name":"../x")", 7, "network name"},
    BadInput{R"("type":5)", 7, "\"type\" is 5"},
    BadInput{R"("cniVersion":5)", 7, "\"cniVersion\" is 5"},
    BadInput{R"("cniVersion":"new")", 6, "\"cniVersion\" is \"new\""},
    BadInput{R"("cniVersion":"9.9.9")", 1, "incompatible CNI versions"},
    BadInput{R"("ipam":"host-local")", 7, "\"ipam\""},
    BadInput{R"("ipam":[])", 7, "\"ipam\""},
    BadInput{R"("ipam":{"type":5})", 7, "\"ipam.type\" is 5"},
    BadInput{R"("dns":"10.1.1.1")", 7, "\"dns\""},
    BadInput{R"("dns":{"nameservers":"10.1.1.1"})", 7, "\"dns.nameservers\""},
    BadInput{R"("dns":{"nameservers":[5]})", 7, "\"dns.nameservers[0]\" is 5"},
    BadInput{R"("dns":{"domain":5})", 7, "\"dns.domain\" is 5"},
    BadInput{R"("runtimeConfig":"x")", 7, "\"runtimeConfig\""},
};

inline constexpr std::array kBadSriov = {
    BadInput{R"("deviceID":5)", 7, "\"deviceID\" is 5"},
    BadInput{R"("deviceID":"eth7")", 7, "\"deviceID\" is \"eth7\""},
    BadInput{R"("deviceID":"0000:01:10")", 7, "\"deviceID\""},
    BadInput{R"("deviceID":"0000:01:10.8")", 7, "\"deviceID\""},
    BadInput{R"("deviceID":"")", 7, "VF pci addr is required"},
    BadInput{R"("deviceID":null)", 7, "VF pci addr is required"},
    BadInput{R"("pciBusID":["0000:01:10.0"])", 7, "\"pciBusID\""},
    BadInput{R"("pciBusID":"0000:01:10.9")", 7, "\"pciBusID\""},
    BadInput{R"("pciBusID":"0000:01:10.2")", 7, "\"pciBusID\" is \"0000:01:10.2\""},
    BadInput{R"("runtimeConfig":{"deviceID":true})", 7, "\"runtimeConfig.deviceID\" is true"},
    BadInput{R"("runtimeConfig":{"deviceID":"vf7"})", 7, "\"runtimeConfig.deviceID\" is \"vf7\""},
    BadInput{R"("runtimeConfig":{"deviceID":"0000:01:10.2"})", 7, "\"deviceID\""},
    BadInput{R"("pf":5)", 7, "\"pf\" is 5"},
    BadInput{R"("pf":"")", 7, "\"pf\""},
    BadInput{R"("pf":"ens1f0#")", 7, "\"pf\""},
    BadInput{R"("pf":"ens1f0#3-1")", 7, "\"pf\""},
    BadInput{R"("pf":"ens1f0#a")", 7, "\"pf\""},
    BadInput{R"("pf":"#0-3")", 7, "\"pf\""},
    BadInput{R"("pool":[])", 7, "\"pool\""},
    BadInput{R"("pool":[5])", 7, "\"pool[0]\" is 5"},
    BadInput{R"("pool":{})", 7, "\"pool\""},
    BadInput{R"("pool":["ens1f0","ens1f1#1-"])", 7, "\"pool\""},
    BadInput{R"("pf":"ens1f0","pool":"ens1f1")", 7, "\"pool\""},
    BadInput{R"("vlan":-1)", 7, "\"vlan\" is -1"},
    BadInput{R"("vlan":4095)", 7, "\"vlan\" is 4095"},
    BadInput{R"("vlan":"100")", 7, "\"vlan\" is \"100\""},
    BadInput{R"("vlan":1.5)", 7, "\"vlan\""},
    BadInput{R"("vlan":true)", 7, "\"vlan\" is true"},
    BadInput{R"("vlan":[100])", 7, "\"vlan\""},
    BadInput{R"("vlanQoS":3)", 7, "\"vlanQoS\" is 3"},
    BadInput{R"("vlan":1,"vlanQoS":8)", 7, "\"vlanQoS\" is 8"},
    BadInput{R"("vlan":1,"vlanQoS":-1)", 7, "\"vlanQoS\" is -1"},
    BadInput{R"("vlan":1,"vlanQoS":"3")", 7, "\"vlanQoS\" is \"3\""},
    BadInput{R"("vlan":0,"vlanQoS":3)", 7, "\"vlanQoS\" is 3"},
    BadInput{R"("vlanProto":"802.1q")", 7, "\"vlanProto\" is \"802.1q\""},
    BadInput{R"("vlan":1,"vlanProto":"802.3")", 7, "\"vlanProto\" is \"802.3\""},
    BadInput{R"("vlan":1,"vlanProto":8021)", 7, "\"vlanProto\" is 8021"},
    BadInput{R"("vlan":0,"vlanProto":"802.1ad")", 7, "\"vlanProto\" is \"802.1ad\""},
    BadInput{R"("mac":5)", 7, "\"mac\" is 5"},
    BadInput{R"("mac":"hello")", 7, "\"mac\" is \"hello\""},
    BadInput{R"("mac":"02:00:00:00:01")", 7, "\"mac\""},
    BadInput{R"("mac":"02:00:00:00:00:01:02")", 7, "\"mac\""},
    BadInput{R"("mac":"01:00:5e:00:00:01")", 7, "\"mac\""},
    BadInput{R"("mac":"ff:ff:ff:ff:ff:ff")", 7, "\"mac\""},
    BadInput{R"("mac":"00:00:00:00:00:00")", 7, "\"mac\""},
    BadInput{R"("runtimeConfig":{"mac":"hello"})", 7, "\"runtimeConfig.mac\" is \"hello\""},
    BadInput{R"("runtimeConfig":{"mac":5})", 7, "\"runtimeConfig.mac\" is 5"},
    BadInput{R"("args":"x")", 7, "\"args\""},
    BadInput{R"("args":{"cni":"x"})", 7, "\"args.cni\""},
    BadInput{R"("args":{"cni":{"mac":"hello"}})", 7, "\"args.cni.mac\" is \"hello\""},
    BadInput{R"("spoofchk":true)", 7, "\"spoofchk\" is true"},
    BadInput{R"("spoofchk":1)", 7, "\"spoofchk\" is 1"},
    BadInput{R"("trust":false)", 7, "\"trust\" is false"},
    BadInput{R"("link_state":"up")", 7, "\"link_state\" is \"up\""},
    BadInput{R"("link_state":true)", 7, "\"link_state\" is true"},
    BadInput{R"("min_tx_rate":-1)", 7, "\"min_tx_rate\" is -1"},
    BadInput{R"("min_tx_rate":"10")", 7, "\"min_tx_rate\" is \"10\""},
    BadInput{R"("max_tx_rate":-1)", 7, "\"max_tx_rate\" is -1"},
    BadInput{R"("max_tx_rate":1.5)", 7, "\"max_tx_rate\""},
    BadInput{R"("max_tx_rate":4294967296)", 7, "\"max_tx_rate\" is 4294967296"},
    BadInput{R"("min_tx_rate":20,"max_tx_rate":10)", 7, "\"min_tx_rate\" is 20"},
    BadInput{R"("mtu":67)", 7, "\"mtu\" is 67"},
    BadInput{R"("mtu":65536)", 7, "\"mtu\" is 65536"},
    BadInput{R"("mtu":-1)", 7, "\"mtu\" is -1"},
    BadInput{R"("mtu":"1500")", 7, "\"mtu\" is \"1500\""},
    BadInput{R"("promisc":"on")", 7, "\"promisc\" is \"on\""},
    BadInput{R"("promisc":1)", 7, "\"promisc\" is 1"},
    BadInput{R"("allmulti":"off")", 7, "\"allmulti\" is \"off\""},
    BadInput{R"("runtimeConfig":{"CNIDeviceInfoFile":5})", 7, "\"runtimeConfig.CNIDeviceInfoFile\" is 5"},
    BadInput{R"("runtimeConfig":{"CNIDeviceInfoFile":"x.json"})", 7, "\"runtimeConfig.CNIDeviceInfoFile\""},
};

inline constexpr std::array kBadHostDevice = {
    BadInput{R"("device":null)", 7, "\"device\""},
    BadInput{R"("device":"")", 7, "\"device\""},
    BadInput{R"("device":5)", 7, "\"device\" is 5"},
    BadInput{R"("device":["v0"])", 7, "\"device\""},
    BadInput{R"("device":"a/b")", 7, "\"device\" is \"a/b\""},
    BadInput{R"("device":null,"hwaddr":5)", 7, "\"hwaddr\" is 5"},
    BadInput{R"("device":null,"hwaddr":"hello")", 7, "\"hwaddr\" is \"hello\""},
    BadInput{R"("device":null,"hwaddr":"02:00:00:00:00")", 7, "\"hwaddr\""},
    BadInput{R"("hwaddr":"hello")", 7, "\"hwaddr\" is \"hello\""},
    BadInput{R"("device":null,"kernelpath":5)", 7, "\"kernelpath\" is 5"},
    BadInput{R"("device":null,"kernelpath":"devices/pci0000:00")", 7, "\"kernelpath\""},
    BadInput{R"("device":null,"kernelpath":"/sys/class/net/v0")", 7, "\"kernelpath\""},
    BadInput{R"("device":null,"kernelpath":"/sys/devices/")", 7, "\"kernelpath\""},
    BadInput{R"("device":null,"kernelpath":"/sys/devices/../class/net/v0")", 7, "\"kernelpath\""},
    BadInput{R"("device":null,"kernelpath":"/sys/devices/x/..")", 7, "\"kernelpath\""},
    BadInput{R"("device":null,"pciBusID":5)", 7, "\"pciBusID\" is 5"},
    BadInput{R"("device":null,"pciBusID":"eth7")", 7, "\"pciBusID\" is \"eth7\""},
    BadInput{R"("device":null,"pciBusID":"0000:01:10.9")", 7, "\"pciBusID\""},
    BadInput{R"("device":null,"pciBusID":"../../x.y.z")", 7, "\"pciBusID\""},
    BadInput{R"("device":null,"runtimeConfig":{"deviceID":5})", 7, "\"runtimeConfig.deviceID\" is 5"},
    BadInput{R"("device":null,"runtimeConfig":{"deviceID":"nothing"})", 7, "\"runtimeConfig.deviceID\" is \"nothing\""},
    BadInput{R"("runtimeConfig":{"deviceID":"nothing"})", 7, "\"runtimeConfig.deviceID\" is \"nothing\""},
};

}  // namespace barewire::test
