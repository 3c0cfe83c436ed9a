// SPDX-License-Identifier: Apache-2.0
/// DPDK on VFs of the emulated 82576: bound by `apply`, probed, and driven by testpmd, which forwards between two of
/// them what pods send by two others.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/fd.h"
#include "tests/lab/device-manager/admin_lab.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFile = "/etc/barewire/node.json";
constexpr const char* kLog = "/tmp/testpmd.log";
// The last byte of a MAC address is its VF's number.
constexpr const char* kDeclaration =
    R"({"nics": [{"select": {"name": "pf0"}, "vfs": 4, "altName": "fabric0", "groups": [
    {"vfs": "0-1", "driver": "dpdk", "macs": ["02:00:00:00:00:00", "02:00:00:00:00:01"], "pool": "dpdk",
     "verify": "require"},
    {"vfs": "2-3", "macs": ["02:00:00:00:00:02", "02:00:00:00:00:03"], "pool": "net"}]}]})";

class DpdkLab : public AdminLab {
 protected:
  void SetUp() override {
    if (!run_shell("command -v dpdk-testpmd").ok()) GTEST_SKIP() << "dpdk-testpmd is not installed (package dpdk-dev)";
    must_run("mkdir -p /etc/barewire && chmod 755 /etc/barewire");
    std::ofstream(kFile) << kDeclaration;
  }
  void TearDown() override { std::filesystem::remove(kFile); }

  static CommandResult probe(const std::string& device) {
    Command command = command_of(built_program("barewire-dpdk-probe"), {device});
    command.timeout = std::chrono::seconds(60);
    return run(command);
  }
  /// VF `id` in netns `name`, which takes everything for `peer`'s address to the VF that testpmd has.
  static void make_host(const std::string& name, int id, int peer, const char* by) {
    make_netns(name);
    must_run(
        fmt::format("ip link set $(ls /sys/bus/pci/devices/{0}/net) netns {1} name net1 && "
                    "ip -n {1} address add 192.0.2.{2}/24 dev net1 && ip -n {1} link set net1 up && "
                    "ip -n {1} neighbour add 192.0.2.{3} lladdr {4} dev net1",
                    address_of(id), name, id, peer, by));
  }
  static std::string testpmd() {
    return fmt::format(
        "exec dpdk-testpmd -l 0,1 --no-huge -m 64 --no-shconf --no-telemetry --file-prefix=lab -a {} -a {} -- "
        "--forward-mode=mac --total-num-mbufs=2048 --stats-period 1 --eth-peer=0,02:00:00:00:00:02 "
        "--eth-peer=1,02:00:00:00:00:03 >{} 2>&1",
        address_of(0), address_of(1), kLog);
  }
  static bool reaches_within(const std::string& from, const char* address, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end)
      if (run_shell(fmt::format("ip netns exec {} ping -c 1 -W 1 {}", from, address)).ok()) return true;
    return false;
  }
};

TEST_F(DpdkLab, VfsBoundByApplyAreProbedAndForwardBetweenPods) {
  const CommandResult applied = barewire({"apply"});
  ASSERT_EQ(applied.exit_status, 0) << applied.out << applied.err;
  const CommandResult known = barewire({"show", "--dpdk", address_of(0)});
  EXPECT_EQ(known.exit_status, 0) << known.out;
  for (const char* part : {"net_e1000_igb_vf", "02:00:00:00:00:00", "starts          yes", "2 receive, 2 transmit"})
    EXPECT_THAT(known.out, HasSubstr(part));
  EXPECT_THAT(barewire({"doctor"}).out, HasSubstr("DPDK drives VF 0"));
  EXPECT_EQ(probe("pf1").exit_status, 3);

  EXPECT_TRUE(run_shell("ip link show fabric0 && ip link show fabric0v3").ok());
  make_host("near", 2, 3, "02:00:00:00:00:00");
  make_host("far", 3, 2, "02:00:00:00:00:01");
  ChildProcess forwarder(command_of("sh", {"-c", testpmd()}));
  EXPECT_TRUE(reaches_within("near", "192.0.2.3", std::chrono::seconds(60))) << read_file(kLog).value_or("");
  EXPECT_TRUE(reaches_within("far", "192.0.2.2", std::chrono::seconds(5)));

  const CommandResult held = probe(address_of(0));
  EXPECT_EQ(held.exit_status, 3);
  EXPECT_THAT(held.err, HasSubstr("a process has /dev/vfio/"));
  forwarder.signal(SIGTERM);
  forwarder.wait(std::chrono::seconds(30));

  // What was learnt of a VF is of the binding of then.
  must_run(fmt::format("cd /sys/bus/pci/drivers/vfio-pci && echo {0} >unbind && echo {0} >bind", address_of(0)));
  EXPECT_EQ(barewire({"show", "--dpdk", address_of(0)}).exit_status, 1);
}

}  // namespace
}  // namespace barewire::test
