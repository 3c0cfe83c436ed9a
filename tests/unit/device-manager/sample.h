// SPDX-License-Identifier: Apache-2.0
/// A node as tests of views and filters see it: one PF with VFs in every state.
#pragma once

#include <net/if.h>

#include "device-manager/snapshot.h"

namespace barewire::manager::sample {

inline state::Attachment attachment(const std::string& network, const std::string& container, const std::string& pod) {
  state::Attachment result;
  result.id = {network, container, "net1", "sriov"};
  result.netns = "/run/netns/" + container;
  result.since = "2026-01-02T03:04:05Z";
  result.boot_id = "boot-1";
  if (!pod.empty()) result.pod = {"default", pod, "uid-" + pod};
  return result;
}

inline VfEntry vf(std::uint32_t id, VfState state) {
  VfEntry entry;
  entry.vf.id = id;
  entry.vf.pci.address = fmt::format("0000:01:10.{}", id);
  entry.vf.pci.driver = state == VfState::unbound ? "" : "igbvf";
  kernel::VfInfo info;
  info.id = id;
  info.mac = MacAddress({0x52, 0x54, 0, 0, 0, static_cast<std::uint8_t>(id)});
  info.spoof_check = true;
  info.trust = false;
  entry.vf.info = info;
  entry.state = state;
  return entry;
}

/// VF 0 free with its netdev, 1 in pod default/web-0 on VLAN 100 with a rate, 2 drifted in a container without a pod
/// name, 3 in use elsewhere, 4 without a driver.
inline PfEntry pf() {
  PfEntry entry;
  entry.pf.pci.address = "0000:01:00.0";
  entry.pf.pci.driver = "igb";
  entry.pf.total_vfs = 7;
  kernel::Link link;
  link.name = "ens1f0";
  link.alt_names = {"uplink0"};
  link.flags = IFF_UP;
  link.carrier = true;
  entry.pf.link = link;
  entry.model = "Intel 82576";
  entry.profile = "intel-igb";
  entry.speed_mbps = 1000;
  entry.vfs = {vf(0, VfState::free), vf(1, VfState::in_pod), vf(2, VfState::drifted), vf(3, VfState::used_elsewhere),
               vf(4, VfState::unbound)};
  kernel::Link netdev;
  netdev.name = "ens1f0v0";
  entry.vfs[0].vf.link = netdev;
  entry.vfs[1].holder = attachment("blue", "3f2a9c1d5e7b8a90", "web-0");
  entry.vfs[1].vf.info->vlan = 100;
  entry.vfs[1].vf.info->qos = 3;
  entry.vfs[1].vf.info->max_tx_rate = 500;
  entry.vfs[2].holder = attachment("red", "77aa00112233445566", "");
  entry.vfs[2].drift = {"vlan is 300, ADD set 100"};
  entry.vfs[3].why = "ens1f0v3 is enslaved to br0";
  entry.enabled_vfs = 5;
  entry.free_vfs = 1;
  return entry;
}

inline Snapshot snapshot() {
  Snapshot result;
  result.pfs.push_back(pf());
  state::Attachment other = attachment("hosts", "c0ffee", "db-0");
  other.id.plugin = "host-device";
  result.others.push_back({other, "eth7", std::nullopt});
  return result;
}

}  // namespace barewire::manager::sample
