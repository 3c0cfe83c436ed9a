// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/bridge.h"

#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovs::Change;
using ovsdb::Connection;
using ::testing::HasSubstr;

class BridgeTest : public OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    ovs->add_bridge("br0");
    ovs->add_bridge("br1");
    connection = std::make_unique<Connection>(connect(ovs->socket()));
  }
  Change count_one() {
    ovsdb::Transaction transaction;
    const auto counted = ovs::count_change(transaction);
    return ovs::change_of(transact(*connection, transaction, within(10s), "counting"), counted);
  }
  std::unique_ptr<Connection> connection;
};

TEST_F(BridgeTest, IsFoundByName) {
  const auto bridge = ovs::find_bridge(*connection, "br1", within(10s));
  ASSERT_TRUE(bridge);
  EXPECT_EQ(bridge->name, "br1");
  EXPECT_EQ(bridge->datapath_type, "netdev");
  EXPECT_EQ(bridge->row.text + "\n", ovs->vsctl("get bridge br1 _uuid"));
}

TEST_F(BridgeTest, ThatIsNotThereIsNotFound) {
  EXPECT_FALSE(ovs::find_bridge(*connection, "br7", within(10s)));
}

TEST_F(BridgeTest, IsFoundByAPortOnIt) {
  must_run("ip link add uplink type veth peer name wire");
  ovs->vsctl("add-port br1 uplink");
  EXPECT_EQ(ovs::find_bridge_of_port(*connection, "uplink", within(10s))->name, "br1");
  EXPECT_FALSE(ovs::find_bridge_of_port(*connection, "wire", within(10s)));
}

TEST_F(BridgeTest, AllAreListed) {
  EXPECT_EQ(ovs::list_bridges(*connection, within(10s)).size(), 2U);
}

TEST_F(BridgeTest, AChangeIsCarriedOutByARunningVswitchd) {
  ovs::wait_until_carried_out(*connection, count_one(), within(10s));
}

TEST_F(BridgeTest, AChangeNobodyCarriesOutIsTryAgainAndSaysWhoIsDown) {
  ovs->kill_vswitchd();
  const Error error = error_of([&] { ovs::wait_until_carried_out(*connection, count_one(), within(3s)); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("ovs-vswitchd did not carry it out in time"));
}

TEST_F(BridgeTest, AVswitchdStartedWhileWaitingIsGoodEnough) {
  ovs->kill_vswitchd();
  const Change change = count_one();
  ovs->start_vswitchd();
  ovs::wait_until_carried_out(*connection, change, within(10s));
}

TEST_F(BridgeTest, AServerThatRestartsWhileWaitingIsFollowed) {
  // The first session ends while the change is being waited for; nobody carries it out until there is a second.
  std::atomic<int> monitors = 0;
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [&](const auto& request) {
    const bool first_monitor = request.at("method") == "monitor_cond" && ++monitors == 1;
    return first_monitor ? Treatment{Treatment::Kind::close, {}} : Treatment{};
  });
  *connection = connect(ovs->file("relay.sock"));
  ovs::wait_until_carried_out(*connection, count_one(), within(10s));
  EXPECT_EQ(monitors, 2);
}

TEST_F(BridgeTest, AServerWithoutConditionalMonitorsServesAsWell) {
  const OvsdbRelay old(ovs->file("old.sock"), ovs->socket(), [](const auto& request) {
    if (request.at("method") != "monitor_cond") return Treatment{};
    return Treatment::say(
        fmt::format(R"({{"id":{},"result":null,"error":"unknown method"}})", boost::json::serialize(request.at("id"))));
  });
  *connection = connect(ovs->file("old.sock"));
  ovs::wait_until_carried_out(*connection, count_one(), within(10s));
  ovs->kill_vswitchd();
  EXPECT_THAT(error_of([&] { ovs::wait_until_carried_out(*connection, count_one(), within(200ms)); }),
              HasCode(Error::Code::try_again));
}

}  // namespace
}  // namespace barewire::test
