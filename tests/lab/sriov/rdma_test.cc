// SPDX-License-Identifier: Apache-2.0
/// The rdma plugin with the kernel's RDMA over Ethernet (rdma_rxe, built so that its devices can be moved). It has no
/// PCI function behind it: that it belongs to one is made up, as a file system over /sys/bus/pci/devices.
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>

#include "tests/lab/sriov/sriov_lab.h"
#include "tests/support/fault.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kFunction = "0000:03:00.0";

class Rdma : public SriovLab {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
    set_mode("exclusive");
    must_run("rdma link add rxe0 type rxe netdev pf0");
    SriovLab::SetUp();
    runner_.install("rdma", built_program("barewire-cni"));
    give_device_to(kFunction);
  }
  void TearDown() override {
    for (const char* name : {"a", "b"}) delete_netns(name);
    within(kLong, [] { return !devices().empty(); });
    run_shell("rdma link del rxe0 || rdma link del mine");
    if (std::getenv("BAREWIRE_LAB") != nullptr) set_mode("shared");
  }

  /// The kernel changes the mode only while there is no netns but its own, and one ends some time after its last user.
  static void set_mode(const std::string& mode) {
    must_run("modprobe rdma_rxe");
    EXPECT_TRUE(within(kLong, [&] { return run_shell("rdma system set netns " + mode).ok(); })) << mode;
  }
  /// Only this test and the programs it runs see it; they see no other function.
  static void give_device_to(const std::string& function) {
    ASSERT_EQ(0, ::unshare(CLONE_NEWNS));
    ASSERT_EQ(0, ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    ASSERT_EQ(0, ::mount("tmpfs", "/sys/bus/pci/devices", "tmpfs", 0, nullptr));
    std::filesystem::create_directories(device_path(function, "rxe0"));
  }
  static void give_back_functions() { ASSERT_EQ(0, ::umount2("/sys/bus/pci/devices", 0)); }
  static std::string device_path(const std::string& function, const std::string& name) {
    return fmt::format("/sys/bus/pci/devices/{}/infiniband/{}", function, name);
  }

  static std::string config(const std::string& device = kFunction, const std::string& members = {}) {
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"lan","type":"rdma","deviceID":"{}"{},"prevResult":{{"cniVersion":"1.1.0",
"interfaces":[{{"name":"net1","sandbox":"/run/netns/a"}}]}}}})",
        device, members);
  }
  PluginResult call(const std::string& verb, const std::string& text = config()) const {
    return runner_.call(verb, "rdma", text, pod("a"));
  }
  void must(const std::string& verb, const std::string& text = config()) const {
    const PluginResult result = call(verb, text);
    EXPECT_TRUE(result.ok()) << verb << result;
  }
  void refuse(const std::string& verb, const std::string& text, int code, const std::string& part) const {
    const PluginResult result = call(verb, text);
    EXPECT_EQ(code, result.code()) << verb << result;
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  /// Names of RDMA devices in a pod ("" = the host), a line each.
  static std::string devices(const std::string& in = {}) {
    const std::string text = "rdma dev show | sed -n 's/^[0-9]*: \\([^:]*\\):.*/\\1/p'";
    return in.empty() ? must_run(text) : run_shell(text, netns(in)).out;
  }
  static std::string records() { return run_shell("find /run/barewire -name '*.rdma.json'").out; }
  static void expect_home(const std::string& when) {
    EXPECT_EQ("rxe0\n", devices()) << when;
    EXPECT_EQ("", records()) << when;
  }

  static constexpr std::chrono::minutes kLong{2};
};

TEST_F(Rdma, DeviceOfThePodsFunctionMovesIntoThePodAndBack) {
  must("STATUS");
  must("ADD");
  EXPECT_EQ("", devices());
  EXPECT_EQ("rxe0\n", devices("a"));
  must("CHECK");
  must_run_in(netns("a"), "rdma dev set rxe0 name mine");
  must("CHECK");
  must("DEL");
  expect_home("renamed by its pod");
  must("DEL");
  refuse("CHECK", config(), 104, "there is no record of its RDMA device");
}

TEST_F(Rdma, DeviceHasTheNameAskedForInThePod) {
  must("ADD", config(kFunction, R"(,"rdmaDeviceName":"roce0","args":{"cni":{"rdmaDeviceName":"roce1"}})"));
  EXPECT_EQ("roce1\n", devices("a"));
  must("CHECK");
  must("DEL");
  expect_home("renamed");
  refuse("ADD", config(kFunction, R"(,"rdmaDeviceName":"a/b")"), 7, "rdmaDeviceName");
  refuse("ADD", config(kFunction, R"(,"args":{"cni":{"rdmaDeviceName":")" + std::string(64, 'x') + R"("}})"), 7,
         "args.cni.rdmaDeviceName");
  expect_home("refused");
}

TEST_F(Rdma, BehindSriovTheFunctionIsTheOneThatSriovMoved) {
  give_back_functions();
  const std::string vf0 = SriovLab::config(0);
  const PluginResult added = must_add(vf0, pod("a"));
  give_device_to(vf(0).address);
  for (const std::string& previous : {added.out, std::string(R"({"cniVersion":"1.1.0"})")}) {
    const std::string text =
        fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"rdma","prevResult":{}}})", previous);
    must("ADD", text);
    EXPECT_EQ("rxe0\n", devices("a"));
    must("CHECK", text);
    must("DEL", text);
    expect_home(previous);
  }
  give_back_functions();
  must_del(vf0, pod("a"));
}

TEST_F(Rdma, DeviceComesBackWhenThePodIsGoneOrNotListedAnyMore) {
  must("ADD");
  must_run_in(netns("a"), "rdma dev set rxe0 name mine");
  delete_netns("a");
  std::filesystem::rename(device_path(kFunction, "rxe0"), device_path(kFunction, "mine"));
  must("DEL");  // though the device comes home some time after the netns ended
  expect_home("the pod ended");
  std::filesystem::rename(device_path(kFunction, "mine"), device_path(kFunction, "rxe0"));
  make_netns("a");
  must("ADD");
  must("GC", config(kFunction, R"(,"cni.dev/valid-attachments":[{"containerID":"id-a","ifname":"net1"}])"));
  EXPECT_EQ("rxe0\n", devices("a"));
  must("GC", config(kFunction, R"(,"cni.dev/valid-attachments":[])"));
  expect_home("not listed");
}

TEST_F(Rdma, DeviceComesBackFromAPodThatOnlyAProcessKeeps) {
  const NetnsHolder holder(netns("a"));
  must("ADD", config(kFunction, R"(,"rdmaDeviceName":"roce0")"));
  delete_netns("a");
  must("DEL");
  expect_home("no path leads to the pod");
  make_netns("a");
}

TEST_F(Rdma, DeviceThatTheReferencePluginMovedComesBack) {
  must_run("rdma dev set rxe0 netns a; mkdir -p /var/lib/cni/rdma");
  must_run_in(netns("a"), "rdma dev set rxe0 name mine");
  write_text(
      "/var/lib/cni/rdma/lan-id-a-net1",
      fmt::format(R"({{"version":"1.0","deviceID":"{}","sandboxRdmaDevName":"rxe0","containerRdmaDevName":"mine"}})",
                  kFunction));
  must("DEL");
  expect_home("moved by rdma-cni");
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/rdma/lan-id-a-net1"));
  write_text("/var/lib/cni/rdma/lan-id-a-net1", "{");
  must("DEL");
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/rdma/lan-id-a-net1"));
}

TEST_F(Rdma, WhatCannotBeIsRefusedAndNothingIsLeft) {
  refuse("ADD", config("0000:02:00.0"), 101, "0000:02:00.0 has no RDMA device");
  refuse("ADD", config("../0000:03:00.0"), 7, "deviceID");
  std::filesystem::create_directories(device_path(kFunction, "rxe1"));
  refuse("ADD", config(), 101, "several RDMA devices: rxe0, rxe1");
  expect_home("refused");
}

TEST_F(Rdma, DevicesSharedByAllNetnsAreRefusedWithWhatToDo) {
  for (const char* name : {"a", "b"}) delete_netns(name);
  set_mode("shared");
  for (const char* name : {"a", "b"}) make_netns(name);
  refuse("ADD", config(), 101, "rdma system set netns exclusive");
  refuse("STATUS", config(), 50, "shared by all netns");
}

TEST_F(Rdma, KilledOrFailingAtAnyStepLeavesTheDeviceAtHomeAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const Command command = runner_.command("ADD", "rdma", config(kFunction, R"(,"rdmaDeviceName":"roce0")"), pod("a"));
  const auto undo = [&](const FaultOutcome& outcome) {
    must("DEL");
    expect_home(outcome.mutations.empty() ? "at the start" : outcome.mutations.back());
  };
  const auto kill = [&](std::size_t n) {
    FaultOutcome outcome = kill_at(command, n, KillTime::after);
    undo(outcome);
    return outcome;
  };
  const auto fail = [&](std::size_t n) {
    FaultOutcome outcome = fail_at(command, n, EIO);
    // Not where it cannot tell, or its thread cannot come home: the program ends there, and DEL has the rest to do.
    const std::string& out = outcome.result.out;
    const bool told = out.find("\"code\"") != std::string::npos &&
                      out.find("returning to the node's network namespace") == std::string::npos;
    if (told) {
      EXPECT_EQ("rxe0\n", devices()) << outcome.mutations.back();
    }
    undo(outcome);
    return outcome;
  };
  constexpr std::size_t kStride = 5;
  EXPECT_GT(for_each_mutation(kill, kStride), 10U);
  EXPECT_GT(for_each_mutation(fail, kStride), 10U);
}

/// The kernel lets nobody change it while there is another netns, as those of the fixture's pods.
TEST_F(Rdma, ModeIsSetAsDeclaredOnceNoOtherNetnsIsThere) {
  run_shell("mkdir -p /run/rdma-declared && echo '{\"rdmaMode\": \"shared\"}' >/run/rdma-declared/node.json");
  const auto barewire = [](const std::string& command) {
    return run_shell(built_program("barewire") + " " + command + " --file /run/rdma-declared/node.json");
  };
  const CommandResult planned = barewire("plan");
  EXPECT_EQ(planned.exit_status, 1) << planned.err;
  EXPECT_THAT(planned.out, AllOf(HasSubstr("- RDMA mode: exclusive"), HasSubstr("+ RDMA mode: shared")));
  const CommandResult busy = barewire("apply");
  EXPECT_EQ(busy.exit_status, 4) << busy.err;
  EXPECT_THAT(busy.err, AllOf(HasSubstr("setting the netns mode of RDMA to shared failed"), HasSubstr("boot anew")));
  for (const char* name : {"a", "b"}) delete_netns(name);
  EXPECT_TRUE(within(kLong, [&] { return barewire("apply").out == "RDMA mode is shared now\n"; }));
  EXPECT_THAT(must_run("rdma system show"), HasSubstr("netns shared"));
  EXPECT_EQ(barewire("plan").out, "The node is as declared.\n");
  run_shell("rm -r /run/rdma-declared");
  for (const char* name : {"a", "b"}) make_netns(name);  // which are taken away at the end
}

}  // namespace
}  // namespace barewire::test
