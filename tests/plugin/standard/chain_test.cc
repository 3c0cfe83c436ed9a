// SPDX-License-Identifier: Apache-2.0
/// Configuration lists run by cnitool, as a user runs them by hand: chains of standard plugins, with traffic.
#include <filesystem>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/plugin/standard/traffic.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Chain : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    for (const char* name : {"bridge", "macvlan", "portmap", "tuning", "bandwidth"})
      runner_.install(name, built_program("barewire-cni"));
    make_outside();
  }
  void configure(const std::string& text) { write_text(configurations_ / "10-mynet.conflist", text); }
  CommandResult cnitool(const std::string& verb, const std::string& capabilities = {}) const {
    Command command;
    command.program = built_program("cnitool");
    command.arguments = {verb, "mynet", pod_};
    command.environment = {{"NETCONFPATH", configurations_.path()}, {"CNI_PATH", runner_.cni_path()}};
    if (!capabilities.empty()) command.environment["CAP_ARGS"] = capabilities;
    return run(command);
  }
  void must(const std::string& verb, const std::string& capabilities = {}) const {
    const CommandResult result = cnitool(verb, capabilities);
    EXPECT_TRUE(result.ok()) << verb << "\n" << result.out << result.err;
  }
  TempDir configurations_;
};

TEST_F(Chain, BridgeAndPortmapLeadAPortOfLoopbackToThePod) {
  const NodeSnapshot before = NodeSnapshot::take();
  configure(
      R"({"cniVersion":"0.3.1","name":"mynet","plugins":[{"type":"bridge","bridge":"mynet","ipMasq":true,"isGateway":true,"ipam":{"type":"host-local","subnet":"10.244.10.0/24","routes":[{"dst":"0.0.0.0/0"}]}},{"type":"portmap","backend":"nftables","capabilities":{"portMappings":true}}]})");
  const std::string mappings =
      R"({"portMappings":[{"hostPort":9090,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"}]})";
  must("add", mappings);
  const EchoServer server(pod_, 80, "pod1");
  EXPECT_EQ("pod1 10.244.10.1", ask("", "127.0.0.1", 9090));
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 9090));
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
  must("del", mappings);
  EXPECT_EQ("", ask_briefly("", "127.0.0.1", 9090));
  must_run("ip link del mynet");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Chain, EveryChainedPluginAddsCheckedAndGoesWithGc) {
  if (!run_in("", "ip link add probe type ifb && ip link del probe").ok())
    GTEST_SKIP() << "this kernel has no ifb devices";
  configure(
      R"({"cniVersion":"1.1.0","name":"mynet","plugins":[{"type":"bridge","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16"}},{"type":"portmap","backend":"nftables","capabilities":{"portMappings":true}},{"type":"bandwidth","ingressRate":800000000,"ingressBurst":8000000,"egressRate":800000000,"egressBurst":8000000},{"type":"tuning","mtu":1400,"sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"}}]})");
  const std::string mappings = R"({"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})";
  must("status");
  must("add", mappings);
  must("check", mappings);
  const EchoServer server(pod_, 80, "pod1");
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("mtu 1400"));
  EXPECT_THAT(must_run("tc qdisc show"), HasSubstr("800Mbit"));
  must("del", mappings);
  must("del", mappings);
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080));
  EXPECT_THAT(must_run("ip link"), Not(HasSubstr("bwp")));
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("barewire")));
  must("add", mappings);
  must("gc", mappings);
  EXPECT_THAT(must_run("nft list ruleset; ip link"), Not(::testing::AnyOf(HasSubstr("barewire"), HasSubstr("bwp"))));
}

}  // namespace
}  // namespace barewire::test
