// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device-manager/provision.h"

namespace barewire::manager {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PfFacts facts(std::uint32_t vfs) {
  PfFacts result;
  result.pf.pci.address = "0000:01:00.0";
  kernel::Link link;
  link.name = "ens1f0";
  link.mtu = 1500;
  result.pf.link = link;
  result.pf.total_vfs = 7;
  for (std::uint32_t id = 0; id < vfs; ++id) {
    vf::Vf vf;
    vf.id = id;
    vf.pci.driver = "igbvf";
    vf.link = link;
    result.pf.vfs.push_back(vf);
  }
  result.in_use.resize(vfs);
  result.drivers = {"igb", "igbvf", "vfio-pci"};
  return result;
}

std::vector<std::string> plan(const ProvisionRequest& request, const PfFacts& given) {
  std::vector<std::string> steps;
  for (const ProvisionStep& step : plan_provision(request, given)) steps.push_back(step.describe("ens1f0"));
  return steps;
}

std::string refusal(const ProvisionRequest& request, const PfFacts& given, Error::Code code) {
  try {
    plan_provision(request, given);
    return "not refused";
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(code)) << error.what();
    return error.what();
  }
}

TEST(ProvisionPlan, CreatesAndWaits) {
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 7}, facts(0)),
              ElementsAre("create 7 VFs on ens1f0", "wait for 7 VFs and their netdevs"));
}

TEST(ProvisionPlan, WritesZeroFirstWhenTheCountChanges) {
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 4}, facts(2)),
              ElementsAre("remove the VFs of ens1f0", "create 4 VFs on ens1f0", "wait for 4 VFs and their netdevs"));
}

TEST(ProvisionPlan, WaitsForTheCarrierThatItTakesFromThePf) {
  PfFacts connected = facts(2);
  connected.pf.link->carrier = true;
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 0}, connected),
              ElementsAre("remove the VFs of ens1f0", "wait for the carrier of ens1f0"));
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 2, .mtu = 9000}, connected),
              ElementsAre("set MTU 9000 on ens1f0", "set MTU 9000 on VF 0", "set MTU 9000 on VF 1",
                          "wait for the carrier of ens1f0"));
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 2, .mtu = 1400}, connected),
              ElementsAre("set MTU 1400 on VF 0", "set MTU 1400 on VF 1"));
}

TEST(ProvisionPlan, RemovesThemAll) {
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 0}, facts(2)), ElementsAre("remove the VFs of ens1f0"));
}

TEST(ProvisionPlan, HasNothingToDoWhenAllIsAsAsked) {
  PfFacts busy = facts(7);
  busy.in_use[3] = "attachment holds it";
  busy.default_route = "the default route leaves by ens1f0";
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 7}, busy), IsEmpty());
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 7, .mtu = 1500, .driver = "igbvf"}, busy), IsEmpty());
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 0}, facts(0)), IsEmpty());
}

TEST(ProvisionPlan, MoreThanTheCardCanHaveIsRefused) {
  EXPECT_THAT(refusal({.pf = "ens1f0", .vfs = 8}, facts(0), Error::Code::config),
              HasSubstr("creating 8 VFs on ens1f0 is impossible: it can have at most 7"));
}

TEST(ProvisionPlan, ADriverTheKernelDoesNotHaveIsRefused) {
  EXPECT_THAT(refusal({.pf = "ens1f0", .vfs = 2, .driver = "igb_uio"}, facts(0), Error::Code::config),
              HasSubstr("no PCI driver igb_uio"));
}

TEST(ProvisionPlan, EveryVfInUseIsNamedInTheRefusal) {
  PfFacts busy = facts(3);
  busy.in_use[0] = "attachment blue/a/net1 holds it";
  busy.in_use[2] = "v2 is enslaved to br0";
  EXPECT_THAT(refusal({.pf = "ens1f0", .vfs = 4}, busy, Error::Code::held),
              HasSubstr("VF 0: attachment blue/a/net1 holds it; VF 2: v2 is enslaved to br0"));
}

TEST(ProvisionPlan, APfThatCarriesTheDefaultRouteIsRefused) {
  PfFacts carrying = facts(0);
  carrying.default_route = "the default route leaves by bond0";
  EXPECT_THAT(refusal({.pf = "ens1f0", .vfs = 4}, carrying, Error::Code::held), HasSubstr("leaves by bond0"));
  EXPECT_THAT(refusal({.pf = "ens1f0", .vfs = 0, .mtu = 9000}, carrying, Error::Code::held), HasSubstr("MTU"));
}

TEST(ProvisionPlan, RaisesThePfsMtuBeforeThoseOfItsVfs) {
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 2, .mtu = 9000}, facts(0)),
              ElementsAre("create 2 VFs on ens1f0", "wait for 2 VFs and their netdevs", "set MTU 9000 on ens1f0",
                          "set MTU 9000 on VF 0", "set MTU 9000 on VF 1"));
}

TEST(ProvisionPlan, NeverLowersThePfsMtu) {
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 1, .mtu = 1400}, facts(1)), ElementsAre("set MTU 1400 on VF 0"));
}

TEST(ProvisionPlan, UserSpaceDriversNeedNoNetdevAndNoMtu) {
  EXPECT_THAT(
      plan({.pf = "ens1f0", .vfs = 2, .mtu = 1500, .driver = "vfio-pci"}, facts(0)),
      ElementsAre("create 2 VFs on ens1f0", "wait for 2 VFs", "bind VF 0 to vfio-pci", "bind VF 1 to vfio-pci"));
}

TEST(ProvisionPlan, RebindsOnlyVfsThatAreFree) {
  PfFacts mixed = facts(2);
  mixed.pf.vfs[1].pci.driver = "vfio-pci";
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 2, .driver = "vfio-pci"}, mixed), ElementsAre("bind VF 0 to vfio-pci"));
  mixed.in_use[0] = "attachment blue/a/net1 holds it";
  EXPECT_THAT(refusal({.pf = "ens1f0", .vfs = 2, .driver = "vfio-pci"}, mixed, Error::Code::held), HasSubstr("VF 0"));
}

TEST(ProvisionPlan, AVfInAPodKeepsItsMtu) {
  PfFacts in_pod = facts(2);
  in_pod.in_use[0] = "attachment blue/a/net1 holds it";
  in_pod.pf.vfs[0].link.reset();
  EXPECT_THAT(plan({.pf = "ens1f0", .vfs = 2, .mtu = 1400}, in_pod), ElementsAre("set MTU 1400 on VF 1"));
}

}  // namespace
}  // namespace barewire::manager
