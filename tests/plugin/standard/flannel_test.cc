// SPDX-License-Identifier: Apache-2.0
/// The flannel plugin over bridge and others, with the file that flanneld writes.
#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSubnet =
    "FLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_IPV6_NETWORK=2001:db8::/48\n"
    "FLANNEL_IPV6_SUBNET=2001:db8:0:7::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n";

class Flannel : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    for (const char* plugin : {"bridge", "macvlan"}) runner_.install(plugin, built_program("barewire-cni"));
    std::filesystem::create_directories("/run/flannel");
    write_text("/run/flannel/subnet.env", kSubnet);
  }
  static std::string config(const std::string& keys = {}) {
    return R"({"cniVersion":"1.1.0","name":"cbr0","type":"flannel",)" + keys + R"("unused":1})";
  }
  PluginResult add(const std::string& text, const CniCall& call = {}) {
    PluginResult result = runner_.add("flannel", text, call);
    EXPECT_TRUE(result.ok()) << text << result;
    return result;
  }
  void del(const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.del("flannel", text, call);
    EXPECT_TRUE(result.ok()) << text << result;
  }
  static std::string address_of(const PluginResult& result) {
    const std::string address(result.json.at("ips").at(0).at("address").as_string());
    return address.substr(0, address.find('/'));
  }
};

TEST_F(Flannel, ServesPodsOutOfTheNodesSubnetUntilDel) {
  const std::string other = make_netns("pod2");
  const PluginResult first = add(config(), pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take({"/run/barewire", "/var/lib/cni", "/run/flannel"});
  const PluginResult result = add(config());
  EXPECT_THAT(boost::json::serialize(result.json.at("ips")),
              AllOf(HasSubstr("10.244.7.3/24"), HasSubstr("2001:db8:0:7::3/64")));
  EXPECT_THAT(must_run_in(pod_, "ip route; ip link show eth0"),
              AllOf(HasSubstr("10.244.0.0/16 via 10.244.7.1"), HasSubstr("10.245.0.0/16 via 10.244.7.1"),
                    HasSubstr("mtu 1450")));
  EXPECT_TRUE(reaches(pod_, address_of(first)));
  EXPECT_TRUE(reaches(pod_, "10.244.7.1"));
  EXPECT_THAT(must_run("nft list ruleset"), HasSubstr("masquerade"));
  const PluginResult checked = runner_.check("flannel", with_previous(config(), result));
  EXPECT_TRUE(checked.ok()) << checked;
  write_text("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.99.0.0/16\n");
  del(config());
  del(config());
  write_text("/run/flannel/subnet.env", kSubnet);
  EXPECT_EQ("", before.difference(NodeSnapshot::take({"/run/barewire", "/var/lib/cni", "/run/flannel"})));
}

TEST_F(Flannel, LeavesToTheDelegateWhatItSays) {
  write_text("/run/flannel/other.env",
             "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n");
  const PluginResult result = add(config(
      R"("subnetFile":"/run/flannel/other.env","dataDir":"/run/kept","delegate":{"bridge":"br7","mtu":1300,"hairpinMode":true},"ipam":{"routes":[{"dst":"203.0.113.0/24"}]},"runtimeConfig":{"mac":"02:00:00:00:00:07"},)"));
  EXPECT_THAT(must_run_in(pod_, "ip route; ip link show eth0"),
              AllOf(HasSubstr("203.0.113.0/24"), HasSubstr("10.244.0.0/16"), HasSubstr("mtu 1300"),
                    HasSubstr("02:00:00:00:00:07")));
  EXPECT_THAT(must_run("ip addr show br7"), HasSubstr("10.244.7.1/24"));
  EXPECT_THAT(must_run("cat /run/kept/pod1"), AllOf(HasSubstr(R"("name":"cbr0")"), HasSubstr("host-local")));
  EXPECT_EQ("600 700\n", must_run("echo $(stat -c %a /run/kept/pod1 /run/kept)"));
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("masquerade"))) << "flanneld does it";
  must_run("rm -r /run/barewire/attachments/cbr0/pod1@eth0.flannel.json");
  del(config(R"("dataDir":"/run/kept",)"));
  EXPECT_FALSE(run_in(pod_, "ip link show eth0").ok()) << "by the file alone, as after the reference plugin";
  EXPECT_FALSE(std::filesystem::exists("/run/kept/pod1"));
}

TEST_F(Flannel, ExecutesADelegateThatIsAnotherProgram) {
  TempDir kept;
  write_text(kept / "stub", "#!/bin/sh\nstdin=$(cat)\necho \"$CNI_COMMAND $stdin\" >>" + (kept / "calls") +
                                "\n[ $CNI_COMMAND != ADD ] || echo '{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":"
                                "\"10.244.7.9/24\"}]}'\n");
  must_run("chmod +x " + (kept / "stub"));
  runner_.install("other", kept / "stub");
  const std::string text = config(R"("delegate":{"type":"other","key":5},)");
  EXPECT_EQ("10.244.7.9", address_of(add(text)));
  del(text);
  EXPECT_THAT(must_run("cat " + (kept / "calls")),
              AllOf(HasSubstr("ADD {"), HasSubstr("DEL {"), HasSubstr(R"("key":5)"), Not(HasSubstr("isGateway"))));
}

TEST_F(Flannel, CheckAndGcAreTheDelegatesToo) {
  make_netns("pod2");
  add(config(), pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = add(config());
  must_run_in(pod_, "ip addr flush dev eth0");
  EXPECT_EQ(104, runner_.check("flannel", with_previous(config(), result)).code());
  EXPECT_TRUE(runner_.gc("flannel", with_valid(config(), R"([{"containerID":"pod2","ifname":"eth0"}])")).ok());
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_TRUE(runner_.status("flannel", config()).ok());
  must_run("rm /run/flannel/subnet.env");
  EXPECT_EQ(50, runner_.status("flannel", config()).code());
  EXPECT_EQ(7, runner_.add("flannel", config()).code());
}

TEST_F(Flannel, UndoesTheDelegateThatFails) {
  must_run_in(pod_, "ip link add eth0 type bridge");
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = runner_.add("flannel", config());
  EXPECT_EQ(100, result.code()) << "the code is the delegate's" << result;
  EXPECT_THAT(result.msg(), HasSubstr("container veth name provided (eth0) already exists"));
  must_run("! ip link show cni0 || ip link del cni0");
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_EQ(106, runner_.add("flannel", config(R"("delegate":{"type":"absent"},)")).code());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Flannel, RefusesBadValuesWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  const auto refuse = [&](const std::string& text, const std::string& part) {
    const PluginResult result = runner_.add("flannel", text);
    EXPECT_EQ(7, result.code()) << text << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << text;
  };
  refuse(config(R"("delegate":5,)"), "delegate");
  refuse(config(R"("delegate":{"name":"x"},)"), "delegate.name");
  refuse(config(R"("delegate":{"ipam":{}},)"), "delegate.ipam");
  refuse(config(R"("delegate":{"type":5},)"), "delegate.type");
  refuse(config(R"("ipam":{"routes":5},)"), "ipam.routes");
  refuse(config(R"("subnetFile":5,)"), "subnetFile");
  refuse(config(R"("dataDir":[],)"), "dataDir");
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET=here\nFLANNEL_MTU=1\nFLANNEL_IPMASQ=true\n", "line 2"},
           {"FLANNEL_NETWORK=2001:db8::/32\n", "FLANNEL_NETWORK is"},
           {"FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_MTU=much\n", "FLANNEL_MTU is \"much\""},
           {"FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_MTU=1450\n", "has no FLANNEL_SUBNET, FLANNEL_IPMASQ"},
           {"", "has no FLANNEL_NETWORK"}}) {
    write_text("/run/flannel/subnet.env", text);
    refuse(config(), part);
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Flannel, KilledAtStepsOfAnyPluginLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  make_netns("pod2");
  add(config(), pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take();
  const Command command = runner_.command("ADD", "flannel", config());
  constexpr std::size_t kStride = 5;  // the delegate's own steps are swept by its own test
  const auto attempt = [&](std::size_t n) {
    FaultOutcome outcome = kill_at(command, n, KillTime::after);
    del(config());
    EXPECT_EQ("", before.difference(NodeSnapshot::take()))
        << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    return outcome;
  };
  EXPECT_GT(for_each_mutation(attempt, kStride), 5U * kStride);
}

}  // namespace
}  // namespace barewire::test
