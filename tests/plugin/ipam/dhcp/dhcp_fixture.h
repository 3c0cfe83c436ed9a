// SPDX-License-Identifier: Apache-2.0
/// What the dhcp tests share: a node with an uplink to a machine that runs dnsmasq, and the plugin's daemon.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/fd.h"
#include "tests/support/command.h"
#include "tests/support/dhcp_server.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

inline constexpr std::chrono::seconds kLong{30};

class DhcpTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    pod_ = make_netns("pod1");
    server_ = make_netns("server");
    must_run("ip link add eth0 type veth peer name eth0 netns server && ip link set eth0 up");
    must_run_in(server_, "ip link set eth0 up && ip addr add 10.77.0.1/24 dev eth0 && ip addr add 10.77.8.1/24 dev lo");
    runner_.install("dhcp", built_program("barewire-cni"));
  }
  void TearDown() override {
    daemon_.reset();
    dnsmasq_.reset();
    if (HasFailure()) std::cerr << daemon_log() << "\n" << DhcpServer::log();
  }

  void start_server(const std::vector<std::string>& further = {}) {
    dnsmasq_ = std::make_unique<DhcpServer>(server_, "eth0", "10.77.0.10", "10.77.0.99", further);
  }
  void stop_server() { dnsmasq_.reset(); }

  void start_daemon(const std::vector<std::string>& flags = {}) {
    // Its log has to outlive it.
    std::string text = fmt::format("exec {}/dhcp daemon", runner_.directory());
    for (const std::string& flag : flags) text += " " + flag;
    daemon_ = std::make_unique<ChildProcess>(command_of("sh", {"-c", text + " 2>>" + kDaemonLog}));
    ASSERT_TRUE(within(kLong, [&] { return runner_.status("dhcp", config("dummy")).ok(); })) << daemon_log();
  }
  void kill_daemon() {
    daemon_->signal(SIGKILL);
    daemon_->wait(kLong);
    daemon_.reset();
  }

  static std::string config(const std::string& type, const std::string& further = {}, const std::string& ipam = {}) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"mynet","type":"{}"{},"ipam":{{"type":"dhcp"{}}}}})", type,
                       further, ipam);
  }
  /// A pod on the uplink itself.
  static std::string macvlan(const std::string& ipam = {}) { return config("macvlan", R"(,"master":"eth0")", ipam); }

  static CniCall pod(const std::string& name, const std::string& args = {}) {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = "eth0", .args = args, .netns_override = {}};
  }
  PluginResult add(const std::string& type, const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.add(type, text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    return result;
  }
  static std::string with_previous(const std::string& text, const PluginResult& result) {
    return text.substr(0, text.rfind('}')) + ",\"prevResult\":" + boost::json::serialize(result.json) + "}";
  }
  static std::string address_of(const PluginResult& result) {
    if (!result.ok()) return result.out;
    return std::string(result.json.at("ips").as_array().at(0).at("address").as_string());
  }

  static std::string daemon_log() { return read_file(kDaemonLog).value_or(""); }
  static std::vector<std::string> records() {
    std::vector<std::string> paths;
    std::error_code none;
    for (const auto& entry : std::filesystem::recursive_directory_iterator("/run/barewire/dhcp/attachments", none))
      if (entry.is_regular_file()) paths.push_back(entry.path());
    return paths;
  }
  static bool is_released() {
    return within(kLong, [] { return DhcpServer::heard("DHCPRELEASE(") == 1 && DhcpServer::leases().empty(); });
  }

  static constexpr const char* kDaemonLog = "/run/daemon.log";
  PluginRunner runner_;
  std::string pod_, server_;
  std::unique_ptr<DhcpServer> dnsmasq_;
  std::unique_ptr<ChildProcess> daemon_;
};

}  // namespace barewire::test
