// SPDX-License-Identifier: Apache-2.0
/// The sbr plugin behind two interfaces of a pod on two networks with the same destinations.
#include "core/fd.h"
#include "core/json_view.h"
#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFirst =
    R"("prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"h1"},{"name":"net1","sandbox":"/run/netns/pod1"}],"ips":[{"address":"192.0.2.5/24","gateway":"192.0.2.1","interface":1},{"address":"2001:db8:1::5/64","gateway":"2001:db8:1::1","interface":1}]})";
constexpr const char* kSecond =
    R"("prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"net2","sandbox":"/run/netns/pod1"}],"ips":[{"address":"198.51.100.5/24","gateway":"198.51.100.1","interface":0}]})";

class Sbr : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    must_run("for i in 1 2; do ip link add h$i type veth peer name net$i netns pod1 && ip link set h$i up; done");
    must_run_in(pod_,
                "ip link set net1 up && ip link set net2 up && ip addr add 192.0.2.5/24 dev net1 && "
                "ip -6 addr add 2001:db8:1::5/64 dev net1 nodad && ip addr add 198.51.100.5/24 dev net2 && "
                "ip route add default via 192.0.2.1 && ip route add 203.0.113.0/24 via 192.0.2.9 mtu 1400");
    before_ = routing();
  }
  static std::string config(const char* previous, const std::string& keys = {}) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"mynet","type":"sbr",{}{}}})", keys, previous);
  }
  PluginResult add(const std::string& text, const std::string& ifname) {
    PluginResult result = runner_.add("sbr", text, pod("pod1", ifname));
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    return result;
  }
  void del(const std::string& text, const std::string& ifname) {
    const PluginResult result = runner_.del("sbr", text, pod("pod1", ifname));
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
  }
  /// Both families: rules, and every route that is no kernel-made local or multicast one.
  std::string routing() const {
    return must_run_in(pod_, "for f in 4 6; do ip -$f rule; ip -$f route show table all type unicast | sort; done");
  }
  std::string way(const std::string& source) const { return must_run_in(pod_, "ip route get 8.8.8.8 from " + source); }
  std::string before_;
};

TEST_F(Sbr, SendsFromEachAddressByItsOwnInterface) {
  EXPECT_THAT(way("198.51.100.5"), HasSubstr("dev net1")) << "so it is without the plugin";
  const PluginResult result = add(config(kSecond), "net2");
  EXPECT_EQ("198.51.100.5/24", result.json.at("ips").as_array().at(0).at("address").as_string());
  EXPECT_THAT(way("198.51.100.5"), AllOf(HasSubstr("via 198.51.100.1"), HasSubstr("dev net2"), HasSubstr("table 100")));
  EXPECT_THAT(way("192.0.2.5"), HasSubstr("dev net1"));
  add(config(kFirst), "net1");
  EXPECT_THAT(way("192.0.2.5"), AllOf(HasSubstr("dev net1"), HasSubstr("table 101")));
  EXPECT_THAT(must_run_in(pod_, "ip -6 route get 2001:db8:9::1 from 2001:db8:1::5"),
              AllOf(HasSubstr("via 2001:db8:1::1"), HasSubstr("table 102")));
  EXPECT_THAT(must_run_in(pod_, "ip route show table 101"),
              HasSubstr("203.0.113.0/24 via 192.0.2.9 dev net1 mtu 1400"));
  EXPECT_EQ("", must_run_in(pod_, "ip route show")) << "every route of the two has moved";
  EXPECT_THAT(must_run_in(pod_, "ip -6 route show dev net1"), HasSubstr("fe80::/64"));
  del(config(kFirst), "net1");
  del(config(kFirst), "net1");
  del(config(kSecond), "net2");
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, SendsFromEachAddressOfOneInterfaceByItsOwnGateway) {
  must_run_in(pod_, "ip addr add 203.0.113.5/24 dev net2");
  before_ = routing();
  const char* both =
      R"("prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"net2","sandbox":"/run/netns/pod1"}],"ips":[{"address":"198.51.100.5/24","gateway":"198.51.100.1","interface":0},{"address":"203.0.113.5/24","gateway":"203.0.113.1","interface":0}]})";
  add(config(both), "net2");
  EXPECT_THAT(way("198.51.100.5"), AllOf(HasSubstr("via 198.51.100.1"), HasSubstr("dev net2"), HasSubstr("table 100")));
  EXPECT_THAT(way("203.0.113.5"), AllOf(HasSubstr("via 203.0.113.1"), HasSubstr("dev net2"), HasSubstr("table 101")));
  EXPECT_THAT(must_run_in(pod_, "ip route show table 101"), HasSubstr("203.0.113.0/24 dev net2"));
  EXPECT_TRUE(runner_.check("sbr", config(both), pod("pod1", "net2")).ok());
  del(config(both), "net2");
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, TakesGatewaysAsAsked) {
  const std::string text = config(kSecond, R"("gateways":["198.51.100.9","2001:db8:2::9"],)");
  add(text, "net2");
  EXPECT_THAT(must_run_in(pod_, "ip route show table 100"),
              AllOf(HasSubstr("default via 198.51.100.9 dev net2"), Not(HasSubstr("198.51.100.1 "))));
  EXPECT_TRUE(runner_.check("sbr", text, pod("pod1", "net2")).ok());
  del(text, "net2");
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, LeadsToATableOfOthersAndMovesNothing) {
  const std::string text = config(kSecond, R"("table":4711,)");
  must_run_in(pod_, "ip route add default via 198.51.100.7 table 4711");
  before_ = routing();
  const std::string main = must_run_in(pod_, "ip route show");
  add(text, "net2");
  EXPECT_THAT(way("198.51.100.5"), HasSubstr("via 198.51.100.7"));
  EXPECT_EQ(main, must_run_in(pod_, "ip route show"));
  del(text, "net2");
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, SourceHintsKeepTheWayToNeighboursInTheMainTable) {
  const std::string text = config(kSecond, R"("addSourceHints":true,)");
  add(text, "net2");
  EXPECT_THAT(must_run_in(pod_, "ip route show dev net2"), HasSubstr("198.51.100.0/24 scope link src 198.51.100.5"));
  EXPECT_THAT(way("198.51.100.5"), HasSubstr("table 100"));
  EXPECT_TRUE(runner_.check("sbr", text, pod("pod1", "net2")).ok());
  del(text, "net2");
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, GivesBackItsRoutesBesideThoseOfOthers) {
  add(config(kFirst), "net1");
  must_run_in(pod_, "ip route add default via 198.51.100.1");
  del(config(kFirst), "net1");
  EXPECT_THAT(must_run_in(pod_, "ip route show default"), AllOf(HasSubstr("198.51.100.1"), HasSubstr("192.0.2.1")));
}

TEST_F(Sbr, UndoesWhatAReleaseWithOneTablePerInterfaceLeft) {
  must_run_in(pod_,
              "ip rule add from 198.51.100.5 table 100 && ip route add 198.51.100.0/24 dev net2 table 100 && "
              "ip route add default via 198.51.100.1 dev net2 table 100 && ip route del 198.51.100.0/24 dev net2");
  add(config(kFirst), "net1");  // for a record to begin with
  const std::string path = must_run("ls /run/barewire/attachments/mynet/*net1*");
  std::string record = *read_file(path.substr(0, path.find('\n')));
  const std::string index = must_run_in(pod_, "cat /sys/class/net/net2/ifindex || ip -o link show net2 | cut -d: -f1");
  del(config(kFirst), "net1");
  auto document = parse_json(record, "record").as_object();
  auto& data = document.at("data").as_object();
  const int dev = std::stoi(must_run_in(pod_, "ip -o link show net2 | cut -d: -f1"));
  data.clear();
  data["ifindex"] = dev;
  data["table"] = parse_json(
      fmt::format(
          R"({{"number":100,"sources":["198.51.100.5"],"moved":[{{"dst":"198.51.100.0/24","dev":{0},"protocol":2,"src":"198.51.100.5","scope":253}}],"defaults":[{{"dst":"0.0.0.0/0","dev":{0},"protocol":3,"gw":"198.51.100.1"}}]}})",
          dev),
      "t");
  document["ifname"] = "net2";
  write_text("/run/barewire/attachments/mynet/pod1@net2.sbr.json", boost::json::serialize(document));
  del(config(kSecond), "net2");
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, DelManagesWithoutInterfaceRecordOrNetns) {
  add(config(kSecond), "net2");
  must_run("ip link del h2");
  del(config(kSecond), "net2");
  EXPECT_THAT(routing(), Not(HasSubstr("198.51.100.5")));
  add(config(kFirst), "net1");
  must_run("rm -r /run/barewire/attachments");
  del(config(kFirst), "net1");
  EXPECT_THAT(must_run_in(pod_, "ip rule; ip -6 rule"), Not(HasSubstr("lookup 100")));
  delete_netns("pod1");
  del(config(kFirst), "net1");
}

TEST_F(Sbr, GcTakesBackWhatIsNotListed) {
  add(config(kFirst), "net1");
  const std::string with_table = routing();
  EXPECT_TRUE(runner_.gc("sbr", with_valid(config(kFirst), R"([{"containerID":"pod1","ifname":"net1"}])")).ok());
  EXPECT_EQ(with_table, routing());
  EXPECT_TRUE(runner_.gc("sbr", with_valid(config(kFirst), "[]")).ok());
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, CheckFindsEachMissingPiece) {
  for (const char* damage : {"ip rule del from 192.0.2.5", "ip -6 rule del from 2001:db8:1::5",
                             "ip route del default table 100", "ip route del 203.0.113.0/24 table 100"}) {
    add(config(kFirst), "net1");
    EXPECT_TRUE(runner_.check("sbr", config(kFirst), pod("pod1", "net1")).ok()) << damage;
    must_run_in(pod_, damage);
    EXPECT_EQ(104, runner_.check("sbr", config(kFirst), pod("pod1", "net1")).code()) << damage;
    del(config(kFirst), "net1");
    EXPECT_EQ(before_, routing());
  }
}

TEST_F(Sbr, RefusesBadValuesWithNothingTouched) {
  for (const auto& [keys, part] :
       std::vector<std::pair<std::string, std::string>>{{R"("table":0,)", "table"},
                                                        {R"("gateways":["here"],)", "gateways"},
                                                        {R"("addSourceHints":1,)", "addSourceHints"}}) {
    const PluginResult result = runner_.add("sbr", config(kFirst, keys), pod("pod1", "net1"));
    EXPECT_EQ(7, result.code()) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
  }
  EXPECT_EQ(7, runner_.add("sbr", config(kFirst), pod("pod1", "net2")).code()) << "no address of that interface";
  EXPECT_EQ(7, runner_.add("sbr", R"({"cniVersion":"1.1.0","name":"mynet","type":"sbr"})", pod("pod1", "net1")).code());
  EXPECT_EQ(before_, routing());
}

TEST_F(Sbr, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const Command command = runner_.command("ADD", "sbr", config(kFirst), pod("pod1", "net1"));
  const auto attempt = [&](const FaultOutcome& outcome) {
    del(config(kFirst), "net1");
    EXPECT_EQ(before_, routing()) << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    return outcome;
  };
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); }), 10U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO)); }), 10U);
}

}  // namespace
}  // namespace barewire::test
