// SPDX-License-Identifier: Apache-2.0
/// A private node with one pod's netns, devices to attach, and the built `barewire` and `barewired`.
#pragma once

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "tests/support/command.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"
#include "tests/support/within.h"

namespace barewire::test {

class AdminTest : public NetnsTest {
 protected:
  static CommandResult barewire(std::vector<std::string> arguments, std::string input = {}) {
    return run(command_of(built_program("barewire"), std::move(arguments), std::move(input)));
  }
  static boost::json::value barewire_json(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    return boost::json::parse(barewire(std::move(arguments)).out);
  }

  /// Attaches a new netdev `device` as `net1` of pod `name`, by the host-device plugin.
  void attach(const std::string& name, const std::string& device) {
    make_netns(name);
    must_run(fmt::format("ip link add {} type veth peer name peer-{}", device, name));
    const PluginResult result = runner_.add("host-device", config(device), call(name));
    ASSERT_TRUE(result.ok()) << result;
  }
  static std::string config(const std::string& device) {
    return fmt::format(R"({{"cniVersion":"1.0.0","name":"blue","type":"host-device","device":"{}"}})", device);
  }
  static CniCall call(const std::string& name) {
    CniCall call;
    call.container_id = "cid-" + name;
    call.netns = "/run/netns/" + name;
    call.ifname = "net1";
    call.args = fmt::format("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={0};K8S_POD_UID=uid-{0}", name);
    return call;
  }

  PluginRunner runner_;
};

}  // namespace barewire::test
