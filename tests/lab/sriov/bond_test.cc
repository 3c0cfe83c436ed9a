// SPDX-License-Identifier: Apache-2.0
/// A bond of two VFs, which the kernel itself puts back on the node when the pod ends.
#include "tests/lab/sriov/sriov_lab.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

class BondOfVfs : public SriovLab {
 protected:
  /// Of VFs 0 and 1, in pod a.
  std::string bond() const {
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"mynet","type":"bond","mode":"active-backup","miimon":"100","failOverMac":1,"mtu":1400,"links":[{{"name":"{}"}},{{"name":"{}"}}],"ipam":{{"type":"static","addresses":[{{"address":"10.88.0.2/24"}}]}}}})",
        vf(0).netdev, vf(1).netdev);
  }
  void call(const std::string& verb, const CniCall& pod) const {
    Command command = runner_.command(verb, "bond", bond(), pod);
    command.timeout = std::chrono::minutes(2);  // the first loads the kernel's driver
    const PluginResult result = PluginRunner::result_of(run(command));
    EXPECT_TRUE(result.ok()) << verb << result;
  }
  void expect_both_at_home() const {
    for (const LabVf& one : {vf(0), vf(1)}) {
      EXPECT_EQ(one.mac, link_attribute("", one.netdev, "address")) << one.netdev;
      EXPECT_EQ("1500", link_attribute("", one.netdev, "mtu")) << one.netdev;
    }
  }
};

TEST_F(BondOfVfs, CarriesTrafficAndBothComeBackWithTheirNamesEvenWhereThePodEnds) {
  runner_.install("static", built_program("barewire-cni"));
  must_add(config(2), pod("b"));
  give_address("b", "net1", "10.88.0.1/24");
  call("ADD", pod("a"));
  EXPECT_TRUE(within(std::chrono::minutes(1), [] { return pings("a", "10.88.0.1"); }));
  EXPECT_EQ("1400", link_attribute("a", vf(1).netdev, "mtu"));
  call("DEL", pod("a"));
  expect_both_at_home();
  call("ADD", pod("a"));
  must_run_in(netns("a"), fmt::format("ip link set {0} down && ip link set {0} name mine", vf(1).netdev));
  delete_netns("a");
  CniCall gone = pod("a");
  gone.netns.clear();
  call("DEL", gone);  // though both come home some time after the netns ended
  expect_both_at_home();
}

TEST_F(BondOfVfs, BothComeBackFromAPodThatOnlyAProcessKeeps) {
  runner_.install("static", built_program("barewire-cni"));
  const NetnsHolder holder(netns("a"));
  call("ADD", pod("a"));
  delete_netns("a");
  call("DEL", pod("a"));
  expect_both_at_home();
}

}  // namespace
}  // namespace barewire::test
