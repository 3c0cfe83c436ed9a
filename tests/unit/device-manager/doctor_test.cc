// SPDX-License-Identifier: Apache-2.0
#include "device-manager/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sysfs.h"

namespace barewire::manager {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

auto Says(Verdict verdict, const std::string& text) {
  return AllOf(Field(&Finding::verdict, verdict), Field(&Finding::text, HasSubstr(text)));
}
auto Advises(const std::string& command) {
  return Field(&Finding::next, HasSubstr(command));
}

class Doctor : public ::testing::Test {
 protected:
  Node node() const {
    Node node;
    node.sysfs = sysfs_.root();
    return node;
  }
  Findings kernel(const ChainInUse& use) const {
    Findings findings;
    examine_kernel(node(), sysfs_.root() + "/lib", use, findings);
    return findings;
  }
  Findings nics(const ChainInUse& use) const {
    Findings findings;
    examine_nics(node(), use, findings);
    return findings;
  }
  Findings memory(const ChainInUse& use) const {
    Findings findings;
    examine_memory(node(), use, findings);
    return findings;
  }
  static Findings vswitch(const SwitchState& state, const ChainInUse& use) {
    Findings findings;
    examine_switch(state, use, findings);
    return findings;
  }
  static SwitchState running() {
    SwitchState state;
    state.reachable = state.running = true;
    state.version = "3.1.0";
    return state;
  }
  test::FakeSysfs sysfs_;
};

TEST_F(Doctor, FindsModulesLoadedBuiltInOrThereToBeLoaded) {
  sysfs_.tree().write("module/sch_ingress/refcnt", "0");
  sysfs_.tree().write("lib/modules.builtin", "kernel/net/sched/cls_flower.ko\nkernel/net/sched/act_vlan.ko\n");
  sysfs_.tree().write("lib/modules.dep",
                      "kernel/net/sched/act_mirred.ko:\nkernel/net/sched/act_tunnel_key.ko.xz:\n"
                      "kernel/net/openvswitch/openvswitch.ko: kernel/net/nsh/nsh.ko\n");
  EXPECT_THAT(kernel({}), Each(Field(&Finding::verdict, Verdict::good)));
}

TEST_F(Doctor, CallsAMissingModuleBrokenOnlyWhereItIsNeeded) {
  EXPECT_THAT(kernel({}), Contains(Says(Verdict::note, "cls_flower")));
  EXPECT_THAT(kernel({.switchdev = true}), Contains(Says(Verdict::broken, "cls_flower")));
  EXPECT_THAT(kernel({.hw_offload = true}), Contains(Says(Verdict::broken, "openvswitch")));
}

TEST_F(Doctor, SaysOfACardWithoutEswitchThatItHasNone) {
  EXPECT_THAT(nics({}), Contains(Says(Verdict::note, "no NIC")));
  sysfs_.add({.address = "0000:01:00.0", .driver = "igb", .netdev = "", .total_vfs = 7});
  EXPECT_THAT(nics({}), Contains(Says(Verdict::note, "has no eswitch mode")));
}

TEST_F(Doctor, SaysWhatTheSwitchLacks) {
  SwitchState state = running();
  EXPECT_THAT(vswitch(state, {}), Contains(Says(Verdict::note, "not told to offload")));
  EXPECT_THAT(vswitch(state, {.switchdev = true}),
              Contains(AllOf(Says(Verdict::broken, "not told to offload"), Advises("other_config:hw-offload=true"))));
  state.hw_offload = true;
  state.tc_policy = "skip_hw";
  EXPECT_THAT(vswitch(state, {.hw_offload = true}),
              Contains(AllOf(Says(Verdict::broken, "skip_hw"), Advises("ovs-vsctl"))));
  state.running = false;
  EXPECT_THAT(vswitch(state, {}), Contains(Says(Verdict::broken, "no ovs-vswitchd")));
}

TEST_F(Doctor, NamesInterfacesTheSwitchRejectsAndDpdkThatDidNotStart) {
  SwitchState state = running();
  state.interface_errors = {{"vhu7", "could not open network device vhu7 (Address family not supported by protocol)"}};
  state.dpdk_wanted = true;
  const Findings findings = vswitch(state, {.dpdk = true});
  EXPECT_THAT(findings, Contains(Says(Verdict::broken, "interface vhu7: could not open")));
  EXPECT_THAT(findings, Contains(Says(Verdict::broken, "could not")));
}

TEST_F(Doctor, ASwitchThatIsNotThereIsANoteUnlessACardWaitsForIt) {
  SwitchState state;
  state.why_not = "connecting failed";
  EXPECT_THAT(vswitch(state, {}), Contains(Says(Verdict::note, "connecting failed")));
  EXPECT_THAT(vswitch(state, {.switchdev = true}), Contains(Says(Verdict::broken, "connecting failed")));
}

TEST_F(Doctor, CountsHugePagesOnlyWhereDpdkIsWanted) {
  EXPECT_THAT(memory({}), IsEmpty());
  EXPECT_THAT(memory({.dpdk = true}),
              Contains(AllOf(Says(Verdict::warning, "no huge pages"), Advises("vm.nr_hugepages"))));
  sysfs_.tree().write("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
  sysfs_.tree().write("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n");
  EXPECT_THAT(memory({.dpdk = true}), Contains(Says(Verdict::good, "512 huge pages, 500 of them free")));
}

}  // namespace
}  // namespace barewire::manager
