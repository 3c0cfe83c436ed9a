// SPDX-License-Identifier: Apache-2.0
/// Ports of a bridge by resource claims, with a real switch: offered while it is there, prepared, taken back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fd.h"
#include "core/state/store.h"
#include "device-manager/dra/driver.h"
#include "device-manager/dra/scan.h"
#include "device-manager/dra/slices.h"
#include "tests/support/claim_json.h"
#include "tests/support/ovs_sandbox.h"
#include "tests/unit/device-manager/cluster/fake_api.h"

namespace barewire::dra {
namespace {

using test::TestClaim;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ClaimedPort : public test::OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    test::make_private_directory("/var/run/cdi");
    pools_ =
        inventory::parse_pools(
            R"({"prefix":"example.com","pools":{"lan-a":{"bridge":"br0","ports":2,"offer":"claims"}}})", "pools", "")
            .pools;
  }
  Driver driver() {
    return {node_, api_, {.node = "n1", .switch_socket = ovs->socket()}, [](const std::string&) {}};
  }
  std::vector<Offer> look(Driver& driver) {
    auto found = scan(node_, pools_, driver.records(), watches_, std::chrono::steady_clock::now(), ovs->socket());
    driver.know(found.offers, pools_);
    return found.offers;
  }
  Prepared prepare(Driver& driver, const TestClaim& claim) {
    api_.objects[claim.path()] = boost::json::parse(claim.json()).as_object();
    driver.set_api_version("v1");
    return driver.prepare({"default", claim.uid, claim.name});
  }
  static std::string cdi_path(const TestClaim& claim) {
    return "/var/run/cdi/barewire.io-claim_" + claim.uid + ".json";
  }

  Node node_;
  test::FakeApi api_;
  inventory::Watches watches_;
  std::vector<inventory::Pool> pools_;
};

TEST_F(ClaimedPort, IsOfferedWhileBridgeAndSwitchAreThere) {
  Driver agent = driver();
  const auto laid_out = [&] {
    return lay_out(look(agent), {}, {.driver = "barewire.io", .node = "n1", .api_version = "v1"}, {});
  };
  EXPECT_THAT(laid_out(), IsEmpty());
  ovs->add_bridge("br0");
  const auto pools = laid_out();
  ASSERT_THAT(pools, SizeIs(1));
  EXPECT_EQ(pools[0].name, "n1/ovs-lan-a");
  EXPECT_EQ(pools[0].slices.at(0).at(0).at("attributes").at("bridge").at("string"), "br0");
  ovs->kill_vswitchd();
  EXPECT_THAT(laid_out(), IsEmpty());
  EXPECT_THAT(look(agent).at(0).trouble.value().why, HasSubstr("no ovs-vswitchd")) << "who has a port is told";
  ovs->start_vswitchd();
  EXPECT_THAT(laid_out(), SizeIs(1));
}

TEST_F(ClaimedPort, GivesTheBridgesNameToEachClaimAndIsTakenBack) {
  ovs->add_bridge("br0");
  Driver agent = driver();
  look(agent);
  const TestClaim one{.name = "one",
                      .uid = "1",
                      .devices = {{"main", "lan-a"}, {"main", "lan-a"}},
                      .pool = "n1/ovs-lan-a",
                      .result_extra = R"(,"shareID":"s","consumedCapacity":{"ports":"1"})"};
  const TestClaim two{.name = "two", .uid = "2", .devices = {{"up", "lan-a-1"}}, .pool = "n1/ovs-lan-a"};
  const Prepared first = prepare(agent, one);
  ASSERT_EQ(first.error, "");
  ASSERT_THAT(first.devices, SizeIs(2));
  EXPECT_EQ(first.devices[0].share_id, "s");
  EXPECT_THAT(first.devices[1].cdi_ids, ElementsAre("barewire.io/claim-1=port-1"));
  EXPECT_EQ(prepare(agent, two).error, "") << "a port by itself, where the API knows no shared devices";
  EXPECT_EQ(read_file(cdi_path(two)),
            R"({"cdiVersion":"0.3.0","kind":"barewire.io/claim-2","devices":[{"name":"port-0",)"
            R"("containerEdits":{"env":["BAREWIRE_DEVICE_UP=br0","BAREWIRE_BRIDGE_LAN_A=br0"]}}]})");

  remove_file(cdi_path(one));  // as a reboot does; the switch comes later than the daemon
  ovs->kill_vswitchd();
  Driver next = driver();
  next.rebuild();
  EXPECT_TRUE(read_file(cdi_path(one)));
  EXPECT_EQ(prepare(next, one).error, "") << "kubelet asks again for what it has";
  EXPECT_EQ(next.unprepare({"default", "1", "one"}), "");
  EXPECT_EQ(next.unprepare({"default", "2", "two"}), "");
  EXPECT_FALSE(read_file(cdi_path(one)) || read_file(cdi_path(two)));
  EXPECT_THAT(next.records(), IsEmpty());
}

TEST_F(ClaimedPort, IsAttachedWhereANetworkOfThePodMadeAPortInThatBridge) {
  ovs->add_bridge("br0");
  Driver agent = driver();
  look(agent);
  const TestClaim claim{.devices = {{"main", "lan-a"}, {"up", "lan-a"}}, .pool = "n1/ovs-lan-a"};
  ASSERT_EQ(prepare(agent, claim).error, "");
  state::Store store(node_.run_dir);
  for (const auto& [ifname, bridge, pod] :
       {std::tuple("net1", "br1", "web-0"), {"net2", "br0", "web-1"}, {"net3", "br0", "web-0"}}) {
    state::Attachment attachment;
    attachment.id = {"lan", "container", ifname, "ovs"};
    attachment.pod = {"default", pod, fmt::format("uid-{}", pod)};
    attachment.config = fmt::format(R"({{"type":"ovs","bridge":"{}"}})", bridge);
    store.save(attachment);
  }
  const auto records = agent.records();
  const auto status = status_of(records.at(0), attachments_of(node_, records), "barewire.io", {});
  EXPECT_EQ(status.devices.at(0).at("networkData").at("interfaceName"), "net3");
  EXPECT_EQ(status.devices.at(0).at("conditions").at(0).at("status"), "True");
  EXPECT_EQ(status.devices.at(1).at("conditions").at(0).at("status"), "False") << "one port is for one request";
}

TEST_F(ClaimedPort, IsRefusedInWordsWhereItCannotBe) {
  ovs->add_bridge("br0");
  Driver agent = driver();
  look(agent);
  TestClaim claim{.devices = {{"main", "lan-a"}}, .pool = "n1/ovs-lan-a"};
  claim.configs = TestClaim::config("FromClaim", "", R"("vlan":100)");
  EXPECT_THAT(prepare(agent, claim).error, HasSubstr("key \"vlan\" is for VFs, and \"main\" is a port of bridge br0"));
  claim.configs.clear();
  claim.devices = {{"main", "lan-a-2"}};
  EXPECT_THAT(prepare(agent, claim).error, HasSubstr("there is no device lan-a-2"));
  claim.devices = {{"main", "lan-a"}};
  claim.pods = {"web-0", "web-1"};
  EXPECT_THAT(prepare(agent, claim).error, HasSubstr("is shared by 2 pods"));
  claim.pods = {"web-0"};
  ovs->vsctl("del-br br0");
  EXPECT_THAT(prepare(agent, claim).error, HasSubstr("example.com/lan-a has no ports to give"));
  EXPECT_THAT(agent.records(), IsEmpty());
  EXPECT_FALSE(read_file(cdi_path(claim)));
}

}  // namespace
}  // namespace barewire::dra
