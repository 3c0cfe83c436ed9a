// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/port.h"

#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovs::AddedPort;
using ovs::PortRequest;
using ovsdb::Connection;
using ovsdb::Row;
using ovsdb::Set;
using ovsdb::StringMap;
using ovsdb::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const StringMap kOwner{{"owner", "barewire"}, {"container", "c1"}, {"interface", "net1"}};

class PortTest : public OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    ovs->add_bridge("br0");
    connection = std::make_unique<Connection>(connect(ovs->socket()));
    bridge = *ovs::find_bridge(*connection, "br0", within(10s));
    must_run("ip link add p1 type veth peer name p1peer");
  }
  PortRequest request(const std::string& name = "p1") {
    return {bridge, name, Row{{"external_ids", Value(kOwner)}}, Row{}, {}, {}};
  }
  std::int64_t add(const PortRequest& wanted) {
    return ovs::wait_for_port(*connection, ovs::add_port(*connection, wanted, within(10s)), within(10s));
  }
  ovs::Port only_port_of(const StringMap& owner) {
    const auto ports = ovs::find_ports(*connection, owner, within(10s));
    EXPECT_THAT(ports, SizeIs(1));
    return ports.at(0);
  }
  std::unique_ptr<Connection> connection;
  ovs::Bridge bridge;
};

TEST_F(PortTest, IsAddedTakenByVswitchdFoundAndDeletedLeavingNothing) {
  const std::string before = ovs->configuration();
  PortRequest wanted = request();
  wanted.port.set("tag", 100);
  wanted.port.set("vlan_mode", "access");
  const std::int64_t ofport = add(wanted);
  EXPECT_EQ(fmt::format("{}\n", ofport), ovs->vsctl("get interface p1 ofport"));
  const ovs::Port port = only_port_of(kOwner);
  EXPECT_EQ(port.name, "p1");
  EXPECT_EQ(port.tag, 100);
  EXPECT_EQ(port.vlan_mode, "access");
  EXPECT_EQ(ovs->vsctl("port-to-br p1"), "br0\n");
  const auto change = ovs::delete_port(*connection, port, within(10s));
  ASSERT_TRUE(change);
  ovs::wait_until_carried_out(*connection, *change, within(10s));
  EXPECT_EQ(ovs->configuration(), before);
  EXPECT_THAT(ovs->appctl("dpif/show"), Not(HasSubstr("p1")));
}

TEST_F(PortTest, EveryVlanModeAndColumnReadsBack) {
  PortRequest wanted = request();
  wanted.port.set("tag", 5);
  wanted.port.set("trunks", Value(Set{10, 20, 4095}));
  wanted.port.set("vlan_mode", "native-untagged");
  wanted.port.set("protected", true);
  wanted.interface.set("ofport_request", 42);
  wanted.interface.set("external_ids", Value(StringMap{{"iface-id", "ovn-1"}}));
  EXPECT_EQ(add(wanted), 42);
  const auto port = ovs::find_port(*connection, "p1", within(10s));
  ASSERT_TRUE(port);
  EXPECT_THAT(port->trunks, ElementsAre(10, 20, 4095));
  EXPECT_EQ(port->vlan_mode, "native-untagged");
  EXPECT_TRUE(port->protected_port);
  const auto interface = ovs::find_interface(*connection, port->interfaces.at(0), within(10s));
  ASSERT_TRUE(interface);
  EXPECT_EQ(interface->ofport, 42);
  EXPECT_EQ(interface->error, "");
  EXPECT_THAT(interface->external_ids, ElementsAre(std::pair("iface-id", "ovn-1")));
}

TEST_F(PortTest, AnInterfaceVswitchdCannotOpenIsRejectedWithItsReason) {
  const Error error = error_of([&] { add(request("nothing")); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(),
              HasSubstr("adding port nothing to its bridge failed: ovs-vswitchd rejected it: could not open "
                        "network device nothing"));
}

TEST_F(PortTest, AnUnknownInterfaceTypeIsRejectedWithItsReason) {
  PortRequest wanted = request();
  wanted.interface.set("type", "colour");
  const Error error = error_of([&] { add(wanted); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("ovs-vswitchd rejected it: "));
}

TEST_F(PortTest, OnABridgeWhoseDatapathIsMissingItIsNotTaken) {
  if (run_shell("modinfo openvswitch || grep -q ^openvswitch /proc/modules").ok()) {
    GTEST_SKIP() << "the kernel here has the datapath this test wants missing";
  }
  ovs->vsctl("--no-wait add-br brk");
  PortRequest wanted = request();
  wanted.bridge = *ovs::find_bridge(*connection, "brk", within(10s));
  const Error error = error_of([&] { add(wanted); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("adding port p1 to its bridge failed: ovs-vswitchd"));
}

TEST_F(PortTest, WithoutVswitchdItIsTryAgainAndSaysWhoIsDown) {
  ovs->kill_vswitchd();
  const AddedPort added = ovs::add_port(*connection, request(), within(10s));
  const Error error = error_of([&] { ovs::wait_for_port(*connection, added, within(200ms)); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("adding port p1 failed: ovs-vswitchd did not carry it out in time"));
  EXPECT_THAT(error.hint(), HasSubstr("ovs-vswitchd is down"));
}

TEST_F(PortTest, DeletedWhileItIsWaitedForIsAnError) {
  ovs->kill_vswitchd();
  const AddedPort added = ovs::add_port(*connection, request(), within(10s));
  ovs::delete_port(*connection, only_port_of(kOwner), within(10s));
  ovs->start_vswitchd();
  const Error error = error_of([&] { ovs::wait_for_port(*connection, added, within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("deleted meanwhile"));
}

TEST_F(PortTest, ANameTakenByAnotherPortIsHeldAndNothingChanges) {
  ovs->vsctl("add-port br0 p1");
  const std::string before = ovs->configuration();
  const Error error = error_of([&] { add(request()); });
  EXPECT_THAT(error, HasCode(Error::Code::held));
  EXPECT_THAT(error.what(), HasSubstr("adding port p1 to bridge br0 failed: the name is taken"));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(PortTest, TheBridgesOwnNameIsHeld) {
  EXPECT_THAT(error_of([&] { add(request("br0")); }), HasCode(Error::Code::held));
}

TEST_F(PortTest, ABridgeDeletedMeanwhileIsAnErrorAndNothingChanges) {
  ovs->vsctl("del-br br0");
  const std::string before = ovs->configuration();
  const Error error = error_of([&] { add(request()); });
  EXPECT_THAT(error, HasCode(Error::Code::device));
  EXPECT_THAT(error.what(), HasSubstr("the bridge is gone"));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(PortTest, AValueTheDatabaseRefusesChangesNothing) {
  const std::string before = ovs->configuration();
  PortRequest wanted = request();
  wanted.port.set("tag", 5000);
  const Error error = error_of([&] { add(wanted); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("refused insert in table Port: constraint violation"));
  EXPECT_THAT(error.hint(), HasSubstr("5000"));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(PortTest, ReplacesADeadOneOfTheSameNameInOneStep) {
  add(request());
  const ovs::Port stale = only_port_of(kOwner);
  PortRequest wanted = request();
  const StringMap next_owner{{"owner", "barewire"}, {"container", "c2"}};
  wanted.port.set("external_ids", Value(next_owner));
  wanted.port.set("tag", 7);
  wanted.replaces = stale;
  EXPECT_GT(add(wanted), 0);
  EXPECT_THAT(ovs::find_ports(*connection, kOwner, within(10s)), IsEmpty());
  EXPECT_EQ(only_port_of(next_owner).tag, 7);
}

TEST_F(PortTest, DoesNotReplaceOneThatChangedHandsMeanwhile) {
  add(request());
  PortRequest wanted = request();
  wanted.replaces = only_port_of(kOwner);
  ovs->vsctl("set port p1 external_ids:container=c9");
  const std::string before = ovs->configuration();
  EXPECT_THAT(error_of([&] { add(wanted); }), HasCode(Error::Code::held));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(PortTest, DeletingTwiceIsNoError) {
  add(request());
  const ovs::Port port = only_port_of(kOwner);
  EXPECT_TRUE(ovs::delete_port(*connection, port, within(10s)));
  EXPECT_FALSE(ovs::delete_port(*connection, port, within(10s)));
}

TEST_F(PortTest, OneThatChangedHandsIsNotDeleted) {
  add(request());
  const ovs::Port port = only_port_of(kOwner);
  ovs->vsctl("set port p1 external_ids:container=c9");
  EXPECT_THAT(error_of([&] { ovs::delete_port(*connection, port, within(10s)); }), HasCode(Error::Code::held));
  EXPECT_EQ(ovs->vsctl("port-to-br p1"), "br0\n");
}

TEST_F(PortTest, IsDeletedThoughItsInterfaceIsGone) {
  add(request());
  must_run("ip link del p1");
  EXPECT_TRUE(ovs::delete_port(*connection, only_port_of(kOwner), within(10s)));
  EXPECT_EQ(ovs->vsctl("list-ports br0"), "");
}

TEST_F(PortTest, AnOwnerIsFoundByAllItsIdsOnly) {
  add(request());
  EXPECT_THAT(ovs::find_ports(*connection, {{"owner", "barewire"}}, within(10s)), SizeIs(1));
  EXPECT_THAT(ovs::find_ports(*connection, {{"owner", "barewire"}, {"container", "c2"}}, within(10s)), IsEmpty());
  EXPECT_THAT(error_of([&] { ovs::find_ports(*connection, {}, within(10s)); }), HasCode(Error::Code::internal));
}

TEST_F(PortTest, QosRowsComeAndGoWithItAndOthersStay) {
  ovs->vsctl("--no-wait -- --id=@q create queue other_config:max-rate=5 -- create qos type=linux-htb queues:0=@q");
  const std::string before = ovs->configuration();
  PortRequest wanted = request();
  wanted.qos = ovs::QosRequest{Row{{"type", "linux-htb"}, {"other_config", Value(StringMap{{"max-rate", "1000000"}})}},
                               {{0, Row{{"other_config", Value(StringMap{{"max-rate", "500000"}})}}},
                                {1, Row{{"other_config", Value(StringMap{{"min-rate", "100000"}})}}}}};
  add(wanted);
  const ovs::Port port = only_port_of(kOwner);
  ASSERT_TRUE(port.qos);
  EXPECT_THAT(ovs->vsctl("get qos " + port.qos->text + " queues"), AllOf(HasSubstr("0="), HasSubstr("1=")));
  ovs::delete_port(*connection, port, within(10s));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(PortTest, AQosRowOfSomeoneElseSurvivesIt) {
  add(request());
  ovs->vsctl("set port p1 qos=@q -- --id=@q create qos type=linux-htb");
  ovs::delete_port(*connection, only_port_of(kOwner), within(10s));
  EXPECT_NE(ovs->vsctl("list qos"), "");
}

TEST_F(PortTest, AddedThroughAServerWithoutConditionalMonitorsIsTakenToo) {
  const OvsdbRelay old(ovs->file("old.sock"), ovs->socket(), [](const auto& request) {
    if (request.at("method") != "monitor_cond") return Treatment{};
    return Treatment::say(
        fmt::format(R"({{"id":{},"result":null,"error":"unknown method"}})", boost::json::serialize(request.at("id"))));
  });
  *connection = connect(ovs->file("old.sock"));
  EXPECT_GT(add(request()), 0);
  EXPECT_THAT(error_of([&] { add(request("nothing")); }), HasCode(Error::Code::ovsdb));
}

TEST_F(PortTest, AReplyLostAfterTheTransactionLeavesAPortItsOwnerCanFind) {
  // The server carries the transaction out, and its answer never arrives.
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [&](const auto& request) {
    const Fd direct;
    Connection real = connect(ovs->socket());
    if (request.at("method") != "transact") return Treatment{};
    ovs::add_port(real, this->request(), within(10s));
    return Treatment{Treatment::Kind::close, {}};
  });
  Connection unlucky = connect(ovs->file("relay.sock"));
  EXPECT_THAT(error_of([&] { ovs::add_port(unlucky, request(), within(10s)); }), HasCode(Error::Code::try_again));
  EXPECT_TRUE(ovs::delete_port(*connection, only_port_of(kOwner), within(10s)));
  EXPECT_THAT(ovs::find_ports(*connection, kOwner, within(10s)), IsEmpty());
}

/// Bytes over the wire, both ways, to find a bridge, add a port, wait for it, find and delete it.
std::pair<std::size_t, std::size_t> bytes_of_one_life(const OvsSandbox& ovs, const std::string& name) {
  const OvsdbRelay relay(ovs.file("count.sock"), ovs.socket(), [](const auto&) { return Treatment{}; });
  {
    Connection connection = connect(ovs.file("count.sock"));
    const auto bridge = ovs::find_bridge(connection, "br0", within(10s));
    const StringMap owner{{"owner", "barewire"}, {"container", "counted"}};
    const PortRequest request{*bridge, name, Row{{"external_ids", Value(owner)}}, Row{{"type", "internal"}}, {}, {}};
    ovs::wait_for_port(connection, ovs::add_port(connection, request, within(30s)), within(30s));
    for (const auto& port : ovs::find_ports(connection, owner, within(10s)))
      ovs::delete_port(connection, port, within(10s));
  }
  return {relay.bytes_to_server(), relay.bytes_to_client()};
}

TEST_F(PortTest, CostsTheSameBytesWithAThousandPortsOnTheBridge) {
  const auto empty = bytes_of_one_life(*ovs, "counted0");
  // Without ovs-vswitchd looking on, or making them would take it minutes; they need not exist to weigh on the
  // database.
  ovs->kill_vswitchd();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += fmt::format(" -- add-port br0 many{}", i);
  ovs->vsctl("--no-wait" + all);
  ovs->start_vswitchd();
  const auto full = bytes_of_one_life(*ovs, "counted1");
  EXPECT_GT(empty.first, 500U);
  // next_cfg and the numbers of requests may have more digits, and ovs-vswitchd may report in one step or in several,
  // by about 300 bytes each. The ports alone, once read, would be 36 bytes each.
  EXPECT_NEAR(static_cast<double>(full.first), static_cast<double>(empty.first), 20);
  EXPECT_LT(full.second, empty.second + 3000);
  RecordProperty("bytes_to_server", static_cast<int>(full.first));
  RecordProperty("bytes_to_client", static_cast<int>(full.second));
}

}  // namespace
}  // namespace barewire::test
