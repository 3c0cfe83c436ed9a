// SPDX-License-Identifier: Apache-2.0
/// `barewire` on the emulated 82576 of the lab guest, with pods attached by the sriov plugin.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "tests/support/command.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

constexpr const char* kPf = "pf0";
constexpr const char* kPfAddress = "0000:01:00.0";

class AdminLab : public ::testing::Test {
 protected:
  static CommandResult barewire(std::vector<std::string> arguments, std::string input = {}) {
    Command command = command_of(built_program("barewire"), std::move(arguments), std::move(input));
    command.timeout = std::chrono::seconds(60);
    return run(command);
  }
  static boost::json::value barewire_json(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const CommandResult result = barewire(std::move(arguments));
    EXPECT_EQ(result.err, "");
    return boost::json::parse(result.out);
  }

  /// VF `id` of pf0 into pod `name`, as `net1` of network "vlan<N>".
  void attach(const std::string& name, int id, int vlan) {
    make_netns(name);
    const PluginResult result = runner_.add("sriov", config(id, vlan), call(name));
    ASSERT_TRUE(result.ok()) << result;
  }
  static std::string config(int id, int vlan) {
    return fmt::format(R"({{"cniVersion":"1.0.0","name":"vlan{}","type":"sriov","deviceID":"{}","vlan":{}}})", vlan,
                       address_of(id), vlan);
  }
  static CniCall call(const std::string& name) {
    CniCall call;
    call.container_id = "cid-" + name;
    call.netns = "/run/netns/" + name;
    call.ifname = "net1";
    call.args = fmt::format("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={}", name);
    return call;
  }
  static std::string address_of(int id) {
    const std::string link = must_run(fmt::format("readlink -f /sys/bus/pci/devices/{}/virtfn{}", kPfAddress, id));
    return link.substr(link.rfind('/') + 1, std::string("0000:01:10.0").size());
  }

  PluginRunner runner_;
};

}  // namespace barewire::test
