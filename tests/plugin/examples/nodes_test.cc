// SPDX-License-Identifier: Apache-2.0
/// Pods of two nodes reach each other by their own addresses: routed, or on the physical network itself. The third way,
/// a tunnel between the nodes' bridges, is in tests/ovs/plugin/tunnel_test.cc; VFs as the underlay are in tests/lab.
#include "tests/plugin/standard/standard_fixture.h"
#include "tests/plugin/standard/traffic.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

/// Two nodes as network namespaces, each with an uplink eth0 into one switch: 192.168.50.1 and .2.
class TwoNodes : public StandardTest {
 protected:
  struct Node {
    std::string netns, pod;
  };
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    must_run("ip link add switch type bridge && ip link set switch up");
    one_ = make_node("one", "192.168.50.1/24");
    two_ = make_node("two", "192.168.50.2/24");
  }
  static Node make_node(const std::string& name, const std::string& address) {
    const Node node{make_netns(name), make_netns("pod-" + name)};
    must_run(fmt::format("ip link add up-{0} master switch type veth peer name eth0 netns {0} && ip link set up-{0} up",
                         name));
    must_run_in(node.netns, fmt::format("ip link set eth0 up && ip addr add {} dev eth0", address));
    return node;
  }
  /// The nodes share this test's files, so each keeps its reservations in its own directory.
  static std::string ipam(const Node& node, const std::string& keys) {
    return fmt::format(R"("ipam":{{"type":"host-local","dataDir":"/var/lib/cni/{}",{}}})",
                       node.netns.substr(node.netns.rfind('/') + 1), keys);
  }
  void call(const std::string& verb, const Node& node, const std::string& plugin, const std::string& keys) const {
    const std::string text = fmt::format(R"({{"cniVersion":"1.0.0","name":"mynet","type":"{}",{}}})", plugin, keys);
    const std::string container = node.pod.substr(node.pod.rfind('/') + 1);
    Command command = runner_.command(verb, plugin, text, pod(container));
    command.netns = node.netns;
    const CommandResult result = run(command);
    EXPECT_TRUE(result.ok()) << verb << " " << text << "\n" << result.out << result.err;
  }
  static void expect_no_pod_link(const Node& node) { EXPECT_FALSE(run_in(node.pod, "ip link show eth0").ok()); }
  Node one_, two_;
};

TEST_F(TwoNodes, AreConnectedByRoutesBetweenTheirPodSubnets) {
  const std::string bridge = R"("bridge":"cni0","isDefaultGateway":true,)" + ipam(one_, R"("subnet":"10.244.1.0/24")");
  const std::string ptp = ipam(two_, R"("subnet":"10.244.2.0/24","routes":[{"dst":"0.0.0.0/0"}])");
  call("ADD", one_, "bridge", bridge);
  call("ADD", two_, "ptp", ptp);
  must_run_in(one_.netns, "ip route add 10.244.2.0/24 via 192.168.50.2");
  must_run_in(two_.netns, "ip route add 10.244.1.0/24 via 192.168.50.1");
  const EchoServer first(one_.pod, 80, "first"), second(two_.pod, 80, "second");
  EXPECT_EQ("second 10.244.1.2", ask(one_.pod, "10.244.2.2", 80)) << "with its own address, not its node's";
  EXPECT_EQ("first 10.244.2.2", ask(two_.pod, "10.244.1.2", 80));
  EXPECT_EQ("second 192.168.50.1", ask(one_.netns, "10.244.2.2", 80)) << "a node reaches the other's pods too";
  call("DEL", one_, "bridge", bridge);
  call("DEL", two_, "ptp", ptp);
  EXPECT_EQ("", ask_briefly(two_.pod, "10.244.1.2", 80));
  expect_no_pod_link(one_);
  expect_no_pod_link(two_);
}

TEST_F(TwoNodes, ShareTheirPhysicalNetworkWithTheirPods) {
  const auto underlay = [](const Node& node, const std::string& range) {
    return R"("master":"eth0","mode":"bridge",)" + ipam(node, R"("subnet":"192.168.50.0/24",)" + range);
  };
  const std::string first_range = underlay(one_, R"("rangeStart":"192.168.50.10","rangeEnd":"192.168.50.19")");
  const std::string second_range = underlay(two_, R"("rangeStart":"192.168.50.20","rangeEnd":"192.168.50.29")");
  call("ADD", one_, "macvlan", first_range);
  call("ADD", two_, "macvlan", second_range);
  const EchoServer first(one_.pod, 80, "first"), second(two_.pod, 80, "second");
  EXPECT_EQ("second 192.168.50.10", ask(one_.pod, "192.168.50.20", 80));
  EXPECT_EQ("first 192.168.50.20", ask(two_.pod, "192.168.50.10", 80));
  EXPECT_EQ("second 192.168.50.1", ask(one_.netns, "192.168.50.20", 80))
      << "the other node is just another machine there";
  EXPECT_THAT(must_run_in(one_.pod, "ip neigh show 192.168.50.20"), HasSubstr("lladdr")) << "no router between them";
  call("DEL", one_, "macvlan", first_range);
  call("DEL", two_, "macvlan", second_range);
  expect_no_pod_link(one_);
  expect_no_pod_link(two_);
}

}  // namespace
}  // namespace barewire::test
