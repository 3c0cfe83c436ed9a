// SPDX-License-Identifier: Apache-2.0
/// NICs for tests of what a cluster declares, as facts.h would have read them.
#pragma once

#include <fmt/format.h>

#include "device-manager/state/facts.h"
#include "hw-profiles/loader.h"

namespace barewire::test {

/// An 82576 with `vfs` VFs on their kernel driver, of which nobody has any.
inline declared::NicFacts igb(const std::string& address, const std::string& name, std::uint32_t vfs = 0) {
  declared::NicFacts facts;
  facts.profile = hw::find_profile({0x8086, 0x10c9}, "igb");
  facts.base.pf.pci = {.address = address, .vendor = 0x8086, .device = 0x10c9, .driver = "igb"};
  kernel::Link link;
  link.name = name;
  link.mtu = 1500;
  link.flags = 1;     // IFF_UP
  link.arp_type = 1;  // ARPHRD_ETHER
  link.mac = MacAddress::parse("52:54:00:00:01:01");
  facts.base.pf.link = link;
  facts.base.pf.total_vfs = 7;
  for (std::uint32_t id = 0; id < vfs; ++id) {
    vf::Vf vf;
    vf.id = id;
    vf.pci = {.address = fmt::format("{}:10.{}", address.substr(0, 7), id), .driver = "igbvf"};
    vf.info = kernel::VfInfo{.id = id, .spoof_check = true, .trust = false};
    facts.base.pf.vfs.push_back(vf);
  }
  facts.base.in_use.resize(vfs);
  facts.base.drivers = {"igb", "igbvf", "vfio-pci"};
  return facts;
}

/// Two ports of one card.
inline std::vector<declared::NicFacts> two_ports() {
  return {igb("0000:01:00.0", "ens1f0"), igb("0000:01:00.1", "ens1f1")};
}

/// A policy's object; `spec` are further members of its spec.
inline std::string policy_json(const std::string& name, const std::string& spec) {
  return fmt::format(R"({{"metadata":{{"name":"{0}","namespace":"sriov"}},"spec":{{"resourceName":"{0}",{1}}}}})", name,
                     spec);
}

}  // namespace barewire::test
