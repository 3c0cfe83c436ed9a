// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/monitor.h"

#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovsdb::Connection;
using ovsdb::Monitor;
using ovsdb::Uuid;
using ::testing::HasSubstr;

class MonitorTest : public OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    ovs->add_bridge("br0");
    ovs->add_bridge("br1");
    connection = std::make_unique<Connection>(connect(ovs->socket()));
  }
  Uuid bridge(const std::string& name) {
    std::string uuid = ovs->vsctl("get bridge " + name + " _uuid");
    uuid.pop_back();
    return {uuid};
  }
  std::vector<Monitor::Watch> watch(const Uuid& uuid) {
    return {{"Bridge", ovsdb::row_is(uuid), {"datapath_type", "fail_mode"}}};
  }
  std::unique_ptr<Connection> connection;
};

TEST_F(MonitorTest, BeginsWithTheRowAsItIsAndFollowsItsChanges) {
  const Uuid uuid = bridge("br0");
  auto monitor = Monitor::start(*connection, watch(uuid), within(10s));
  ASSERT_TRUE(monitor);
  ASSERT_NE(monitor->row(uuid), nullptr);
  EXPECT_EQ(monitor->row(uuid)->get<std::string>("datapath_type"), "netdev");
  ovs->vsctl("set bridge br0 fail_mode=secure");
  EXPECT_EQ(monitor->wait(within(10s)), Monitor::Event::changed);
  EXPECT_EQ(monitor->row(uuid)->get<std::string>("fail_mode"), "secure");
  ovs->vsctl("clear bridge br0 fail_mode");
  EXPECT_EQ(monitor->wait(within(10s)), Monitor::Event::changed);
  EXPECT_EQ(monitor->row(uuid)->find<std::string>("fail_mode"), std::nullopt);
}

TEST_F(MonitorTest, ForgetsARowThatIsDeleted) {
  const Uuid uuid = bridge("br0");
  auto monitor = Monitor::start(*connection, watch(uuid), within(10s));
  ovs->vsctl("del-br br0");
  EXPECT_EQ(monitor->wait(within(10s)), Monitor::Event::changed);
  EXPECT_EQ(monitor->row(uuid), nullptr);
}

TEST_F(MonitorTest, IsNotWokenByOtherRows) {
  auto monitor = Monitor::start(*connection, watch(bridge("br0")), within(10s));
  ovs->vsctl("set bridge br1 fail_mode=secure");
  EXPECT_EQ(monitor->wait(within(200ms)), Monitor::Event::timed_out);
}

TEST_F(MonitorTest, ChangesThatArriveWhileOtherRequestsRunAreKept) {
  const Uuid uuid = bridge("br0");
  auto monitor = Monitor::start(*connection, watch(uuid), within(10s));
  ovs->vsctl("set bridge br0 fail_mode=secure");
  EXPECT_EQ(bridges(*connection, within(10s)).size(), 2U);
  EXPECT_EQ(monitor->wait(within(10s)), Monitor::Event::changed);
  EXPECT_EQ(monitor->row(uuid)->get<std::string>("fail_mode"), "secure");
}

TEST_F(MonitorTest, TwoOnOneConnectionGetEachTheirOwn) {
  const Uuid first = bridge("br0");
  const Uuid second = bridge("br1");
  auto one = Monitor::start(*connection, watch(first), within(10s));
  auto other = Monitor::start(*connection, watch(second), within(10s));
  ovs->vsctl("set bridge br1 fail_mode=secure");
  EXPECT_EQ(one->wait(within(200ms)), Monitor::Event::timed_out);
  EXPECT_EQ(other->wait(within(10s)), Monitor::Event::changed);
  EXPECT_EQ(one->row(second), nullptr);
}

TEST_F(MonitorTest, SaysWhenTheConnectionIsLost) {
  auto monitor = Monitor::start(*connection, watch(bridge("br0")), within(10s));
  ovs->kill_ovsdb();
  EXPECT_EQ(monitor->wait(within(10s)), Monitor::Event::lost);
}

TEST_F(MonitorTest, EndsOnTheServerWithTheObject) {
  const Uuid uuid = bridge("br0");
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [](const auto&) { return Treatment{}; });
  Connection counted = connect(ovs->file("relay.sock"));
  Monitor::start(counted, watch(uuid), within(10s)).reset();
  bridges(counted, within(10s));
  const std::size_t before = relay.bytes_to_client();
  ovs->vsctl("set bridge br0 fail_mode=secure");
  bridges(counted, within(10s));
  bridges(counted, within(10s));
  EXPECT_LT(relay.bytes_to_client() - before, 500U);
  EXPECT_THAT(relay.methods(), ::testing::Contains("monitor_cancel"));
}

TEST_F(MonitorTest, AServerWithoutConditionalMonitorsIsToldApart) {
  const OvsdbRelay old(ovs->file("old.sock"), ovs->socket(), [](const auto& request) {
    if (request.at("method") != "monitor_cond") return Treatment{};
    return Treatment::say(
        fmt::format(R"({{"id":{},"result":null,"error":"unknown method"}})", boost::json::serialize(request.at("id"))));
  });
  Connection talker = connect(ovs->file("old.sock"));
  EXPECT_FALSE(Monitor::start(talker, watch(bridge("br0")), within(10s)));
}

TEST_F(MonitorTest, AnUnknownColumnIsAnError) {
  const std::vector<Monitor::Watch> wrong{{"Bridge", ovsdb::row_is(bridge("br0")), {"color"}}};
  const Error error = error_of([&] { Monitor::start(*connection, wrong, within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("watching rows of the Open vSwitch database"));
}

TEST_F(MonitorTest, AWholeTableIsNotWatched) {
  EXPECT_THAT(error_of([&] {
                Monitor::start(*connection, {{"Port", {}, {"name"}}}, within(10s));
              }),
              HasCode(Error::Code::internal));
}

class MalformedUpdate : public ::testing::TestWithParam<const char*> {};

TEST_P(MalformedUpdate, IsAnError) {
  const TempDir directory;
  const OvsdbRelay fake(directory / "db.sock", "",
                        [](const auto& request) { return Treatment::answer(request, GetParam()); });
  Connection connection = connect(directory / "db.sock");
  const std::vector<Monitor::Watch> watch{{"Bridge", ovsdb::row_is({"u"}), {"name"}}};
  EXPECT_THAT(error_of([&] { Monitor::start(connection, watch, within(10s)); }), HasCode(Error::Code::ovsdb));
}

INSTANTIATE_TEST_SUITE_P(Forms, MalformedUpdate,
                         ::testing::Values("[]", R"({"Bridge":[]})", R"({"Bridge":{"u":5}})", R"({"Bridge":{"u":{}}})",
                                           R"({"Bridge":{"u":{"initial":5}}})",
                                           R"({"Bridge":{"u":{"initial":{"a":[]}}}})"));

}  // namespace
}  // namespace barewire::test
