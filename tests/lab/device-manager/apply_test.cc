// SPDX-License-Identifier: Apache-2.0
/// The declared state on two igb PFs: made from nothing by runs that are killed one after another, and kept from
/// whoever holds a VF.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/fd.h"
#include "tests/lab/device-manager/admin_lab.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kFile = "/etc/barewire/node.json";
constexpr const char* kGroups = R"("groups": [
    {"vfs": "0", "macs": "stable", "trust": true, "pool": "net"}, {"vfs": "1", "driver": "vfio-pci", "pool": "dpdk"}])";

class ApplyLab : public AdminLab {
 protected:
  void TearDown() override { std::filesystem::remove(kFile); }
  static void declare(int vfs) {
    must_run("mkdir -p /etc/barewire && chmod 755 /etc/barewire");
    std::ofstream(kFile) << R"({"nics": [{"select": {"driver": "igb"}, "vfs": )" << vfs << ", " << kGroups << "}]}";
  }
  /// Runs `barewire apply` and kills it when it has begun its second step: one is done more than by the run before it.
  /// One that finds pf0 as declared goes through to its end. Returns whether it did.
  static bool apply_or_kill() {
    const std::string out = "/tmp/apply.out";
    std::filesystem::remove(out);
    ChildProcess child(command_of("sh", {"-c", "exec " + built_program("barewire") + " apply > " + out}));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < end) {
      const std::string text = read_file(out).value_or("");
      if (text.starts_with("pf0 is as declared")) return child.wait(std::chrono::seconds(60)).exit_status == 0;
      if (std::count(text.begin(), text.end(), '\n') >= 2) break;
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
};

TEST_F(ApplyLab, KilledAtEveryStepItEndsAsDeclaredAndThenAHeldVfIsRefusedByName) {
  declare(2);
  constexpr int kMostRuns = 15;  // each takes a step at least; pf0 has seven
  int runs = 1;
  while (runs < kMostRuns && !apply_or_kill()) ++runs;
  EXPECT_GT(runs, 4);
  const CommandResult plan = barewire({"plan"});
  EXPECT_EQ(plan.exit_status, 0) << plan.out << plan.err;
  for (const char* pf : {"0000:01:00.0", "0000:02:00.0"}) {
    const std::string device = fmt::format("/sys/bus/pci/devices/{}", pf);
    EXPECT_EQ(fact("cat " + device + "/sriov_numvfs"), "2");
    EXPECT_THAT(fact("readlink -f " + device + "/virtfn0/driver"), HasSubstr("igbvf"));
    EXPECT_THAT(fact("readlink -f " + device + "/virtfn1/driver"), HasSubstr("vfio-pci"));
  }
  EXPECT_THAT(fact("ip link show pf1 | grep 'vf 0'"), HasSubstr("trust on"));
  EXPECT_THAT(read_file("/run/barewire/pools.json").value_or(""),
              AllOf(HasSubstr("0000:01:00.0#0"), HasSubstr("0000:02:00.0#1"), HasSubstr("vfio-pci")));

  attach("web-0", 0, 100);
  declare(3);
  const CommandResult refused = barewire({"apply"});
  EXPECT_EQ(refused.exit_status, 3);
  EXPECT_THAT(refused.err, HasSubstr("VF 0: attachment vlan100/cid-web-0/net1 holds it"));
  EXPECT_EQ(fact("cat /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs"), "2");  // the other PF neither
  const CommandResult listed = barewire({"list"});
  EXPECT_EQ(listed.exit_status, 1);
  EXPECT_THAT(listed.err, HasSubstr("pf0 is not as declared (/etc/barewire/node.json: nics[0]): VFs is 2, declared 3"));
  EXPECT_TRUE(runner_.del("sriov", config(0, 100), call("web-0")).ok());
  declare(2);  // as pf0 was before its VF went into a pod, and is again
  EXPECT_EQ(barewire({"check"}).exit_status, 0);
}

}  // namespace
}  // namespace barewire::test
