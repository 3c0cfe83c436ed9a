// SPDX-License-Identifier: Apache-2.0
/// What the tests of the ovs plugin share: a private node with a switch of its own, a bridge on it, and pods.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>
#include <string>

#include "core/fd.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/ovs_sandbox.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

class OvsPluginTest : public OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    ovs->add_bridge("br0");
    for (const char* ipam : {"static", "host-local"}) runner_.install(ipam, built_program("barewire-cni"));
    make_netns("pod1");
    before_ = ovs->configuration();
  }

  /// A network on br0; `keys` begin with a comma.
  std::string config(const std::string& keys = {}) const {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"ovs","bridge":"br0","socket_file":"{}"{}}})",
                       ovs->socket(), keys);
  }
  static std::string with_address(const std::string& address) {
    return fmt::format(R"(,"ipam":{{"type":"static","addresses":[{{"address":"{}"}}]}})", address);
  }
  static std::string and_key(const std::string& config, const std::string& key, const std::string& value) {
    return config.substr(0, config.rfind('}')) + fmt::format(",\"{}\":{}}}", key, value);
  }
  static std::string with_previous(const std::string& config, const PluginResult& result) {
    return and_key(config, "prevResult", boost::json::serialize(result.json));
  }
  static CniCall pod(const std::string& name, const std::string& args = {}) {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = "eth0", .args = args, .netns_override = {}};
  }

  PluginResult add(const std::string& conf, const CniCall& call = pod("pod1")) const {
    return runner_.add("ovs", conf, call);
  }
  PluginResult del(const std::string& conf, const CniCall& call = pod("pod1")) const {
    return runner_.del("ovs", conf, call);
  }
  /// ADD that must succeed, in a netns made for it.
  PluginResult attach(const std::string& name, const std::string& keys) {
    make_netns(name);
    PluginResult result = add(config(keys), pod(name));
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }

  static std::string interface_name(const PluginResult& result, std::size_t position) {
    return std::string(result.json.at("interfaces").at(position).at("name").as_string());
  }
  static bool reaches(const std::string& name, const std::string& address) {
    return run_in("/run/netns/" + name, "ping -c2 -i0.2 -W2 -n " + address).ok();
  }
  std::string port_column(const PluginResult& result, const std::string& column) const {
    std::string text = ovs->vsctl(fmt::format("get Port {} {}", interface_name(result, 0), column));
    text.pop_back();
    return text;
  }
  void expect_database_as_before() const { EXPECT_EQ(ovs->configuration(), before_); }

  PluginRunner runner_;
  std::string before_;
};

}  // namespace barewire::test
