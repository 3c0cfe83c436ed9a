// SPDX-License-Identifier: Apache-2.0
/// barewire-dpdk-probe on DPDK's virtual devices, which need no hardware. On VFs:
/// tests/lab/device-manager/dpdk_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/fd.h"
#include "tests/plugin/device-manager/admin_fixture.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/process.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class DpdkProbe : public AdminTest {
 protected:
  CommandResult probe(std::vector<std::string> arguments) const {
    Command command = command_of(
        "sh", {"-c", "TMPDIR=" + scratch_.path() + R"( exec "$0" "$@")", built_program("barewire-dpdk-probe")});
    for (std::string& each : arguments) command.arguments.push_back(std::move(each));
    return run(command);
  }
  /// What DPDK says of virtual device `vdev`, which has one port.
  boost::json::value port_of(const std::string& vdev) const {
    const CommandResult result = probe({"--vdev", vdev, "-o", "json"});
    EXPECT_EQ(result.exit_status, 0) << vdev << result.err << result.out;
    const auto report = boost::json::parse(result.out);
    EXPECT_TRUE(report.at("usable").as_bool());
    EXPECT_EQ(report.at("device").at("vdev"), boost::json::value(vdev));
    EXPECT_EQ(report.at("ports").as_array().size(), 1U);
    return report.at("ports").at(0);
  }
  bool left_nothing() const { return std::filesystem::is_empty(scratch_.path()); }

  PrivateDirectory scratch_;
};

TEST_F(DpdkProbe, TellsDriverQueuesAndOffloadsOfADeviceThatIsNone) {
  const auto port = port_of("net_null0");
  EXPECT_EQ(port.at("driver"), "net_null");
  EXPECT_TRUE(port.at("starts").as_bool());
  EXPECT_GE(port.at("queues").at("rx").to_number<int>(), 1);
  EXPECT_EQ(port.at("mtu").at("now").to_number<int>(), 1500);
  EXPECT_EQ(port.at("switch"), boost::json::value(nullptr));
  for (const auto& rule : port.at("flows").as_array()) EXPECT_FALSE(rule.at("valid").as_bool());
  EXPECT_TRUE(left_nothing());
}

TEST_F(DpdkProbe, TellsWhichFlowRulesATapTakes) {
  if (!std::filesystem::exists("/dev/net/tun")) GTEST_SKIP() << "there is no /dev/net/tun";
  const auto port = port_of("net_tap0,iface=dtap0");
  EXPECT_EQ(port.at("driver"), "net_tap");
  std::size_t taken = 0, refused = 0;
  for (const auto& rule : port.at("flows").as_array()) {
    const std::string pattern(rule.at("pattern").as_string());
    ++(rule.at("valid").as_bool() ? taken : refused);
    // It has no matches on what is inside of a tunnel, and says so.
    if (pattern.find("vxlan") != std::string::npos) EXPECT_FALSE(rule.at("valid").as_bool()) << pattern;
    if (!rule.at("valid").as_bool()) EXPECT_NE(rule.at("why").as_string(), "");
  }
  EXPECT_GT(taken, 4U);
  EXPECT_GT(refused, 4U);
}

TEST_F(DpdkProbe, OtherVirtualDevicesStartToo) {
  EXPECT_EQ(port_of("net_af_packet0,iface=lo").at("driver"), "net_af_packet");
  EXPECT_EQ(port_of("net_memif0,role=server,socket=" + scratch_.path() + "/memif").at("driver"), "net_memif");
}

TEST_F(DpdkProbe, WhatDpdkDoesNotKnowIsAFailureInItsWords) {
  const CommandResult unknown = probe({"--vdev", "nosuch0"});
  EXPECT_EQ(unknown.exit_status, 4);
  EXPECT_THAT(unknown.err, HasSubstr("DPDK did not start: EAL: "));
  EXPECT_EQ(probe({}).exit_status, 2);
  EXPECT_EQ(probe({"--vdev", "net_null0", "0000:01:00.0"}).exit_status, 2);
  const CommandResult none = probe({"ffff:1f:1f.7"});
  EXPECT_EQ(none.exit_status, 3);
  EXPECT_THAT(none.err, HasSubstr("there is no PCI function"));
}

/// The process that has the EAL: the probe's only child, once it is a program of its own. One that is stopped before
/// would hold the probe in posix_spawn, which waits for the exec.
pid_t worker_of(pid_t probe) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    pid_t child = 0;
    if (std::ifstream(fmt::format("/proc/{0}/task/{0}/children", probe)) >> child && child > 0)
      if (read_file(fmt::format("/proc/{}/cmdline", child)).value_or("").find("--worker") != std::string::npos)
        return child;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return 0;
}

TEST_F(DpdkProbe, OneThatHangsIsStoppedAndLeavesNothing) {
  ChildProcess probe(
      command_of("sh", {"-c", "TMPDIR=" + scratch_.path() + " exec " + built_program("barewire-dpdk-probe") +
                                  " --timeout 1 --vdev net_null0 2>/run/probe.err"}));
  const pid_t worker = worker_of(probe.pid());
  ASSERT_GT(worker, 0);
  ASSERT_EQ(::kill(worker, SIGSTOP), 0);
  EXPECT_EQ(probe.wait(std::chrono::seconds(20)).exit_status, 4);
  EXPECT_THAT(read_file("/run/probe.err").value_or(""), HasSubstr("took longer than 1000 ms"));
  EXPECT_NE(::kill(worker, 0), 0);
  EXPECT_TRUE(left_nothing());
}

}  // namespace
}  // namespace barewire::test
