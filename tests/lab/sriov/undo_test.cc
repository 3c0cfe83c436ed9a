// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>
#include <thread>

#include "core/fd.h"
#include "tests/lab/sriov/sriov_lab.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using Undo = SriovLab;

constexpr const char* kSettings = R"(,"mac":"02:00:00:00:01:0a","vlan":300,"trust":"on","max_tx_rate":100,"mtu":1400)";

TEST_F(Undo, DelBringsAVfBackThatThePodRenamed) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  must_run_in(netns("a"), "ip link set net1 down; ip link set net1 name lan7; ip link set lan7 up");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelSanitisesWhatThePodDidToItsVf) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  must_run_in(netns("a"),
              "ip link set net1 promisc on allmulticast on mtu 1300 txqueuelen 17 alias nonsense;"
              "ip link property add dev net1 altname stale");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelRestoresAVfWhoseNetnsWasDeleted) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  delete_netns("a");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelRestoresAVfWhoseNetnsWasDeletedAWhileAgoAndWhoseNameIsTaken) {
  must_add(config(0, kSettings), pod("a", vf(0).netdev));
  must_run("ip link add " + vf(0).netdev + " type dummy");
  delete_netns("a");
  std::this_thread::sleep_for(std::chrono::seconds(2));
  must_del(config(0, kSettings), pod("a", vf(0).netdev));
  EXPECT_TRUE(std::filesystem::exists("/sys/bus/pci/devices/" + vf(0).address + "/net"));
  EXPECT_EQ("dummy", link_kind(vf(0).netdev));
  EXPECT_EQ("[{}]", vf_attribute(0, "vlan_list"));
}

TEST_F(Undo, DelWithEmptyNetnsBringsTheVfBackAllTheSame) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  CniCall call = pod("a");
  call.netns.clear();
  must_del(config(0, kSettings), call);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelFindsAVfInANetnsThatOnlyAProcessKeepsAlive) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  ChildProcess sleeper({.program = "sleep",
                        .arguments = {"60"},
                        .argv0 = {},
                        .environment = {},
                        .stdin_bytes = "",
                        .netns = netns("a")});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  delete_netns("a");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelFindsAVfThatThePodMovedOn) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  must_run_in(netns("a"), "ip link set net1 netns b");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelUnpinsAMacThatWasTheVfsOwn) {
  const auto before = NodeSnapshot::take();
  const std::string text = config(0, fmt::format(R"(,"mac":"{}")", vf(0).mac));
  must_add(text, pod("a"));
  must_del(text, pod("a"));
  EXPECT_NODE_UNCHANGED(before);
  must_run(fmt::format("ip link set {} address 02:00:00:00:0f:0f", vf(0).netdev));
}

TEST_F(Undo, DelPinsAgainTheMacThatThePfGaveItsVf) {
  must_run(
      fmt::format("ip link set pf0 vf 0 mac 02:00:00:00:0a:0a; cd /sys/bus/pci/drivers/igbvf;"
                  "echo {0} > unbind; echo {0} > bind",
                  vf(0).address));
  await_netdev(0);
  const auto before = NodeSnapshot::take();
  for (int round = 0; round < 2; ++round) {
    must_add(config(0, kSettings), pod("a"));
    EXPECT_EQ("02:00:00:00:01:0a", link_attribute("a", "net1", "address"));
    must_del(config(0, kSettings), pod("a"));
    EXPECT_NODE_UNCHANGED(before);
  }
  EXPECT_FALSE(run_shell(fmt::format("ip link set {} address 02:00:00:00:0f:0f", vf(0).netdev)).ok());
}

TEST_F(Undo, DelTwiceSucceedsAndTheSecondTouchesNothing) {
  must_add(config(0, kSettings), pod("a"));
  must_del(config(0, kSettings), pod("a"));
  const auto between = NodeSnapshot::take();
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(between);
}

TEST_F(Undo, DelWithoutAddSucceedsAndTouchesNothing) {
  const auto before = NodeSnapshot::take();
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelTrustsTheRecordAndNotTheConfig) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  must_del(config_without_device(R"(,"deviceID":"not a device","vlan":"wrong")"), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, DelWithTheRecordMissingTakesBackWhatTheConfigurationAsksFor) {
  const std::string original = vf_attribute(0, "trust");
  must_add(config(0, kSettings), pod("a"));
  must_run("rm -r /run/barewire");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_FALSE(link_exists("a", "net1"));
  await_netdev(0);
  EXPECT_EQ("[{}]", vf_attribute(0, "vlan_list"));
  EXPECT_EQ(original, vf_attribute(0, "trust"));
  EXPECT_EQ(R"({"max_tx":0,"min_tx":0})", vf_attribute(0, "rate"));
}

TEST_F(Undo, DelWithTheRecordMissingAndTheNetnsGoneSucceedsAndTheVfCanBeUsedAgain) {
  must_add(config(0, kSettings), pod("a"));
  must_run("rm -r /run/barewire/attachments");
  delete_netns("a");
  must_del(config(0, kSettings), pod("a"));
  await_netdev(0);
  must_add(config(0, R"(,"vlan":200)"), pod("b"));
  EXPECT_EQ(R"([{"vlan":200}])", vf_attribute(0, "vlan_list"));
  EXPECT_TRUE(link_exists("b", "net1"));
}

TEST_F(Undo, DelSucceedsWhenTheVfIsGone) {
  must_add(config(0, kSettings), pod("a"));
  must_run("echo 0 > /sys/class/net/pf0/device/sriov_numvfs");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_FALSE(std::filesystem::exists("/run/barewire/devices/" + vf(0).address));
}

TEST_F(Undo, LateDelDoesNotTouchAVfThatAnotherPodHasByNow) {
  must_add(config(0, kSettings), pod("a"));
  delete_netns("a");
  // kubelet gives the VF of the dead pod to the next one before the first DEL comes.
  must_add(config(0, R"(,"vlan":200)"), pod("b"));
  EXPECT_EQ(R"([{"vlan":200}])", vf_attribute(0, "vlan_list"));
  const auto between = NodeSnapshot::take();
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(between);
  EXPECT_TRUE(link_exists("b", "net1"));
  must_del(config(0, R"(,"vlan":200)"), pod("b"));
  EXPECT_EQ("[{}]", vf_attribute(0, "vlan_list"));
  EXPECT_EQ(vf(0).mac, link_attribute("", vf(0).netdev, "address"));
}

TEST_F(Undo, DelRestoresWhatADpdkProgramDidToTheAdminMac) {
  bind(vf(0).address, "vfio-pci");
  const auto before = NodeSnapshot::take();
  must_add(config(0, R"(,"vlan":300)"), pod("a"));
  must_run("ip link set pf0 vf 0 mac 02:00:00:00:0d:0d");
  must_del(config(0, R"(,"vlan":300)"), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Undo, RecordOfAnotherBootIsClearedWithoutTouchingTheVf) {
  must_add(config(0, kSettings), pod("a"));
  // Neither is its netns there any more: a boot_id alone proves nothing.
  must_run(
      "sed -i 's/\"bootId\":\"[^\"]*\"/\"bootId\":\"another\"/; s/\"inode\":[0-9]*/\"inode\":1/' "
      "/run/barewire/attachments/lan/*.json");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_EQ(R"([{"vlan":300}])", vf_attribute(0, "vlan_list"));
  EXPECT_FALSE(std::filesystem::exists("/run/barewire/devices/" + vf(0).address));
}

TEST_F(Undo, AddOverAnAttachmentThatLivesIsRefused) {
  must_add(config(0, kSettings), pod("a"));
  const auto between = NodeSnapshot::take();
  const PluginResult again = add(config(1), pod("a"));
  EXPECT_EQ(102, again.code()) << again;
  EXPECT_NODE_UNCHANGED(between);
}

/// Tries something at changes that a call makes, in one boot and on one VF.
class Sweep : public SriovLab {
 protected:
  static constexpr std::size_t kStride = 5;  ///< odd, so that kills come before and after a change

  void SetUp() override {
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
    SriovLab::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) before_ = NodeSnapshot::take_devices();
  }

  Command add_command() const { return runner_.command("ADD", "sriov", text(), pod("a")); }
  std::string text() const { return config(0, kSettings); }

  void expect_node_as_before(const char* what, std::size_t n, const FaultOutcome& outcome) const {
    EXPECT_EQ("", before_.difference(NodeSnapshot::take_devices())) << what << " at " << n << ": " << where(outcome);
  }
  static std::string where(const FaultOutcome& outcome) {
    return outcome.struck ? outcome.mutations.back() : "nowhere";
  }

 private:
  NodeSnapshot before_;
};

TEST_F(Sweep, AddKilledAtAnyPointIsUndoneByDel) {
  const auto attempt = [&](std::size_t n) {
    const FaultOutcome outcome = kill_at(add_command(), n, n % 2 == 0 ? KillTime::after : KillTime::before);
    must_del(text(), pod("a"));
    expect_node_as_before("killed", n, outcome);
    return outcome;
  };
  EXPECT_GT(for_each_mutation(attempt, kStride), 20U);
}

TEST_F(Sweep, AddThatFailsAtAnyPointLeavesTheNodeAsItWas) {
  const auto attempt = [&](std::size_t n) {
    const FaultOutcome outcome = fail_at(add_command(), n, EIO);
    // Without a way home from a netns the program ends at once, since no code may run in an unknown one; and who cannot
    // be told of the end does not learn how it was. Both leave the undoing to DEL.
    const bool untold =
        outcome.struck && (where(outcome).starts_with("setns") || where(outcome).starts_with("write /memfd:stdout"));
    if (outcome.result.ok() || untold) {
      must_del(text(), pod("a"));
    } else {
      EXPECT_NE(0, PluginRunner::result_of(outcome.result).code()) << where(outcome);
    }
    expect_node_as_before("failed", n, outcome);
    return outcome;
  };
  EXPECT_GT(for_each_mutation(attempt, kStride), 40U);
}

TEST_F(Sweep, DelKilledAtAnyPointIsFinishedByTheNextDel) {
  const auto attempt = [&](std::size_t n) {
    must_add(text(), pod("a"));
    const FaultOutcome outcome = kill_at(runner_.command("DEL", "sriov", text(), pod("a")), n, KillTime::after);
    must_del(text(), pod("a"));
    expect_node_as_before("killed", n, outcome);
    return outcome;
  };
  EXPECT_GT(for_each_mutation(attempt, kStride), 10U);
}

/// What the Go sriov-cni leaves: the VF moved and set up, its cache, and the allocation.
class SriovCni : public SriovLab {
 protected:
  void attach_as_the_peer() {
    std::filesystem::create_directories("/var/lib/cni/sriov/pci");
    const LabVf device = vf(0);
    write_text("/var/lib/cni/sriov/id-a-net1",
               fmt::format(R"({{"cniVersion":"1.0.0","name":"lan","type":"sriov","ipam":{{}},"dns":{{}},"vlan":300,
"deviceID":"{}","VFID":0,"Master":"pf0","MAC":"02:00:00:00:01:0a","trust":"on","max_tx_rate":100,
"OrigVfState":{{"HostIFName":"{}","SpoofChk":true,"Trust":false,"AdminMAC":"{}","EffectiveMAC":"{}","Vlan":0,"VlanQoS":0,
"VlanProto":33024,"MinTxRate":0,"MaxTxRate":0,"LinkState":0,"MTU":1500}},"RuntimeConfig":{{}}}})",
                           device.address, device.netdev, device.mac, device.mac));
    write_text("/var/lib/cni/sriov/pci/" + device.address, netns("a"));
    must_run(
        fmt::format("ip link set {0} address 02:00:00:00:01:0a;"
                    "ip link set pf0 vf 0 vlan 300 mac 02:00:00:00:01:0a trust on max_tx_rate 100;"
                    "ip link set {0} netns a name net1; ip -n a link set net1 up",
                    device.netdev));
  }
};

TEST_F(SriovCni, WhatItAttachedIsBroughtBackByOurDel) {
  const auto before = NodeSnapshot::take();
  attach_as_the_peer();
  must_del(config(0), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(SriovCni, WhatItAttachedIsBroughtBackWithTheNetnsGone) {
  const auto before = NodeSnapshot::take();
  attach_as_the_peer();
  delete_netns("a");
  must_del(config(0), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(SriovCni, WhatItHoldsIsNotGivenToAnother) {
  attach_as_the_peer();
  const auto between = NodeSnapshot::take();
  const PluginResult refused = add(config(0), pod("b"));
  EXPECT_EQ(102, refused.code()) << refused;
  EXPECT_NE(std::string::npos, refused.msg().find("already allocated")) << refused;
  EXPECT_NODE_UNCHANGED(between);
}

TEST_F(SriovCni, ItsLateDelDoesNotTouchAVfThatOneOfOurPodsHas) {
  attach_as_the_peer();
  delete_netns("a");
  await_netdev(0);
  must_run(fmt::format("ip link set $(ls /sys/bus/pci/devices/{0}/net) name {1}", vf(0).address, vf(0).netdev));
  must_add(config(0, R"(,"vlan":200)"), pod("b"));
  must_del(config(0), pod("a"));
  EXPECT_EQ(R"([{"vlan":200}])", vf_attribute(0, "vlan_list"));
  EXPECT_TRUE(link_exists("b", "net1"));
}

}  // namespace
}  // namespace barewire::test
