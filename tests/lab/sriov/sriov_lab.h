// SPDX-License-Identifier: Apache-2.0
/// What the lab tests of the sriov and host-device plugins share: the guest's VFs, pods, calls, and looks at the
/// kernel.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

/// A VF of the guest as it is before the test.
struct LabVf {
  std::string address;  ///< PCI
  std::string netdev;
  std::string mac;
};

/// Runs in the guest, which has fresh VFs on pf0 (VFS in CMakeLists.txt). Two pods, `a` and `b`, exist.
class SriovLab : public ::testing::Test {
 protected:
  void SetUp() override;

  LabVf vf(unsigned number) const { return vfs_.at(number); }
  std::size_t vf_count() const { return vfs_.size(); }

  /// A network config on VF `number` with further members, as `,"vlan":100`.
  std::string config(unsigned number, const std::string& members = {}) const;
  /// One that names no VF.
  static std::string config_without_device(const std::string& members);
  static CniCall pod(const std::string& name, const std::string& ifname = "net1");
  static std::string netns(const std::string& pod) { return "/run/netns/" + pod; }

  PluginResult add(const std::string& text, const CniCall& call) const { return runner_.add("sriov", text, call); }
  PluginResult del(const std::string& text, const CniCall& call) const { return runner_.del("sriov", text, call); }
  PluginResult check(const std::string& text, const CniCall& call, const PluginResult& added) const;
  /// As add and del; a failure fails the test.
  PluginResult must_add(const std::string& text, const CniCall& call) const;
  void must_del(const std::string& text, const CniCall& call) const;

  /// A member of `ip -d -j link show pf0`'s vfinfo_list for VF `number`, as text: "vlan_list", "trust", "max_tx_rate" …
  static std::string vf_attribute(unsigned number, const std::string& attribute);
  /// A member of `ip -d -j link show DEV` in a pod ("" = the host): "address", "mtu" …; empty when there is no such
  /// link.
  static std::string link_attribute(const std::string& pod, const std::string& link, const std::string& attribute);
  /// "dummy", "bridge" …; empty for hardware.
  static std::string link_kind(const std::string& link);
  static bool link_exists(const std::string& pod, const std::string& link);
  /// One echo request and one ARP request before it: what is lost at first counts, how long an answer takes does not.
  static bool pings(const std::string& pod, const std::string& address,
                    std::chrono::seconds patience = std::chrono::seconds(20));
  static void give_address(const std::string& pod, const std::string& link, const std::string& address);
  /// Until the kernel has brought VF `number` home from a netns that was deleted.
  void await_netdev(unsigned number) const;
  static void bind(const std::string& address, const std::string& driver);

  PluginRunner runner_;

 private:
  std::vector<LabVf> vfs_;
};

}  // namespace barewire::test
