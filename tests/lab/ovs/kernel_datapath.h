// SPDX-License-Identifier: Apache-2.0
/// What the tests of the ovs plugin on Open vSwitch's kernel datapath share: a private node with a bridge, and pods.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <string>

#include "tests/support/ovs_sandbox.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

class KernelDatapath : public OvsTest {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
    must_run("modprobe openvswitch");
    OvsTest::SetUp();
    if (IsSkipped()) return;
    runner_.install("static", built_program("barewire-cni"));
    set_up_switch();
    ovs->vsctl("add-br br0");
    must_run("ip link set br0 up");
    before_ = ovs->configuration();
  }
  /// Before there is a bridge.
  virtual void set_up_switch() {}

  /// Keys begin with a comma.
  std::string config(int host, const std::string& keys = {}) const {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"ovs","bridge":"br0","socket_file":"{}",)"
                       R"("ipam":{{"type":"static","addresses":[{{"address":"10.9.0.{}/24"}}]}}{}}})",
                       ovs->socket(), host, keys);
  }
  static CniCall pod(const std::string& name) {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = "eth0", .args = {}, .netns_override = {}};
  }
  /// ADD that must succeed, in a netns made for it.
  PluginResult attach(const std::string& name, int host, const std::string& keys = {}) {
    make_netns(name);
    PluginResult added = runner_.add("ovs", config(host, keys), pod(name));
    EXPECT_TRUE(added.ok()) << added;
    return added;
  }
  void must_detach(const std::string& name, int host) const {
    const PluginResult gone = runner_.del("ovs", config(host), pod(name));
    EXPECT_TRUE(gone.ok()) << gone;
  }

  PluginRunner runner_;
  std::string before_;
};

}  // namespace barewire::test
