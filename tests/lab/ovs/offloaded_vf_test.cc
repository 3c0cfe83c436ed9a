// SPDX-License-Identifier: Apache-2.0
/// The ovs plugin with a device: a real VF (igbvf) for the pod, and a real representor (netdevsim in switchdev mode)
/// for a bridge of the kernel's datapath. No emulated NIC has both. That the 82576's PF has netdevsim's switch is told
/// to the plugin in the one place where it asks the kernel: a file over the PF's phys_switch_id, in this test's mount
/// namespace alone. Packets do not pass from the one to the other; all else is as on a card.
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "core/fd.h"
#include "tests/lab/sriov/sriov_lab.h"
#include "tests/support/fault.h"
#include "tests/support/ovs_sandbox.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kMac = "02:00:00:00:01:0a";
constexpr unsigned kRepresentors = 2;  ///< one less than VFs: the last VF has none

class OffloadedVf : public SriovLab {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") != nullptr) {
      ASSERT_EQ(0, ::unshare(CLONE_NEWNS));
      ASSERT_EQ(0, ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    }
    SriovLab::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    must_run("modprobe openvswitch; modprobe netdevsim; echo '10 1' > /sys/bus/netdevsim/new_device;" +
             fmt::format("echo {} > /sys/bus/netdevsim/devices/netdevsim10/sriov_numvfs;", kRepresentors) +
             "devlink dev eswitch set netdevsim/netdevsim10 mode switchdev");
    ovs_ = std::make_unique<OvsSandbox>();
    ovs_->vsctl("add-br br0 -- add-br br1");
    ovs_->vsctl("add-port br0 pf0");
    // A netdev has a queueing discipline from the first time it is up.
    for (unsigned vf = 0; vf < kRepresentors; ++vf)
      must_run(fmt::format("ip link set {0} up; ip link set {0} down", representor(vf)));
    before_ = ovs_->configuration();
  }
  void TearDown() override {
    if (!ovs_) return;
    ovs_->vsctl("--if-exists del-br br0 -- --if-exists del-br br1");
  }

  /// From here on the PF is in switchdev mode, as far as the plugin can see.
  void switch_to_switchdev() {
    const std::string id = must_run("cat /sys/class/net/" + representor(0) + "/phys_switch_id");
    write_text(ovs_->file("switch_id"), id);
    must_run(fmt::format("mount --bind {} /sys/class/net/pf0/phys_switch_id", ovs_->file("switch_id")));
  }
  static std::string representor(unsigned vf) {
    std::string name = must_run(fmt::format("grep -lx pf0vf{} /sys/class/net/*/phys_port_name | cut -d/ -f5", vf));
    if (!name.empty()) name.pop_back();
    return name;
  }
  std::string offload(unsigned number, const std::string& members = {}) const {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"ovs","socket_file":"{}","deviceID":"{}"{}}})",
                       ovs_->socket(), vf(number).address, members);
  }
  static std::string full(const std::string& members = {}) {
    return fmt::format(R"(,"bridge":"br0","vlan":100,"mtu":1400,"mac":"{}","ipam":{{"type":"static",)"
                       R"("addresses":[{{"address":"10.9.0.1/24"}}]}}{})",
                       kMac, members);
  }
  PluginResult attach(const std::string& text, const CniCall& call = pod("a")) const {
    return runner_.add("ovs", text, call);
  }
  void must_detach(const std::string& text, const CniCall& call = pod("a")) const {
    const PluginResult gone = runner_.del("ovs", text, call);
    EXPECT_TRUE(gone.ok()) << gone;
  }
  std::string port_column(const std::string& port, const std::string& column) const {
    std::string text = ovs_->vsctl(fmt::format("get Port {} {}", port, column));
    text.pop_back();
    return text;
  }
  static std::string interface(const PluginResult& result, std::size_t position, const char* member) {
    const auto* value = result.json.at("interfaces").at(position).as_object().if_contains(member);
    return value == nullptr ? "" : value->is_string() ? std::string(value->get_string()) : serialize(*value);
  }
  void expect_refused(const std::string& text, int code, const std::string& words) const {
    const auto before = NodeSnapshot::take();
    const PluginResult refused = attach(text);
    EXPECT_EQ(code, refused.code()) << refused;
    EXPECT_THAT(refused.msg(), HasSubstr(words));
    EXPECT_EQ(ovs_->configuration(), before_);
    EXPECT_NODE_UNCHANGED(before);
  }

  void expect_status(const std::string& text, const std::string& words) const {
    const PluginResult result = runner_.status("ovs", text);
    if (words.empty()) {
      EXPECT_TRUE(result.ok()) << result;
      return;
    }
    EXPECT_EQ(50, result.code()) << result;
    EXPECT_THAT(result.msg(), HasSubstr(words));
  }

  std::unique_ptr<OvsSandbox> ovs_;
  std::string before_;
};

TEST_F(OffloadedVf, GoesIntoThePodAndItsOwnRepresentorOntoTheBridge) {
  switch_to_switchdev();
  for (unsigned number = 0; number < kRepresentors; ++number) {
    const auto before = NodeSnapshot::take();
    const std::string text = offload(number, full());
    const PluginResult added = attach(text);
    ASSERT_TRUE(added.ok()) << added;
    const std::string name = representor(number);
    EXPECT_EQ(name, interface(added, 0, "name"));
    EXPECT_EQ("", interface(added, 0, "sandbox"));
    EXPECT_EQ("net1", interface(added, 1, "name"));
    EXPECT_EQ(kMac, interface(added, 1, "mac"));
    EXPECT_EQ("1400", interface(added, 1, "mtu"));
    EXPECT_EQ(vf(number).address, interface(added, 1, "pciID"));
    EXPECT_EQ("1", serialize(added.json.at("ips").at(0).at("interface")));
    EXPECT_EQ("100", port_column(name, "tag"));
    EXPECT_THAT(port_column(name, "external_ids"), AllOf(HasSubstr("owner=barewire"), HasSubstr("containerID=id-a")));
    EXPECT_EQ("br0\n", ovs_->vsctl("port-to-br " + name));
    EXPECT_EQ("1400", link_attribute("", name, "mtu"));
    EXPECT_THAT(link_attribute("", name, "flags"), HasSubstr("\"UP\""));
    EXPECT_EQ(kMac, link_attribute("a", "net1", "address"));
    EXPECT_EQ("1400", link_attribute("a", "net1", "mtu"));
    EXPECT_THAT(must_run_in(netns("a"), "ip -4 address show net1"), HasSubstr("10.9.0.1/24"));
    EXPECT_EQ(kMac, vf_attribute(number, "address"));
    const std::string with_previous = text.substr(0, text.size() - 1) + ",\"prevResult\":" + added.out + "}";
    const PluginResult checked = runner_.check("ovs", with_previous, pod("a"));
    EXPECT_TRUE(checked.ok()) << checked;
    must_run(fmt::format("ip link set {} mtu 1300", name));
    EXPECT_EQ(104, runner_.check("ovs", with_previous, pod("a")).code());
    must_detach(text);
    must_detach(text);
    EXPECT_NODE_UNCHANGED(before);
    EXPECT_EQ(ovs_->configuration(), before_);
  }
}

TEST_F(OffloadedVf, BridgeIsTheOneThatHoldsTheUplinkOrItsBond) {
  switch_to_switchdev();
  for (const char* bridge : {"br0", "br1"}) {
    if (bridge == std::string("br1")) {
      ovs_->vsctl("del-port pf0");
      must_run(
          "modprobe bonding; ip link add bond0 type bond mode active-backup; ip link set pf0 down;"
          "ip link set pf0 master bond0; ip link set bond0 up");
      ovs_->vsctl("add-port br1 bond0");
    }
    const PluginResult added = attach(offload(0));
    EXPECT_TRUE(added.ok()) << added;
    EXPECT_EQ(std::string(bridge) + "\n", ovs_->vsctl("port-to-br " + representor(0)));
    must_detach(offload(0));
  }
  ovs_->vsctl("del-port bond0");
  const PluginResult refused = attach(offload(0));
  EXPECT_EQ(101, refused.code()) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("holds pf0 or bond0"));
}

TEST_F(OffloadedVf, WhatTheNodeDoesNotOfferIsRefusedBeforeAnythingIsTouched) {
  expect_refused(offload(0, full()), 101, "is not in switchdev mode");
  switch_to_switchdev();
  expect_refused(offload(kRepresentors, full()), 101, "has no representor");
  const std::string taken = representor(0);
  must_run("ip link add lbr type bridge; ip link set " + taken + " master lbr");
  expect_refused(offload(0, full()), 102, "is part of lbr");
  must_run("ip link delete lbr");
  ovs_->vsctl("add-port br0 " + taken);
  before_ = ovs_->configuration();
  expect_refused(offload(0, full()), 102, "is a port of a bridge already");
  ovs_->vsctl("del-port " + taken);
  before_ = ovs_->configuration();
  expect_refused(offload(0, R"(,"bridge":"br9")"), 101, "br9");
  expect_refused(offload(0, R"(,"bridge":"br0","interface_type":"dpdk")"), 101, "kernel's datapath");
  const PluginResult holder = attach(offload(0, full()), pod("b"));
  ASSERT_TRUE(holder.ok()) << holder;
  before_ = ovs_->configuration();
  expect_refused(offload(0, full()), 102, "is held by attachment lan/id-b/net1");
}

TEST_F(OffloadedVf, StatusTellsWhatIsMissingForTheVf) {
  expect_status(offload(0), "is not in switchdev mode");
  switch_to_switchdev();
  expect_status(offload(0), "");
  expect_status(offload(kRepresentors), "has no representor");
  const PluginResult added = attach(offload(0, full()));
  ASSERT_TRUE(added.ok()) << added;
  expect_status(offload(0), "");
  must_detach(offload(0, full()));
  ovs_->vsctl("del-port pf0");
  expect_status(offload(0), "holds pf0");
  expect_status(offload(0, R"(,"bridge":"br0")"), "");
  const std::string text = offload(0, full());
  must_run("echo 0 > /sys/class/net/pf0/device/sriov_numvfs");
  expect_status(text, "is not a VF of this node");
}

TEST_F(OffloadedVf, OnAPfWithoutASwitchIsServedByTheFallback) {
  const auto before = NodeSnapshot::take();
  const std::string sriov = fmt::format(
      R"({{"type":"sriov","when":["unsupported"],"deviceID":"{}","vlan":100,"mac":"{}"}})", vf(0).address, kMac);
  const std::string text = offload(0, full(R"(,"fallback":)" + sriov));
  expect_status(text, "");
  const PluginResult added = attach(text);
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_EQ(kMac, link_attribute("a", "net1", "address"));
  EXPECT_THAT(must_run_in(netns("a"), "ip -4 address show net1"), HasSubstr("10.9.0.1/24"));
  EXPECT_EQ(R"([{"vlan":100}])", vf_attribute(0, "vlan_list"));
  EXPECT_EQ(ovs_->configuration(), before_);
  switch_to_switchdev();  // by now the plugin itself could; the record tells the way of ADD
  const std::string with_previous = text.substr(0, text.size() - 1) + ",\"prevResult\":" + added.out + "}";
  const PluginResult checked = runner_.check("ovs", with_previous, pod("a"));
  EXPECT_TRUE(checked.ok()) << checked;
  must_detach(text);
  EXPECT_EQ(ovs_->configuration(), before_);
  EXPECT_NODE_UNCHANGED(before);
}

/// Strikes at changes that ADD makes, in one boot and on one VF.
class OffloadedSweep : public OffloadedVf {
 protected:
  static constexpr std::size_t kStride = 5;   ///< odd, so that kills come before and after a change
  static constexpr std::size_t kFewest = 60;  ///< changes that ADD makes; it makes 86

  void SetUp() override {
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
    OffloadedVf::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    switch_to_switchdev();
    text_ = offload(0, full());
    node_ = NodeSnapshot::take_devices();
  }
  Command add() const { return runner_.command("ADD", "ovs", text_, pod("a")); }
  void expect_as_before(const FaultOutcome& outcome) const {
    EXPECT_EQ("", node_.difference(NodeSnapshot::take_devices())) << "struck at " << where(outcome);
    EXPECT_EQ(ovs_->configuration(), before_) << "struck at " << where(outcome);
  }
  static std::string where(const FaultOutcome& outcome) {
    return outcome.struck ? outcome.mutations.back() : "nowhere";
  }

  std::string text_;

 private:
  NodeSnapshot node_;
};

TEST_F(OffloadedSweep, AddKilledAnywhereIsUndoneByDel) {
  const std::size_t all = for_each_mutation(
      [&](std::size_t n) {
        const FaultOutcome outcome = kill_at(add(), n, n % 2 == 0 ? KillTime::after : KillTime::before);
        must_detach(text_);
        expect_as_before(outcome);
        return outcome;
      },
      kStride);
  EXPECT_GT(all, kFewest);
}

TEST_F(OffloadedSweep, AddThatFailsAnywhereLeavesTheNodeAsItWas) {
  const std::size_t all = for_each_mutation(
      [&](std::size_t n) {
        const FaultOutcome outcome = fail_at(add(), n, EIO);
        // Without a way home from a netns the program ends at once, since no code may run in an unknown one; and who
        // cannot be told of the end does not learn how it was. Both leave the undoing to DEL.
        const bool untold = outcome.struck &&
                            (where(outcome).starts_with("setns") || where(outcome).starts_with("write /memfd:stdout"));
        if (outcome.result.ok() || untold) must_detach(text_);
        expect_as_before(outcome);
        return outcome;
      },
      kStride);
  EXPECT_GT(all, kFewest);
}

TEST_F(OffloadedVf, RepresentorThatAnEarlierPodLeftOnABridgeIsTakenFromThere) {
  switch_to_switchdev();
  const std::string name = representor(0);
  ovs_->vsctl(
      fmt::format("add-port br1 {0} -- set Port {0} external_ids:owner=barewire external_ids:network=old "
                  "external_ids:bootID=$(cat /proc/sys/kernel/random/boot_id)",
                  name));
  const PluginResult added = attach(offload(0, full()));
  EXPECT_TRUE(added.ok()) << added;
  EXPECT_EQ("br0\n", ovs_->vsctl("port-to-br " + name));
  must_detach(offload(0, full()));
}

TEST_F(OffloadedVf, ComesBackWhateverThePodDidAndThoughItsNetnsIsGone) {
  switch_to_switchdev();
  const auto before = NodeSnapshot::take();
  ASSERT_TRUE(attach(offload(0, full())).ok());
  must_run_in(netns("a"), "ip link set net1 down; ip link set net1 name lan7 mtu 1300 promisc on");
  delete_netns("a");
  must_detach(R"({"cniVersion":"1.1.0","name":"lan","type":"ovs"})");
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_EQ(ovs_->configuration(), before_);
}

TEST_F(OffloadedVf, OfADeadPodIsGivenToTheNextOne) {
  switch_to_switchdev();
  ASSERT_TRUE(attach(offload(0, full()), pod("b")).ok());
  delete_netns("b");
  const PluginResult added = attach(offload(0, full()));
  EXPECT_TRUE(added.ok()) << added;
  EXPECT_THAT(port_column(representor(0), "external_ids"), HasSubstr("containerID=id-a"));
  must_detach(offload(0, full()), pod("b"));
  EXPECT_TRUE(link_exists("a", "net1"));
  must_detach(offload(0, full()));
  EXPECT_EQ(ovs_->configuration(), before_);
}

TEST_F(OffloadedVf, OnVfioStaysThereAndThePodIsTold) {
  bind(vf(0).address, "vfio-pci");
  switch_to_switchdev();
  const auto before = NodeSnapshot::take();
  const std::string file = ovs_->file("devinfo.json");
  const std::string text = offload(
      0, full(R"(,"capabilities":{"CNIDeviceInfoFile":true},"runtimeConfig":{"CNIDeviceInfoFile":")" + file + "\"}"));
  const PluginResult added = attach(text);
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_EQ(vf(0).address, interface(added, 1, "pciID"));
  EXPECT_EQ(kMac, interface(added, 1, "mac"));
  EXPECT_EQ(netns("a"), interface(added, 1, "sandbox"));
  EXPECT_FALSE(link_exists("a", "net1"));
  EXPECT_EQ(kMac, vf_attribute(0, "address"));
  EXPECT_EQ("1400", link_attribute("", representor(0), "mtu"));
  const auto info = boost::json::parse(read_file(file).value_or("null"));
  EXPECT_EQ("pci", info.at("type").as_string());
  EXPECT_EQ(vf(0).address, std::string(info.at("pci").at("pci-address").as_string()));
  EXPECT_EQ(representor(0), std::string(info.at("pci").at("representor-device").as_string()));
  must_detach(text);
  EXPECT_FALSE(read_file(file));
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_EQ(ovs_->configuration(), before_);
}

}  // namespace
}  // namespace barewire::test
