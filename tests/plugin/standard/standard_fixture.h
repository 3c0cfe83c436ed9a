// SPDX-License-Identifier: Apache-2.0
/// What the tests of the standard plugins share: a private node with a host outside it that knows no route to any pod.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>
#include <filesystem>
#include <string>

#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

class StandardTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    pod_ = make_netns("pod1");
    runner_.install("host-local", built_program("barewire-cni"));
    must_run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
  }

  /// A machine at 192.0.2.2 and 2001:db8:ffff::2 beside the node.
  void make_outside() {
    outside_ = make_netns("outside");
    must_run(
        "ip link add up0 type veth peer name eth0 netns outside && ip link set up0 up && "
        "ip addr add 192.0.2.1/24 dev up0 && ip addr add 2001:db8:ffff::1/64 dev up0 nodad");
    must_run_in(outside_,
                "ip link set eth0 up && ip addr add 192.0.2.2/24 dev eth0 && "
                "ip addr add 2001:db8:ffff::2/64 dev eth0 nodad");
  }

  static CniCall pod(const std::string& name, const std::string& ifname = "eth0", const std::string& args = {}) {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = ifname, .args = args, .netns_override = {}};
  }

  /// `config` with prevResult, as a runtime sends it to CHECK.
  static std::string with_previous(const std::string& config, const PluginResult& result) {
    return config.substr(0, config.rfind('}')) + ",\"prevResult\":" + boost::json::serialize(result.json) + "}";
  }
  static std::string with_valid(const std::string& config, const std::string& list) {
    return config.substr(0, config.rfind('}')) + ",\"cni.dev/valid-attachments\":" + list + "}";
  }
  static bool reaches(const std::string& netns, const std::string& address) {
    return run_in(netns, "ping -c1 -W1 -n " + address).ok();
  }

  PluginRunner runner_;
  std::string pod_, outside_;
};

}  // namespace barewire::test
