// SPDX-License-Identifier: Apache-2.0
/// The declared state on two igb PFs with all their VFs: made from nothing by runs that are killed one after another,
/// made again after both cards were taken out and put in, and kept from whoever holds a VF.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/fd.h"
#include "tests/lab/device-manager/admin_lab.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFile = "/etc/barewire/node.json";
constexpr const char* kGroups = R"("groups": [
    {"vfs": "0-3", "macs": "stable", "trust": true, "pool": "net"}, {"vfs": "4-6", "driver": "vfio-pci", "pool": "dpdk"}])";

class ApplyLab : public AdminLab {
 protected:
  void TearDown() override { std::filesystem::remove(kFile); }
  static void declare(int vfs) {
    must_run("mkdir -p /etc/barewire && chmod 755 /etc/barewire");
    std::ofstream(kFile) << R"({"nics": [{"select": {"driver": "igb"}, "vfs": )" << vfs << ", " << kGroups << "}]}";
  }
  /// Runs `barewire apply` and kills it when it has begun `steps` steps and one: so many are done more than by the run
  /// before it. Returns whether it came to its end.
  static bool apply_or_kill(std::size_t steps) {
    const std::string out = "/tmp/apply.out";
    std::filesystem::remove(out);
    ChildProcess child(command_of("sh", {"-c", "exec " + built_program("barewire") + " apply > " + out}));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      const std::string text = read_file(out).value_or("");
      if (text.find("pf1 is as declared") != std::string::npos)
        return child.wait(std::chrono::seconds(60)).exit_status == 0;
      const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      if (lines > steps + (text.starts_with("pf0 is as declared") ? 1 : 0)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    child.signal(SIGKILL);
    child.wait(std::chrono::seconds(30));
    return false;
  }
  static std::string fact(const std::string& command) {
    const std::string text = must_run(command);
    return text.substr(0, text.find('\n'));
  }
  static void expect_as_declared() {
    const CommandResult plan = barewire({"plan"});
    EXPECT_EQ(plan.exit_status, 0) << plan.out << plan.err;
    for (const char* pf : {"0000:01:00.0", "0000:02:00.0"}) {
      const std::string device = fmt::format("/sys/bus/pci/devices/{}", pf);
      EXPECT_EQ(fact(fmt::format("cd {} && cat sriov_numvfs", device)), "7");
      EXPECT_EQ(fact(fmt::format("readlink {}/virtfn*/driver | xargs -n 1 basename | sort | uniq -c | xargs", device)),
                "4 igbvf 3 vfio-pci");
    }
    EXPECT_EQ(fact("ip link show pf1 | grep -c 'trust on'"), "4");
    EXPECT_THAT(read_file("/run/barewire/pools.json").value_or(""),
                AllOf(HasSubstr("0000:01:00.0#0-3"), HasSubstr("0000:02:00.0#4-6"), HasSubstr("vfio-pci")));
  }
  /// The command line of a unit as it is shipped, with the built program.
  static CommandResult run_unit(const std::string& unit, const std::string& instance = {}) {
    const std::string text =
        must_run("sed -n 's/^ExecStart=[^ ]*barewire //p' " BAREWIRE_SOURCE_DIR "/packaging/" + unit);
    std::vector<std::string> arguments;
    std::istringstream words(text);
    for (std::string word; words >> word;) arguments.push_back(word == "%i" ? instance : word);
    return barewire(arguments);
  }
  /// Both cards out and in again, as after a boot: no VFs, names as the kernel gives them, nothing in /run.
  static void put_cards_in_anew() {
    must_run(
        "for card in 0000:01:00.0 0000:02:00.0; do echo 1 >/sys/bus/pci/devices/$card/remove; done; "
        "rm -rf /run/barewire; echo 1 >/sys/bus/pci/rescan; "
        "for n in 0 1; do ip link set $(ls /sys/bus/pci/devices/0000:0$((n+1)):00.0/net) name pf$n up; done");
  }
};

TEST_F(ApplyLab, KilledAtEveryStepItEndsAsDeclaredAndThenAHeldVfIsRefusedByName) {
  declare(7);
  const std::size_t stride = plan_sweep(3).stride;
  constexpr std::size_t kMostRuns = 60;  // each takes a step at least; a PF has 15
  std::size_t runs = 1;
  while (runs < kMostRuns && !apply_or_kill(stride)) ++runs;
  EXPECT_GT(runs * stride, 15U);
  expect_as_declared();

  attach("web-0", 0, 100);
  declare(6);
  const CommandResult refused = barewire({"apply"});
  EXPECT_EQ(refused.exit_status, 3);
  EXPECT_THAT(refused.err, HasSubstr("groups[1].vfs"));  // VF 6 is in a group
  must_run("sed -i 's/4-6/4-5/' " + std::string(kFile));
  const CommandResult held = barewire({"apply"});
  EXPECT_EQ(held.exit_status, 3);
  EXPECT_THAT(held.err, HasSubstr("VF 0: attachment vlan100/cid-web-0/net1 of pod default/web-0 holds it"));
  EXPECT_EQ(fact("cat /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs"), "7");  // the other PF neither
  const CommandResult listed = barewire({"list"});
  EXPECT_EQ(listed.exit_status, 1);
  EXPECT_THAT(listed.err, HasSubstr("pf0 is not as declared (/etc/barewire/node.json: nics[0]): VFs is 7, declared 6"));
  EXPECT_TRUE(runner_.del("sriov", config(0, 100), call("web-0")).ok());
  declare(7);  // as pf0 was before its VF went into a pod, and is again
  EXPECT_EQ(barewire({"check"}).exit_status, 0);
}

TEST_F(ApplyLab, CardsPutInAnewAreMadeAsDeclaredEachByItsUnitBeforeTheFirstAdd) {
  declare(7);
  put_cards_in_anew();
  const CommandResult one = run_unit("barewire-apply-nic@.service.in", "0000:02:00.0");
  EXPECT_EQ(one.exit_status, 0) << one.out << one.err;
  EXPECT_EQ(fact("cat /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs"), "7");
  EXPECT_EQ(fact("cat /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs"), "0");
  const CommandResult all = run_unit("barewire-apply.service.in");
  EXPECT_EQ(all.exit_status, 0) << all.out << all.err;
  EXPECT_THAT(all.out, HasSubstr("pf1 is as declared\n"));
  expect_as_declared();
  attach("db-0", 0, 100);
  EXPECT_TRUE(runner_.del("sriov", config(0, 100), call("db-0")).ok());
}

/// What udev makes of a NIC that can have VFs, and of a VF: by the rule that is shipped.
TEST_F(ApplyLab, UdevStartsTheUnitOfANicAndHasVfsLeftAlone) {
  if (!run_shell("command -v udevadm").ok()) GTEST_SKIP() << "udevadm is not installed (package udev)";
  must_run("mkdir -p /run/udev/rules.d && cp " BAREWIRE_SOURCE_DIR
           "/packaging/udev/90-barewire.rules /run/udev/rules.d");
  const auto properties = [](const std::string& netdev) {
    return must_run("udevadm test --action=add /sys/class/net/" + netdev + " 2>/dev/null");
  };
  EXPECT_THAT(properties("pf0"), HasSubstr("SYSTEMD_WANTS=barewire-apply-nic@0000:01:00.0.service"));
  must_run("cd /sys/bus/pci/devices/0000:01:00.0 && { [ $(cat sriov_numvfs) != 0 ] || echo 1 >sriov_numvfs; }");
  // With a name that somebody gave it: udevadm would name it now.
  must_run("ip link set $(ls /sys/bus/pci/devices/0000:01:00.0/virtfn0/net) name vf0");
  EXPECT_THAT(properties("vf0"), AllOf(HasSubstr("NM_UNMANAGED=1"), HasSubstr("BAREWIRE_VF=1")));
  EXPECT_THAT(properties("vf0"), Not(HasSubstr("SYSTEMD_WANTS=barewire")));
}

}  // namespace
}  // namespace barewire::test
