// SPDX-License-Identifier: Apache-2.0
/// Every key of host-local's configuration, right and wrong, and the result's shape in every version.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/plugin/ipam/host_local_fixture.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;
namespace json = boost::json;

class HostLocalConfig : public HostLocalTest {
 protected:
  void expect_result(const std::string& text, const std::string& expected, const CniCall& call = {}) {
    const PluginResult result = runner_.add("host-local", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    EXPECT_EQ(json::serialize(result.json), json::serialize(json::parse(expected))) << text;
  }
};

TEST_F(HostLocalConfig, ResultHasTheShapeOfEachVersion) {
  const std::string ipam = R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"2001:db8:1::/64"}]],
    "routes":[{"dst":"0.0.0.0/0"},{"dst":"10.9.0.0/16","gw":"10.1.2.9","mtu":1400,"advmss":1360,"priority":7,"table":50,"scope":0}])";
  const std::string ips02 = R"("ip4":{"ip":"10.1.2.2/24","gateway":"10.1.2.1","routes":[{"dst":"0.0.0.0/0"},
    {"dst":"10.9.0.0/16","gw":"10.1.2.9"}]},"ip6":{"ip":"2001:db8:1::2/64","gateway":"2001:db8:1::1"},"dns":{})";
  const std::string ips03 = R"("ips":[{"version":"4","address":"10.1.2.2/24","gateway":"10.1.2.1"},
    {"version":"6","address":"2001:db8:1::2/64","gateway":"2001:db8:1::1"}],
    "routes":[{"dst":"0.0.0.0/0"},{"dst":"10.9.0.0/16","gw":"10.1.2.9"}],"dns":{})";
  const std::string ips1 = R"("ips":[{"address":"10.1.2.2/24","gateway":"10.1.2.1"},
    {"address":"2001:db8:1::2/64","gateway":"2001:db8:1::1"}],"routes":[{"dst":"0.0.0.0/0"},
    {"dst":"10.9.0.0/16","gw":"10.1.2.9","mtu":1400,"advmss":1360,"priority":7,"table":50,"scope":0}])";
  for (const auto& [version, body] : std::vector<std::pair<std::string, std::string>>{{"0.1.0", ips02},
                                                                                      {"0.2.0", ips02},
                                                                                      {"0.3.0", ips03},
                                                                                      {"0.3.1", ips03},
                                                                                      {"0.4.0", ips03},
                                                                                      {"1.0.0", ips1},
                                                                                      {"1.1.0", ips1}}) {
    expect_result(config(ipam, version), fmt::format(R"({{"cniVersion":"{}",{}}})", version, body));
    fs::remove_all(kDirectory);
  }
}

TEST_F(HostLocalConfig, SingleRangeWithEveryKeyAsInTheReferencesExample) {
  expect_result(
      R"({"cniVersion":"1.0.0","name":"net1","ipam":{"type":"host-local","subnet":"10.10.0.0/16","rangeStart":"10.10.1.20","rangeEnd":"10.10.3.50","gateway":"10.10.0.254","routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1"}],"dataDir":"/var/lib/cni/my-orchestrator/container-ipam-state"}})",
      R"({"cniVersion":"1.0.0","ips":[{"address":"10.10.1.20/16","gateway":"10.10.0.254"}],"routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1"}]})");
  EXPECT_THAT(reservations("/var/lib/cni/my-orchestrator/container-ipam-state/net1"), ElementsAre("10.10.1.20"));
}

TEST_F(HostLocalConfig, Ipv6RangeWithResolvConfAsInTheReferencesExample) {
  const PluginResult result = runner_.add(
      "host-local",
      R"({"cniVersion":"1.0.0","name":"net1","ipam":{"type":"host-local","subnet":"3ffe:ffff:0:01ff::/64","rangeStart":"3ffe:ffff:0:01ff::0010","rangeEnd":"3ffe:ffff:0:01ff::0020","routes":[{"dst":"3ffe:ffff:0:01ff::1/64"}],"resolvConf":"/etc/resolv.conf"}})");
  EXPECT_THAT(addresses(result), ElementsAre("3ffe:ffff:0:1ff::10/64"));
  EXPECT_EQ(result.json.at("routes"), json::parse(R"([{"dst":"3ffe:ffff:0:1ff::1/64"}])"));
  EXPECT_THAT(reservations(), ElementsAre("3ffe:ffff:0:1ff::10"));
}

TEST_F(HostLocalConfig, SeveralRangesAsInTheReferencesExample) {
  expect_result(
      R"({"cniVersion":"1.0.0","name":"net1","ipam":{"type":"host-local","ranges":[[{"subnet":"10.10.0.0/16"},{"subnet":"172.16.5.0/24"}],[{"subnet":"2001:db8:1::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}})",
      R"({"cniVersion":"1.0.0","ips":[{"address":"10.10.0.2/16","gateway":"10.10.0.1"},{"address":"2001:db8:1::2/64","gateway":"2001:db8:1::1"}],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]})");
}

TEST_F(HostLocalConfig, SubnetWithHostBitsPipedByHandIsRefusedAsByTheReference) {
  const PluginResult result = runner_.add(
      "host-local",
      R"({"cniVersion":"0.3.1","type":"IGNORED","name":"a","ipam":{"type":"host-local","subnet":"10.1.2.3/24"}})");
  EXPECT_EQ(result.code(), 7);
  EXPECT_EQ(
      result.msg(),
      R"(config key "ipam.subnet" is "10.1.2.3/24"; expected no host bits set: the network address is 10.1.2.0/24)");
  EXPECT_FALSE(fs::exists("/var/lib/cni/networks"));
}

TEST_F(HostLocalConfig, ActsAsHostLocalWhateverTypeSays) {
  EXPECT_TRUE(
      runner_
          .add(
              "host-local",
              R"({"cniVersion":"0.3.1","type":"IGNORED","name":"a","ipam":{"type":"host-local","subnet":"10.1.2.0/24"}})")
          .ok());
}

TEST_F(HostLocalConfig, KeysMatchInAnyCaseAndUnknownOnesAreIgnored) {
  const PluginResult result =
      runner_.add("host-local",
                  config(R"("SUBNET":"10.1.2.0/24","rangestart":"10.1.2.100","Gateway":"10.1.2.254","colour":"red")"));
  EXPECT_THAT(addresses(result), ElementsAre("10.1.2.100/24"));
  EXPECT_EQ(result.json.at("ips").at(0).at("gateway").as_string(), "10.1.2.254");
}

TEST_F(HostLocalConfig, ExplicitBoundsMayBeTheNetworkAndBroadcastAddresses) {
  const std::string text =
      config(R"("subnet":"10.1.2.0/30","rangeStart":"10.1.2.0","rangeEnd":"10.1.2.3","gateway":"10.9.9.9")");
  for (const char* last : {"0", "1", "2", "3"})
    EXPECT_THAT(addresses(runner_.add("host-local", text, pod(std::string("p") + last))),
                ElementsAre(fmt::format("10.1.2.{}/30", last)));
}

TEST_F(HostLocalConfig, EmptyAddressTextsAreTheSameAsAbsent) {
  EXPECT_THAT(
      addresses(runner_.add(
          "host-local",
          config(R"("subnet":"10.1.2.0/24","rangeStart":"","rangeEnd":"","gateway":"","dataDir":"","resolvConf":"")"))),
      ElementsAre("10.1.2.2/24"));
}

TEST_F(HostLocalConfig, ResolvConfBecomesDns) {
  write_text("/run/resolv.conf", "nameserver 10.0.0.53\nsearch a.example\noptions ndots:2\n");
  const PluginResult result =
      runner_.add("host-local", config(R"("subnet":"10.1.2.0/24","resolvConf":"/run/resolv.conf")"));
  EXPECT_EQ(result.json.at("dns"),
            json::parse(R"({"nameservers":["10.0.0.53"],"search":["a.example"],"options":["ndots:2"]})"));
}

TEST_F(HostLocalConfig, RuntimeRangesComeBeforeTheSingleRangeAndTheList) {
  const PluginResult result =
      runner_.add("host-local", config(R"("subnet":"10.1.2.0/24","ranges":[[{"subnet":"10.3.0.0/24"}]])", "1.1.0",
                                       R"(,"runtimeConfig":{"ipRanges":[[{"subnet":"10.7.0.0/24"}]]})"));
  EXPECT_THAT(addresses(result), ElementsAre("10.7.0.2/24", "10.1.2.2/24", "10.3.0.2/24"));
}

TEST_F(HostLocalConfig, RequestedAddressesComeFromArgsAndRuntimeConfig) {
  const std::string ipam =
      R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"10.3.0.0/24"}],[{"subnet":"2001:db8::/64"}]])";
  const std::string further = R"(,"args":{"cni":{"ips":["10.3.0.33"]}},"runtimeConfig":{"ips":["2001:db8::99/64"]})";
  const PluginResult result =
      runner_.add("host-local", config(ipam, "1.1.0", further), pod("a", "eth0", "IgnoreUnknown=1;FOO=x;IP=10.1.2.11"));
  EXPECT_THAT(addresses(result), ElementsAre("10.1.2.11/24", "10.3.0.33/24", "2001:db8::99/64"));
  EXPECT_EQ(read_file(std::string(kDirectory) + "/last_reserved_ip.1"), "10.3.0.33");
}

TEST_F(HostLocalConfig, RequestedAddressThatIsTakenIsRefused) {
  ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a", "eth0", "IP=10.1.2.9")).ok());
  const PluginResult taken = runner_.add("host-local", config(kSubnet), pod("b", "eth0", "IP=10.1.2.9"));
  EXPECT_EQ(taken.code(), 102) << taken;
  EXPECT_THAT(taken.msg(), HasSubstr("10.1.2.9"));
  EXPECT_THAT(taken.msg(), HasSubstr("reserved for a eth0"));
  EXPECT_THAT(reservations(), ElementsAre("10.1.2.9"));
}

struct Wrong {
  std::string ipam;
  std::string named;  ///< what the message must hold
  std::string version = "1.1.0";
  std::string further = {};
  std::string args = {};
  int code = 7;
};

const std::vector<Wrong>& wrong_configurations() {
  static const std::vector<Wrong> kWrong = {
      {R"("subnet":5)", R"("ipam.subnet" is 5)"},
      {R"("subnet":"10.1.2.0")", R"("ipam.subnet" is "10.1.2.0")"},
      {R"("subnet":"10.1.2.0/33")", R"("ipam.subnet" is "10.1.2.0/33")"},
      {R"("subnet":"10.1.2.1/24")", "the network address is 10.1.2.0/24"},
      {R"("subnet":"10.1.2.0/31")", "a prefix length up to 30"},
      {R"("subnet":"2001:db8::/127")", "a prefix length up to 126"},
      {R"("subnet":"10.1.2.0/24","rangeStart":"10.1.3.1")",
       R"("ipam.rangeStart" is "10.1.3.1"; expected an address of 10.1.2.0/24)"},
      {R"("subnet":"10.1.2.0/24","rangeStart":"x")", R"("ipam.rangeStart" is "x")"},
      {R"("subnet":"10.1.2.0/24","rangeEnd":"2001:db8::1")",
       R"("ipam.rangeEnd" is "2001:db8::1"; expected an IPv4 address)"},
      {R"("subnet":"10.1.2.0/24","rangeEnd":[1])", R"("ipam.rangeEnd" is [1])"},
      {R"("subnet":"10.1.2.0/24","rangeStart":"10.1.2.9","rangeEnd":"10.1.2.8")", R"("ipam.rangeEnd" is "10.1.2.8")"},
      {R"("subnet":"10.1.2.0/24","rangeStart":"10.1.2.255")", R"("ipam.rangeStart" is "10.1.2.255")"},
      {R"("subnet":"10.1.2.0/24","gateway":"2001:db8::1")",
       R"("ipam.gateway" is "2001:db8::1"; expected an IPv4 address)"},
      {R"("subnet":"10.1.2.0/24","gateway":"no")", R"("ipam.gateway" is "no")"},
      {R"("ranges":7)", R"("ipam.ranges" is 7)"},
      {R"("ranges":[])", R"("ipam.ranges" is missing)"},
      {R"("rangeStart":"10.1.2.5")", R"("ipam.ranges" is missing)"},
      {R"("ranges":[[]])", R"("ipam.ranges[0]")"},
      {R"("ranges":[{"subnet":"10.1.2.0/24"}])", R"("ipam.ranges[0]")"},
      {R"("ranges":[[{}]])", R"("ipam.ranges[0][0].subnet" is missing)"},
      {R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"10.1.0.0/16"}]])", R"("ipam.ranges[1]")"},
      {R"("ranges":[[{"subnet":"10.1.2.0/24"},{"subnet":"10.1.0.0/16"}]])", R"(overlap (ipam.ranges[0][1]))"},
      {R"("ranges":[[{"subnet":"10.1.2.0/24"},{"subnet":"2001:db8::/64"}]])", "one address family"},
      {R"("subnet":"10.1.2.0/24")", R"("runtimeConfig.ipRanges[0]")", "1.1.0",
       R"(,"runtimeConfig":{"ipRanges":[[{"subnet":"10.1.0.0/16"}]]})"},
      {R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"10.3.0.0/16"}]])", R"("cniVersion" is "0.2.0")", "0.2.0"},
      {R"("subnet":"10.1.2.0/24","routes":[{"dst":"x"}])", R"("ipam.routes[0].dst" is "x")"},
      {R"("subnet":"10.1.2.0/24","routes":[{"gw":"10.1.2.1"}])", R"("ipam.routes[0].dst" is missing)"},
      {R"("subnet":"10.1.2.0/24","routes":[{"dst":"10.0.0.0/8","gw":"x"}])", R"("ipam.routes[0].gw" is "x")"},
      {R"("subnet":"10.1.2.0/24","routes":[{"dst":"10.0.0.0/8","mtu":"big"}])", R"("ipam.routes[0].mtu" is "big")"},
      {R"("subnet":"10.1.2.0/24","routes":{})", R"("ipam.routes" is {})"},
      {R"("subnet":"10.1.2.0/24","dataDir":5)", R"("ipam.dataDir" is 5)"},
      {R"("subnet":"10.1.2.0/24","resolvConf":"/proc/nonexistent")", R"("ipam.resolvConf" is "/proc/nonexistent")"},
      {R"("subnet":"10.1.2.0/24","resolvConf":5)", R"("ipam.resolvConf" is 5)"},
      {R"("subnet":"10.1.2.0/24")", R"("runtimeConfig.ips[0]" is "x")", "1.1.0", R"(,"runtimeConfig":{"ips":["x"]})"},
      {R"("subnet":"10.1.2.0/24")", R"("runtimeConfig.ips" is 5)", "1.1.0", R"(,"runtimeConfig":{"ips":5})"},
      {R"("subnet":"10.1.2.0/24")", R"("args.cni.ips[0]" is "10.9.0.1")", "1.1.0",
       R"(,"args":{"cni":{"ips":["10.9.0.1"]}})"},
      {R"("subnet":"10.1.2.0/24")", R"("args.cni.ips[1]" is "10.1.2.8")", "1.1.0",
       R"(,"args":{"cni":{"ips":["10.1.2.7","10.1.2.8"]}})"},
      {R"("subnet":"10.1.2.0/24")", R"(CNI_ARGS key "IP" is "10.1.2.1"; expected an address other than the gateway)",
       "1.1.0", "", "IP=10.1.2.1"},
      {R"("subnet":"10.1.2.0/24")", R"(CNI_ARGS key "IP" is "10.1.2.300")", "1.1.0", "", "IP=10.1.2.300"},
      {R"("subnet":"10.1.2.0/24")", R"(unknown key "FOO")", "1.1.0", "", "FOO=x", 4},
  };
  return kWrong;
}

TEST_F(HostLocalConfig, EveryWrongValueIsNamedAndNothingIsTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const Wrong& wrong : wrong_configurations()) {
    const PluginResult result =
        runner_.add("host-local", config(wrong.ipam, wrong.version, wrong.further), pod("a", "eth0", wrong.args));
    EXPECT_EQ(result.exit_status, 1) << wrong.ipam;
    EXPECT_EQ(result.code(), wrong.code) << wrong.ipam << result;
    EXPECT_THAT(result.msg(), HasSubstr(wrong.named)) << wrong.ipam;
  }
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_FALSE(fs::exists("/var/lib/cni/networks"));
}

TEST_F(HostLocalConfig, WithoutIpamIsRefused) {
  const PluginResult result = runner_.add("host-local", R"({"cniVersion":"1.1.0","name":"net1"})");
  EXPECT_EQ(result.code(), 7);
  EXPECT_THAT(result.msg(), HasSubstr("\"ipam\" is missing"));
}

}  // namespace
}  // namespace barewire::test
