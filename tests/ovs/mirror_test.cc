// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/mirror.h"

#include "ovs-plugin/port.h"
#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovs::MirrorRequest;
using ovs::MirrorRole;
using ovsdb::Connection;
using ovsdb::Row;
using ovsdb::StringMap;
using ovsdb::Uuid;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const StringMap kOwner{{"owner", "barewire"}};

class MirrorTest : public OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    connection = std::make_unique<Connection>(connect(ovs->socket()));
    for (const char* name : {"br0", "br1"}) ovs->add_bridge(name);
    bridge = *ovs::find_bridge(*connection, "br0", within(10s));
    for (const char* name : {"p1", "p2", "p3"})
      ovs->vsctl(fmt::format("add-port br0 {0} -- set interface {0} type=internal", name));
  }
  Uuid port(const std::string& name) { return ovs::find_port(*connection, name, within(10s))->row; }
  MirrorRequest request(const std::string& port_name, MirrorRole role) {
    return {bridge, "m1", port(port_name), role, kOwner};
  }
  void join(const std::string& port_name, MirrorRole role) {
    const auto change = ovs::join_mirror(*connection, request(port_name, role), within(10s));
    ovs::wait_until_carried_out(*connection, change, within(10s));
  }
  std::string port_2;
  bool leave(const std::string& port_name) {
    return ovs::leave_mirror(*connection, request(port_name, {}), within(10s)).has_value();
  }
  std::optional<ovs::Mirror> mirror() { return ovs::find_mirror(*connection, bridge, "m1", within(10s)); }
  std::unique_ptr<Connection> connection;
  ovs::Bridge bridge;
};

constexpr MirrorRole kSource{true, false, false};
constexpr MirrorRole kBoth{true, true, false};
constexpr MirrorRole kOutput{false, false, true};

TEST_F(MirrorTest, IsMadeByTheFirstPortAndGoesWithTheLast) {
  const std::string before = ovs->configuration();
  join("p1", kBoth);
  join("p2", kSource);
  join("p3", kOutput);
  ASSERT_TRUE(mirror());
  EXPECT_EQ(mirror()->select_src_port.size(), 2U);
  EXPECT_THAT(mirror()->select_dst_port, ElementsAre(port("p1")));
  EXPECT_EQ(mirror()->output_port, port("p3"));
  EXPECT_TRUE(leave("p3"));
  EXPECT_TRUE(leave("p1"));
  EXPECT_THAT(mirror()->select_src_port, ElementsAre(port("p2")));
  EXPECT_THAT(mirror()->select_dst_port, IsEmpty());
  EXPECT_TRUE(leave("p2"));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(MirrorTest, JoiningTwiceIsOnceAndLeavingTwiceIsNoError) {
  join("p1", kBoth);
  join("p1", kBoth);
  EXPECT_THAT(mirror()->select_src_port, ElementsAre(port("p1")));
  EXPECT_TRUE(leave("p1"));
  EXPECT_FALSE(leave("p1"));
}

TEST_F(MirrorTest, CopiesThatGoElsewhereAreNotRedirected) {
  join("p3", kOutput);
  const Error error = error_of([&] { join("p2", kOutput); });
  EXPECT_THAT(error, HasCode(Error::Code::held));
  EXPECT_EQ(mirror()->output_port, port("p3"));
}

TEST_F(MirrorTest, AnAdministratorsMirrorIsJoinedAndNeverDeleted) {
  ovs->vsctl("-- --id=@m create mirror name=m1 -- add bridge br0 mirrors @m");
  join("p1", kSource);
  EXPECT_TRUE(leave("p1"));
  ASSERT_TRUE(mirror());
  EXPECT_THAT(mirror()->select_src_port, IsEmpty());
}

TEST_F(MirrorTest, OneOfTheSameNameOnAnotherBridgeIsLeftAlone) {
  ovs->vsctl("-- --id=@m create mirror name=m1 external_ids:owner=barewire -- add bridge br1 mirrors @m");
  const std::string before = ovs->configuration();
  EXPECT_FALSE(mirror());
  join("p1", kSource);
  EXPECT_TRUE(leave("p1"));
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(MirrorTest, LosesAPortThatIsDeleted) {
  join("p1", kSource);
  join("p3", kOutput);
  ovs::delete_port(*connection, *ovs::find_port(*connection, "p1", within(10s)), within(10s));
  EXPECT_THAT(mirror()->select_src_port, IsEmpty());
  EXPECT_TRUE(leave("p3"));
  EXPECT_FALSE(mirror());
}

TEST_F(MirrorTest, ChangedByOthersBetweenReadingAndWritingItIsReadAgain) {
  join("p1", kSource);
  std::atomic<int> writes = 0;
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [&](const auto& message) {
    const bool write = boost::json::serialize(message).find("\"mutate\"") != std::string::npos;
    if (write && ++writes == 1)
      run_shell(fmt::format("ovs-vsctl --db=unix:{} add mirror m1 select_dst_port {}", ovs->socket(), port_2));
    return Treatment{};
  });
  port_2 = port("p2").text;
  Connection raced = connect(ovs->file("relay.sock"));
  ovs::join_mirror(raced, request("p2", kSource), within(10s));
  EXPECT_EQ(writes, 2);
  EXPECT_EQ(mirror()->select_src_port.size(), 2U);
  EXPECT_THAT(mirror()->select_dst_port, ElementsAre(port("p2")));
}

}  // namespace
}  // namespace barewire::test
