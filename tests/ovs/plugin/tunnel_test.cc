// SPDX-License-Identifier: Apache-2.0
/// A bridge that spans nodes: two nodes as namespaces, each with its own ovsdb-server and ovs-vswitchd, and an overlay
/// between their bridges that the plugin makes and takes away.
#include <boost/json/parse.hpp>

#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class OvsTunnelTest : public OvsPluginTest {
 protected:
  /// A node in a netns: its own switch, br0 for pods, and br-phy with the wire to the other node and the node's
  /// address.
  struct Remote {
    std::unique_ptr<OvsSandbox> ovs;
    std::string netns;
  };

  void SetUp() override {
    OvsPluginTest::SetUp();
    if (IsSkipped()) return;
    for (Remote* node : {&one_, &two_}) {
      const std::string name = node == &one_ ? "node1" : "node2";
      node->netns = make_netns(name);
      node->ovs = std::make_unique<OvsSandbox>(OvsSandbox::Datapath::plain, node->netns);
    }
    must_run("ip link add phy1 netns node1 type veth peer name phy2 netns node2");
    give_wire(one_, "phy1", "192.168.77.1");
    give_wire(two_, "phy2", "192.168.77.2");
    before_one_ = one_.ovs->configuration();
  }
  static void give_wire(const Remote& node, const std::string& wire, const std::string& address) {
    node.ovs->add_bridge("br0");
    node.ovs->add_bridge("br-phy");
    node.ovs->vsctl("add-port br-phy " + wire);
    // The userspace datapath looks the route up when addresses change: the interface is there and up by then.
    must_run_in(node.netns, "ip link set " + wire + " up; ip addr add " + address + "/24 dev br-phy");
  }

  std::string conf(const Remote& node, const std::string& address, const std::string& type = "vxlan") const {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"ovs","bridge":"br0","socket_file":"{}",)"
                       R"("tunnel":{{"type":"{}","remotes":["192.168.77.1","192.168.77.2"],"key":7}},"mtu":1400)"
                       R"({}}})",
                       node.ovs->socket(), type, with_address(address));
  }
  PluginResult call(const std::string& verb, const Remote& node, const std::string& conf,
                    const std::string& name) const {
    Command command = runner_.command(verb, "ovs", conf, pod(name));
    command.netns = node.netns;
    return PluginRunner::result_of(run(command));
  }
  Remote one_, two_;
  std::string before_one_;
};

TEST_F(OvsTunnelTest, AnAddressThatCouldBeBoundToIsNotThisNodesOwn) {
  must_run_in(one_.netns, "sysctl -qw net.ipv4.ip_nonlocal_bind=1");
  make_netns("a");
  ASSERT_TRUE(call("ADD", one_, conf(one_, "10.55.0.1/24"), "a").ok());
  EXPECT_THAT(one_.ovs->configuration(), HasSubstr("192.168.77.2"));
  ASSERT_TRUE(call("DEL", one_, conf(one_, "10.55.0.1/24"), "a").ok());
}

TEST_F(OvsTunnelTest, PodsOfTwoNodesReachEachOtherAndTheTunnelGoesWithTheLastPod) {
  const std::string a = conf(one_, "10.9.0.1/24"), b = conf(two_, "10.9.0.2/24"), c = conf(one_, "10.9.0.3/24");
  for (const char* name : {"a", "b", "c"}) make_netns(name);
  const PluginResult added = call("ADD", one_, a, "a");
  ASSERT_TRUE(added.ok()) << added;
  ASSERT_TRUE(call("ADD", two_, b, "b").ok());
  ASSERT_TRUE(call("ADD", one_, c, "c").ok());
  const std::string ports = one_.ovs->vsctl("--bare --columns=name,options find Interface type=vxlan");
  EXPECT_THAT(ports, HasSubstr("remote_ip=192.168.77.2"));
  EXPECT_THAT(ports, Not(HasSubstr("remote_ip=192.168.77.1"))) << "no tunnel to the node itself";
  EXPECT_TRUE(run_in("/run/netns/a", "for i in $(seq 30); do ping -c1 -W1 -n 10.9.0.2 && exit 0; done; exit 1").ok())
      << one_.ovs->appctl("ovs/route/show") << one_.ovs->appctl("tnl/ports/show -v") << one_.ovs->vsctl("show");
  EXPECT_TRUE(call("CHECK", one_, with_previous(a, added), "a").ok());
  EXPECT_TRUE(call("DEL", one_, c, "c").ok());
  EXPECT_THAT(one_.ovs->vsctl("list-ports br0"), HasSubstr("bwvx")) << "the other pod still wants it";
  EXPECT_TRUE(call("DEL", one_, a, "a").ok());
  EXPECT_EQ(one_.ovs->configuration(), before_one_);
}

TEST_F(OvsTunnelTest, GeneveAndGreCarryThePodsPacketsToo) {
  for (const char* name : {"a", "b"}) make_netns(name);
  for (const char* type : {"geneve", "gre"}) {
    const std::string a = conf(one_, "10.9.0.1/24", type), b = conf(two_, "10.9.0.2/24", type);
    const PluginResult added = call("ADD", one_, a, "a");
    ASSERT_TRUE(added.ok()) << type << added;
    ASSERT_TRUE(call("ADD", two_, b, "b").ok()) << type;
    EXPECT_TRUE(run_in("/run/netns/a", "for i in $(seq 30); do ping -c1 -W1 -n 10.9.0.2 && exit 0; done; exit 1").ok())
        << type << one_.ovs->appctl("ovs/route/show") << one_.ovs->appctl("tnl/ports/show -v");
    EXPECT_EQ(one_.ovs->vsctl("--bare --columns=type find Interface 'options:remote_ip=\"192.168.77.2\"'"),
              std::string(type) + "\n");
    EXPECT_TRUE(call("DEL", one_, a, "a").ok());
    EXPECT_TRUE(call("DEL", two_, b, "b").ok());
    EXPECT_EQ(one_.ovs->configuration(), before_one_) << type;
  }
}

TEST_F(OvsTunnelTest, CheckSeesATunnelThatIsGoneAndGcCollectsOneNobodyWants) {
  make_netns("a");
  const std::string a = conf(one_, "10.9.0.1/24", "geneve");
  const PluginResult added = call("ADD", one_, a, "a");
  ASSERT_TRUE(added.ok()) << added;
  const std::string port = std::string(added.json.at("interfaces").at(0).at("name").as_string());
  one_.ovs->vsctl("del-port " + port);
  EXPECT_TRUE(call("GC", one_, and_key(a, "cni.dev/valid-attachments", "[]"), "a").ok());
  EXPECT_EQ(one_.ovs->configuration(), before_one_);
  ASSERT_TRUE(call("ADD", one_, a, "a").ok());
  one_.ovs->vsctl("del-port $(ovs-vsctl --db=unix:" + one_.ovs->socket() +
                  " --bare --columns=name find Interface type=geneve)");
  EXPECT_THAT(call("CHECK", one_, with_previous(a, added), "a").msg(), HasSubstr("to 192.168.77.2 is missing"));
  EXPECT_TRUE(call("DEL", one_, a, "a").ok());
  EXPECT_EQ(one_.ovs->configuration(), before_one_);
}

}  // namespace
}  // namespace barewire::test
