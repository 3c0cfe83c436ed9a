// SPDX-License-Identifier: Apache-2.0
/// Configurations of the reference plugins' documentation, word by word, called as a user calls them by hand.
#include <boost/json/parse.hpp>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/plugin/standard/traffic.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A configuration for macvlan with a bridge's keys.
constexpr const char* kPiped =
    R"({"cniVersion":"0.3.1","name":"mynet","type":"macvlan","bridge":"cni0","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.244.1.0/24","routes":[{"dst":"0.0.0.0/0"}]}})";

class ByHand : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    make_outside();
    for (const char* name : {"a", "ns"}) make_netns(name);
    for (const char* name : {"bridge", "macvlan"}) runner_.install(name, built_program("barewire-cni"));
  }
  /// With every variable of the call written out, from the directory the plugins' own is in.
  CommandResult pipe(const std::string& verb, const std::string& plugin, const std::string& text) const {
    return run_shell(
        fmt::format("cd {} && echo '{}' | CNI_COMMAND={} CNI_NETNS=/var/run/netns/a CNI_PATH=./bin CNI_IFNAME=eth0 "
                    "CNI_CONTAINERID=a CNI_VERSION=0.3.1 ./bin/{}",
                    here_.path(), text, verb, plugin));
  }
  void make_bin() const { must_run(fmt::format("ln -s {} {}/bin", runner_.directory(), here_.path())); }
  static std::string netns_a() { return "/run/netns/a"; }
  TempDir here_;
};

TEST_F(ByHand, ABridgeIsMadeWhateverTypeTheConfigurationNames) {
  make_bin();
  const CommandResult added = pipe("ADD", "bridge", kPiped);
  ASSERT_TRUE(added.ok()) << added.out << added.err;
  const auto result = boost::json::parse(added.out);
  EXPECT_EQ(result.at("cniVersion").as_string(), "0.3.1");
  EXPECT_EQ(boost::json::serialize(result.at("ips")),
            R"([{"version":"4","interface":2,"address":"10.244.1.2/24","gateway":"10.244.1.1"}])");
  EXPECT_EQ(result.at("interfaces").as_array().at(0).at("name").as_string(), "cni0");
  EXPECT_THAT(must_run_in(netns_a(), "ip route"), HasSubstr("default via 10.244.1.1 dev eth0"));
  const EchoServer outside(outside_, 80, "outside");
  EXPECT_EQ("outside 192.0.2.1", ask(netns_a(), "192.0.2.2", 80)) << "masqueraded: the outside knows no way to the pod";
  EXPECT_TRUE(pipe("DEL", "bridge", kPiped).ok());
  EXPECT_EQ("", ask_briefly(netns_a(), "192.0.2.2", 80));
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("barewire")));
  EXPECT_TRUE(pipe("DEL", "bridge", kPiped).ok()) << "twice";
}

TEST_F(ByHand, AMacvlanWithoutMasterStandsOnTheInterfaceOfTheDefaultRoute) {
  make_bin();
  const CommandResult refused = pipe("ADD", "macvlan", kPiped);
  EXPECT_EQ(refused.exit_status, 1) << "there is no default route yet";
  must_run("ip route add default via 192.0.2.2");
  must_run_in(outside_, "ip addr add 10.244.1.1/24 dev eth0");
  const CommandResult added = pipe("ADD", "macvlan", kPiped);
  ASSERT_TRUE(added.ok()) << added.out << added.err;
  EXPECT_THAT(must_run_in(netns_a(), "ip -d link show eth0"), HasSubstr("macvlan mode bridge"));
  const EchoServer outside(outside_, 80, "outside");
  EXPECT_EQ("outside 10.244.1.2", ask(netns_a(), "192.0.2.2", 80)) << "with its own address, by the network's gateway";
  EXPECT_TRUE(pipe("DEL", "macvlan", kPiped).ok());
  EXPECT_FALSE(run_in(netns_a(), "ip link show eth0").ok());
}

/// A network on whose machine `outside` every address of these configurations lives.
class HostLocalInAPod : public ByHand {
 protected:
  void SetUp() override {
    ByHand::SetUp();
    if (IsSkipped()) return;
    must_run_in(outside_,
                "ip link set lo up && ip addr add 198.51.100.9/32 dev lo && ip addr add 192.168.7.7/32 dev lo && "
                "ip addr add 2001:db8:9::9/128 dev lo");
  }
  void add(const std::string& ipam, const std::string& gateways) {
    for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
      end = gateways.find(' ', begin);
      must_run_in(outside_, fmt::format("ip addr add {} dev eth0 nodad", gateways.substr(begin, end - begin)));
    }
    const PluginResult result = runner_.add(
        "macvlan",
        fmt::format(R"({{"cniVersion":"1.0.0","name":"net1","type":"macvlan","master":"up0","ipam":{}}})", ipam));
    EXPECT_TRUE(result.ok()) << result;
  }
  bool goes(const std::string& address, const std::string& gateway) const {
    EXPECT_THAT(must_run_in(pod_, "ip route get " + address), HasSubstr(" via " + gateway + " dev eth0"));
    return run_in(pod_, "ping -c1 -w20 -n " + address).ok();
  }
};

TEST_F(HostLocalInAPod, OneRangeWithAGatewayOfItsOwnAndOneOfARoute) {
  add(R"({"type":"host-local","subnet":"10.10.0.0/16","rangeStart":"10.10.1.20","rangeEnd":"10.10.3.50","gateway":"10.10.0.254","routes":[{"dst":"0.0.0.0/0"},{"dst":"192.168.0.0/16","gw":"10.10.5.1"}],"dataDir":"/var/lib/cni/my-orchestrator/container-ipam-state"})",
      "10.10.0.254/16 10.10.5.1/16");
  EXPECT_TRUE(goes("198.51.100.9", "10.10.0.254"));
  EXPECT_TRUE(goes("192.168.7.7", "10.10.5.1"));
  const EchoServer outside(outside_, 80, "outside");
  EXPECT_EQ("outside 10.10.1.20", ask(pod_, "192.168.7.7", 80));
}

TEST_F(HostLocalInAPod, OneRangeOfIpv6) {
  add(R"({"type":"host-local","subnet":"3ffe:ffff:0:01ff::/64","rangeStart":"3ffe:ffff:0:01ff::0010","rangeEnd":"3ffe:ffff:0:01ff::0020","routes":[{"dst":"3ffe:ffff:0:01ff::1/64"}],"resolvConf":"/etc/resolv.conf"})",
      "3ffe:ffff:0:1ff::1/64");
  EXPECT_THAT(must_run_in(pod_, "ip -6 addr show eth0"), HasSubstr("inet6 3ffe:ffff:0:1ff::10/64"));
  EXPECT_THAT(must_run_in(pod_, "ip -6 route"), HasSubstr("3ffe:ffff:0:1ff::/64 via 3ffe:ffff:0:1ff::1 dev eth0"));
  EXPECT_TRUE(run_in(pod_, "ping -c1 -w20 -n 3ffe:ffff:0:1ff::1").ok());
}

TEST_F(HostLocalInAPod, SeveralRangesOfBothFamilies) {
  add(R"({"type":"host-local","ranges":[[{"subnet":"10.10.0.0/16"},{"subnet":"172.16.5.0/24"}],[{"subnet":"2001:db8:1::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]})",
      "10.10.0.1/16 2001:db8:1::1/64");
  EXPECT_TRUE(goes("198.51.100.9", "10.10.0.1"));
  EXPECT_TRUE(goes("2001:db8:9::9", "2001:db8:1::1"));
}

TEST_F(ByHand, CnitoolMakesABridgeForTheNode) {
  write_text(
      here_ / "10-mynet.conf",
      R"({"cniVersion":"0.3.0","name":"mynet","type":"bridge","bridge":"mynet0","isDefaultGateway":true,"forceAddress":false,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","subnet":"10.10.0.0/16"}})");
  const auto cnitool = [&](const std::string& verb) {
    return must_run(fmt::format("NETCONFPATH={} CNI_PATH={} {} {} mynet /var/run/netns/ns", here_.path(),
                                runner_.cni_path(), built_program("cnitool"), verb));
  };
  cnitool("add");
  EXPECT_THAT(must_run_in("/run/netns/ns", "ip addr show eth0"), HasSubstr("inet 10.10.0.2/16"));
  EXPECT_THAT(must_run_in("/run/netns/ns", "ip route"), HasSubstr("default via 10.10.0.1 dev eth0"));
  const EchoServer outside(outside_, 80, "outside");
  EXPECT_EQ("outside 192.0.2.1", ask("/run/netns/ns", "192.0.2.2", 80));
  cnitool("del");
  EXPECT_FALSE(run_in("/run/netns/ns", "ip link show eth0").ok());
}

}  // namespace
}  // namespace barewire::test
