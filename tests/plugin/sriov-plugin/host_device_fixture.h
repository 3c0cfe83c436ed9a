// SPDX-License-Identifier: Apache-2.0
/// What the tests of host-device share: a private node with a link v0 (its peer is v1) to hand to pod1, and a /sys of
/// the test's own where a link is to hang below a bus device.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <string>

#include "tests/support/fake_sysfs.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

inline constexpr const char* kMac = "02:00:00:00:0a:01";
inline constexpr const char* kHostLocal =
    R"(,"ipam":{"type":"host-local","subnet":"10.40.0.0/24","routes":[{"dst":"0.0.0.0/0"}]})";

class HostDeviceTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    pod_ = make_netns("pod1");
    must_run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
    make_link("v0", kMac);
    must_run("ip link set v0 mtu 1450 txqueuelen 777 alias rack7 && ip link property add dev v0 altname uplink-seven");
  }

  /// A veth NAME whose other end, NAME with 1 for its last letter, stays on the host, up; without IPv6, for that would
  /// begin there as soon as NAME is up in the pod.
  static void make_link(const std::string& name, const std::string& mac) {
    std::string peer = name;
    peer.back() = '1';
    must_run(
        fmt::format("ip link add {0} address {1} type veth peer name {2} && "
                    "sysctl -qw net.ipv6.conf.{2}.disable_ipv6=1 && ip link set {2} up",
                    name, mac, peer));
  }
  static std::string config(const std::string& members, const std::string& version = "1.1.0",
                            const std::string& name = "lan") {
    return fmt::format(R"({{"cniVersion":"{}","name":"{}","type":"host-device"{}}})", version, name, members);
  }
  static std::string device(const std::string& members = {}, const std::string& name = "v0") {
    return config(fmt::format(R"(,"device":"{}"{})", name, members));
  }
  static std::string with(const std::string& text, const std::string& key, const std::string& value) {
    return fmt::format("{},\"{}\":{}}}", text.substr(0, text.rfind('}')), key, value);
  }
  static CniCall pod(const std::string& name, const std::string& ifname = "eth0") {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = ifname, .args = {}, .netns_override = {}};
  }

  PluginResult must_add(const std::string& text, const CniCall& call = {}) const {
    PluginResult result = runner_.add("host-device", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    return result;
  }
  void must_del(const std::string& text, const CniCall& call = {}) const {
    const PluginResult result = runner_.del("host-device", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    EXPECT_EQ("", result.out);
  }
  /// ADD that has to fail with `code`, saying `words`, and to leave the node alone.
  void expect_refused(const std::string& text, int code, const std::string& words, const CniCall& call = {}) const {
    const auto before = NodeSnapshot::take();
    const PluginResult result = runner_.add("host-device", text, call);
    EXPECT_EQ(code, result.code()) << text << "\n" << result;
    EXPECT_THAT(result.msg(), ::testing::HasSubstr(words)) << text;
    EXPECT_NODE_UNCHANGED(before);
  }
  static bool exists(const std::string& netns, const std::string& link) {
    return run_in(netns, "ip link show " + link).ok();
  }
  /// One attribute of `ip -d -j link`, as text; empty when there is no such link.
  static std::string attribute(const std::string& netns, const std::string& link, const std::string& key) {
    const CommandResult result = run_in(netns, "ip -d -j link show dev " + link);
    if (!result.ok()) return {};
    const boost::json::value links = boost::json::parse(result.out);
    const boost::json::value* found = links.at(0).as_object().if_contains(key);
    if (found == nullptr) return {};
    return found->is_string() ? std::string(found->get_string()) : boost::json::serialize(*found);
  }
  static bool no_reservation_is_left() {
    for (const auto& entry : std::filesystem::directory_iterator("/var/lib/cni/networks/lan"))
      if (entry.path().filename().string().starts_with("10.")) return false;
    return true;
  }
  static void show_as_sysfs(const FakeSysfs& sysfs) { must_run("mount --bind " + sysfs.root() + " /sys"); }

  /// CNI_PATH leads to every plugin of the build: the IPAM ones too.
  PluginRunner runner_{built_program("barewire-cni"),
                       std::filesystem::path(built_program("barewire-cni")).parent_path().string()};
  std::string pod_;
};

}  // namespace barewire::test
