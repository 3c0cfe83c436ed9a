// SPDX-License-Identifier: Apache-2.0
/// Declared bridges on a real switch: made, left alone when they are as declared, and refused where a host or a pod
/// would lose something.
#include "device-manager/state/bridges.h"
#include "device-manager/state/reader.h"
#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DeclaredBridge : public OvsTest {
 protected:
  void declare(const std::string& rest) {
    declaration_ = {};
    declared::add_file(declaration_, "node.json", R"({"bridges":[{"name":"br-ex")" + rest + "}]}");
    declared::check_together(declaration_);
    ASSERT_THAT(declaration_.problems, IsEmpty());
  }
  declared::BridgePlan plan() const { return declared::plan_bridges(declaration_, endpoint_of(ovs->socket())).at(0); }
  bool apply() const { return declared::apply_bridge(declaration_.bridges.at(0), endpoint_of(ovs->socket())); }

  declared::Declaration declaration_;
};

TEST_F(DeclaredBridge, IsMadeWithUplinkAndOffloadAndThenLeftAlone) {
  must_run("ip link add uplink type veth peer name wire");
  declare(R"(,"datapath":"netdev","uplink":"uplink","hwOffload":true)");
  ASSERT_THAT(plan().changes, SizeIs(3));
  EXPECT_TRUE(apply());
  EXPECT_EQ(ovs->vsctl("get Bridge br-ex datapath_type"), "netdev\n");
  EXPECT_EQ(ovs->vsctl("list-ports br-ex"), "uplink\n");
  EXPECT_EQ(ovs->vsctl("get Interface uplink error"), "[]\n");
  EXPECT_EQ(ovs->vsctl("get Open_vSwitch . other_config:hw-offload"), "\"true\"\n");
  must_run("ip link show br-ex");  // ovs-vswitchd has it
  EXPECT_THAT(plan().changes, IsEmpty());
  EXPECT_FALSE(apply());
  declare(R"(,"hwOffload":false)");
  EXPECT_TRUE(apply());
  EXPECT_EQ(ovs->vsctl("get Open_vSwitch . other_config:hw-offload"), "\"false\"\n");
  EXPECT_EQ(ovs->vsctl("list-ports br-ex"), "uplink\n");  // not declared any more is not taken away
}

TEST_F(DeclaredBridge, AnUplinkThatTheHostUsesOrAnotherBridgeHasIsRefusedByName) {
  must_run("ip link add uplink type veth peer name wire && ip address add 192.0.2.1/24 dev uplink");
  declare(R"(,"datapath":"netdev","uplink":"uplink")");
  EXPECT_THAT(plan().refusals, ElementsAre(HasSubstr("uplink has address 192.0.2.1/24")));
  const Error refused = error_of([&] { apply(); });
  EXPECT_THAT(refused, HasCode(Error::Code::held));
  EXPECT_EQ(ovs->vsctl("list-br"), "");
  must_run("ip address flush dev uplink");
  ovs->add_bridge("br0");
  ovs->vsctl("add-port br0 uplink");
  EXPECT_THAT(plan().refusals, ElementsAre(HasSubstr("uplink is a port of bridge br0 already")));
  declare(R"(,"uplink":"nowhere")");
  EXPECT_THAT(plan().refusals, ElementsAre(HasSubstr("there is no netdev nowhere")));
}

TEST_F(DeclaredBridge, AnotherDatapathOfABridgeThatIsThereIsRefused) {
  ovs->add_bridge("br-ex");
  declare(R"(,"datapath":"system")");
  EXPECT_THAT(plan().refusals, ElementsAre(HasSubstr("is there with datapath netdev")));
  declare("");
  EXPECT_THAT(plan().changes, IsEmpty());
}

TEST_F(DeclaredBridge, ASwitchThatIsDownIsNotKnownRatherThanAbsent) {
  declare("");
  const std::string socket = ovs->socket();
  ovs->kill_ovsdb();
  const auto plans = declared::try_plan_bridges(declaration_, endpoint_of(socket));
  ASSERT_THAT(plans, SizeIs(1));
  EXPECT_EQ(plans[0].changes.at(0).now, "not known");
  EXPECT_THAT(plans[0].refusals, SizeIs(1));
}

}  // namespace
}  // namespace barewire::test
