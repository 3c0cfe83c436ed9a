// SPDX-License-Identifier: Apache-2.0
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/plugin/ipam/host_local_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;
namespace json = boost::json;

class Static : public HostLocalTest {
 protected:
  static std::string config(const std::string& ipam, const std::string& version = "1.1.0",
                            const std::string& further = {}) {
    return fmt::format(R"({{"cniVersion":"{}","name":"net1","ipam":{{"type":"static"{}{}}}{}}})", version,
                       ipam.empty() ? "" : ",", ipam, further);
  }
  void expect_result(const std::string& text, const std::string& expected, const CniCall& call = {}) {
    const PluginResult result = runner_.add("static", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    EXPECT_EQ(json::serialize(result.json), json::serialize(json::parse(expected))) << text;
  }
};

constexpr const char* kEvery =
    R"("addresses":[{"address":"10.10.0.1/24","gateway":"10.10.0.254"},{"address":"3ffe:ffff:0:01ff::1/64","gateway":"3ffe:ffff:0::1"}],
       "routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1","mtu":1400,"priority":3},{"dst":"3ffe:ffff:0:01ff::1/64"}],
       "dns":{"nameservers":["8.8.8.8"],"domain":"example.com","search":["example.com"],"options":["ndots:2"]})";

TEST_F(Static, EveryKeyInTheShapeOfEachVersion) {
  const std::string dns =
      R"("dns":{"nameservers":["8.8.8.8"],"domain":"example.com","search":["example.com"],"options":["ndots:2"]})";
  const std::string v02 =
      R"("ip4":{"ip":"10.10.0.1/24","gateway":"10.10.0.254","routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1"}]},
      "ip6":{"ip":"3ffe:ffff:0:1ff::1/64","gateway":"3ffe:ffff::1","routes":[{"dst":"3ffe:ffff:0:1ff::1/64"}]},)" +
      dns;
  const std::string routes03 =
      R"("routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1"},{"dst":"3ffe:ffff:0:1ff::1/64"}],)";
  const std::string v03 = R"("ips":[{"version":"4","address":"10.10.0.1/24","gateway":"10.10.0.254"},
      {"version":"6","address":"3ffe:ffff:0:1ff::1/64","gateway":"3ffe:ffff::1"}],)" +
                          routes03 + dns;
  const std::string v1 =
      R"("ips":[{"address":"10.10.0.1/24","gateway":"10.10.0.254"},{"address":"3ffe:ffff:0:1ff::1/64","gateway":"3ffe:ffff::1"}],
      "routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1","mtu":1400,"priority":3},{"dst":"3ffe:ffff:0:1ff::1/64"}],)" +
      dns;
  for (const auto& [version, body] : std::vector<std::pair<std::string, std::string>>{{"0.1.0", v02},
                                                                                      {"0.2.0", v02},
                                                                                      {"0.3.0", v03},
                                                                                      {"0.3.1", v03},
                                                                                      {"0.4.0", v03},
                                                                                      {"1.0.0", v1},
                                                                                      {"1.1.0", v1}})
    expect_result(config(kEvery, version), fmt::format(R"({{"cniVersion":"{}",{}}})", version, body));
}

TEST_F(Static, TakesAddressesAndGatewaysFromCniArgs) {
  expect_result(
      config(R"("addresses":[{"address":"10.1.0.5/24"}])"),
      R"({"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/24"},{"address":"10.10.0.1/24","gateway":"10.10.0.254"},{"address":"2001:db8::5/64","gateway":"2001:db8::1"}]})",
      pod("a", "eth0", "IgnoreUnknown=true;K=1;IP=10.10.0.1/24, 2001:db8::5/64;GATEWAY=10.10.0.254,2001:db8::1"));
}

TEST_F(Static, GatewayOfCniArgsServesConfiguredAddressesToo) {
  expect_result(config(R"("addresses":[{"address":"10.1.0.5/24"}])"),
                R"({"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}]})",
                pod("a", "eth0", "GATEWAY=10.1.0.1"));
}

TEST_F(Static, ArgsReplaceTheConfiguredAddressesAndRuntimeConfigReplacesArgs) {
  const std::string addresses = R"("addresses":[{"address":"10.1.0.5/24"}])";
  const std::string args = R"(,"args":{"cni":{"ips":["10.2.0.5/24"]}})";
  expect_result(config(addresses, "1.1.0", args), R"({"cniVersion":"1.1.0","ips":[{"address":"10.2.0.5/24"}]})");
  expect_result(config(addresses, "1.1.0", args + R"(,"runtimeConfig":{"ips":["10.3.0.5/24","2001:db8::5/64"]})"),
                R"({"cniVersion":"1.1.0","ips":[{"address":"10.3.0.5/24"},{"address":"2001:db8::5/64"}]})");
}

TEST_F(Static, GivesAResultWithoutAddressesWhereTheVersionAllows) {
  expect_result(config(R"("routes":[{"dst":"0.0.0.0/0"}])"),
                R"({"cniVersion":"1.1.0","routes":[{"dst":"0.0.0.0/0"}]})");
  EXPECT_EQ(runner_.add("static", config("", "0.2.0")).exit_status, 1);
}

struct Wrong {
  std::string ipam;
  std::string named;
  std::string version = "1.1.0";
  std::string further = {};
  std::string args = {};
  int code = 7;
};

TEST_F(Static, EveryWrongValueIsNamed) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const Wrong& wrong : std::vector<Wrong>{
           {R"("addresses":5)", R"("ipam.addresses" is 5)"},
           {R"("addresses":[{}])", R"("ipam.addresses[0].address" is missing)"},
           {R"("addresses":[{"address":"10.1.0.5"}])", R"("ipam.addresses[0].address" is "10.1.0.5")"},
           {R"("addresses":[{"address":"10.1.0.5/24","gateway":"x"}])", R"("ipam.addresses[0].gateway" is "x")"},
           {R"("addresses":[{"address":"10.1.0.5/24","gateway":"::1"}])",
            R"("ipam.addresses[0].gateway" is "::1"; expected an IPv4 address)"},
           {R"("routes":[{"dst":"10.0.0.0"}])", R"("ipam.routes[0].dst" is "10.0.0.0")"},
           {R"("dns":{"nameservers":"8.8.8.8"})", R"("ipam.dns.nameservers" is "8.8.8.8")"},
           {R"("addresses":[{"address":"10.1.0.5/24"},{"address":"10.1.0.6/24"}])", R"("cniVersion" is "0.2.0")",
            "0.2.0"},
           {"", R"("args.cni.ips[0]" is "10.1.0.5")", "1.1.0", R"(,"args":{"cni":{"ips":["10.1.0.5"]}})"},
           {"", R"("runtimeConfig.ips[1]" is "x")", "1.1.0", R"(,"runtimeConfig":{"ips":["10.1.0.5/24","x"]})"},
           {"", R"(CNI_ARGS key "IP" is "10.1.0.5")", "1.1.0", "", "IP=10.1.0.5"},
           {"", R"(CNI_ARGS key "GATEWAY" is "x")", "1.1.0", "", "GATEWAY=x"},
           {"", R"(unknown key "FOO")", "1.1.0", "", "FOO=x", 4}}) {
    const PluginResult result =
        runner_.add("static", config(wrong.ipam, wrong.version, wrong.further), pod("a", "eth0", wrong.args));
    EXPECT_EQ(result.code(), wrong.code) << wrong.ipam << wrong.further << wrong.args << result;
    EXPECT_THAT(result.msg(), HasSubstr(wrong.named));
  }
  EXPECT_EQ(runner_.add("static", R"({"cniVersion":"1.1.0","name":"net1"})").code(), 7);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Static, CheckComparesPrevResultWithTheConfiguration) {
  const auto with = [](const std::string& previous) {
    return config(R"("addresses":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}])", "1.1.0",
                  R"(,"prevResult":)" + previous);
  };
  EXPECT_TRUE(
      runner_.check("static", with(R"({"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}]})"))
          .ok());
  EXPECT_THAT(runner_.check("static", with(R"({"cniVersion":"1.1.0","ips":[]})")).msg(),
              HasSubstr("lacks 10.1.0.5/24"));
  const auto other =
      runner_.check("static", with(R"({"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.9"}]})"));
  EXPECT_EQ(other.code(), 104) << other;
  EXPECT_THAT(runner_.check("static", config("")).msg(), HasSubstr("prevResult"));
}

TEST_F(Static, DelGcAndStatusNeedNothing) {
  EXPECT_TRUE(runner_.del("static", config(R"("addresses":"nonsense")")).ok());
  EXPECT_TRUE(runner_.del("static", config(R"("addresses":"nonsense")")).ok());
  EXPECT_TRUE(runner_.gc("static", config("", "1.1.0", R"(,"cni.dev/valid-attachments":[])")).ok());
  EXPECT_TRUE(runner_.status("static", config(kEvery)).ok());
  EXPECT_EQ(runner_.status("static", config(R"("addresses":"nonsense")")).code(), 7);
}

TEST_F(Static, GivesTheReferencesResult) {
  const std::string reference = "/usr/lib/cni/static";
  if (!fs::exists(reference)) GTEST_SKIP() << reference << " is missing: install containernetworking-plugins";
  runner_.install("reference", reference);
  const std::string every =
      R"("addresses":[{"address":"10.10.0.1/24","gateway":"10.10.0.254"},{"address":"3ffe:ffff:0:01ff::1/64","gateway":"3ffe:ffff:0::1"}],
       "routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1"},{"dst":"3ffe:ffff:0:01ff::1/64"}],"dns":{"nameservers":["8.8.8.8"]})";
  for (const char* version : {"0.2.0", "0.3.1", "0.4.0", "1.0.0"})
    EXPECT_EQ(runner_.add("static", config(every, version)).json, runner_.add("reference", config(every, version)).json)
        << version;
}

}  // namespace
}  // namespace barewire::test
