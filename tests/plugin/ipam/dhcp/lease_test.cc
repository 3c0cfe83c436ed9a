// SPDX-License-Identifier: Apache-2.0
/// The dhcp plugin and its daemon against dnsmasq: leases taken, renewed, kept over a daemon's death, released, lost.
#include "tests/plugin/ipam/dhcp/dhcp_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class DhcpLease : public DhcpTest {};

TEST_F(DhcpLease, ABridgedPodGetsOneAndGivesItBack) {
  start_server();
  start_daemon();
  must_run("ip link add br0 type bridge && ip link set br0 up && ip link set eth0 master br0");
  const std::string text = config("bridge", R"(,"bridge":"br0")");
  const auto before = NodeSnapshot::take();
  const PluginResult result = add("bridge", text);
  EXPECT_THAT(address_of(result), MatchesRegex("10\\.77\\.0\\.[1-9][0-9]/24"));
  EXPECT_EQ(result.json.at("ips").as_array().at(0).at("gateway").as_string(), "10.77.0.1");
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("default via 10.77.0.1 dev eth0"));
  must_run_in(pod_, "ping -c1 -W5 -n 10.77.8.1");
  EXPECT_THAT(DhcpServer::leases(), HasSubstr("00:70:6f:64:31:2f:6d:79:6e:65:74:2f:65:74:68:30"))
      << "pod1/mynet/eth0 behind a zero";
  EXPECT_TRUE(runner_.check("bridge", with_previous(text, result)).ok());
  EXPECT_TRUE(runner_.status("bridge", text).ok());
  const PluginResult again = runner_.add("dhcp", text);
  EXPECT_EQ(address_of(again), address_of(result)) << "the lease it has, not another";
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_TRUE(is_released());
  EXPECT_TRUE(runner_.del("bridge", text).ok()) << "twice";
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(DhcpLease, AMacvlanPodGetsOneInTheConfigurationOfTheExamples) {
  start_server();
  start_daemon();
  const std::string text =
      R"({"cniVersion":"0.3.1","name":"mynet","type":"macvlan","master":"eth0","mode":"bridge","ipam":{"type":"dhcp"}})";
  const PluginResult result = add("macvlan", text);
  EXPECT_EQ(result.json.at("ips").as_array().at(0).at("version").as_string(), "4");
  must_run_in(pod_, "ping -c1 -W5 -n 10.77.8.1");
  EXPECT_TRUE(runner_.del("macvlan", text).ok());
  EXPECT_TRUE(is_released());
  EXPECT_TRUE(records().empty());
}

TEST_F(DhcpLease, ARouteThroughNobodyIsOnTheLinkInEveryVersion) {
  start_server({"--dhcp-option=121,0.0.0.0/0,10.77.0.2,169.254.169.254/32,0.0.0.0"});
  start_daemon();
  for (const char* version : {"0.4.0", "1.1.0"}) {
    const std::string text = fmt::format(
        R"({{"cniVersion":"{}","name":"mynet","type":"macvlan","master":"eth0","ipam":{{"type":"dhcp","request":[{{"option":"121"}}]}}}})",
        version);
    const PluginResult result = add("macvlan", text);
    const std::string routes = must_run_in(pod_, "ip route");
    EXPECT_THAT(routes, HasSubstr("169.254.169.254 dev eth0 scope link")) << version;
    EXPECT_THAT(routes, HasSubstr("default via 10.77.0.2 dev eth0")) << version;
    EXPECT_TRUE(runner_.check("macvlan", with_previous(text, result)).ok()) << version;
    EXPECT_TRUE(runner_.del("macvlan", text).ok());
  }
}

TEST_F(DhcpLease, IsRenewedByTheServerThatGaveIt) {
  start_server({"--dhcp-option=option:T1,3", "--dhcp-option=option:T2,400"});
  start_daemon();
  const std::string address = address_of(add("macvlan", macvlan()));
  const auto asked = DhcpServer::heard("DHCPDISCOVER(");
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::heard("DHCPACK(") >= 3; })) << DhcpServer::log();
  EXPECT_EQ(DhcpServer::heard("DHCPDISCOVER("), asked) << "renewals ask for no new lease";
  EXPECT_EQ(std::ranges::count(DhcpServer::leases(), '\n'), 1) << DhcpServer::leases();
  EXPECT_THAT(must_run_in(pod_, "ip addr show eth0"), HasSubstr(address));
}

TEST_F(DhcpLease, IsKeptOverTheDaemonsDeathAndRenewedByTheNext) {
  start_server({"--dhcp-option=option:T1,3", "--dhcp-option=option:T2,400"});
  start_daemon();
  const std::string text = macvlan();
  const PluginResult result = add("macvlan", text);
  kill_daemon();
  const auto asked = DhcpServer::heard("DHCPDISCOVER("), renewed = DhcpServer::heard("DHCPACK(");
  start_daemon();
  EXPECT_THAT(daemon_log(), HasSubstr("taken up again"));
  EXPECT_TRUE(runner_.check("macvlan", with_previous(text, result)).ok());
  EXPECT_TRUE(within(kLong, [&] { return DhcpServer::heard("DHCPACK(") > renewed; })) << DhcpServer::log();
  EXPECT_EQ(DhcpServer::heard("DHCPDISCOVER("), asked) << "no new lease was asked for";
  EXPECT_TRUE(runner_.del("macvlan", text).ok());
  EXPECT_TRUE(is_released());
}

TEST_F(DhcpLease, IsReleasedByDelWithoutADaemon) {
  start_server();
  start_daemon();
  const std::string text = macvlan();
  const auto before = NodeSnapshot::take();
  add("macvlan", text);
  kill_daemon();
  EXPECT_TRUE(runner_.del("macvlan", text).ok());
  EXPECT_TRUE(is_released());
  EXPECT_TRUE(runner_.del("macvlan", text).ok()) << "twice";
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(DhcpLease, IsForgottenWithoutFailingWhenThePodIsGone) {
  start_server();
  start_daemon();
  const std::string text = macvlan();
  add("macvlan", text);
  delete_netns("pod1");
  CniCall gone = pod("pod1");
  gone.netns.clear();
  EXPECT_TRUE(runner_.del("macvlan", text, gone).ok());
  EXPECT_TRUE(records().empty());
}

TEST_F(DhcpLease, OfAPodThatTheRuntimeDoesNotListIsReleasedByGc) {
  start_server();
  start_daemon();
  make_netns("pod2");
  const std::string text = macvlan();
  add("macvlan", text);
  const std::string kept = address_of(add("macvlan", text, pod("pod2")));
  const std::string listed =
      text.substr(0, text.rfind('}')) + R"(,"cni.dev/valid-attachments":[{"containerID":"pod2","ifname":"eth0"}]})";
  EXPECT_TRUE(runner_.gc("macvlan", listed).ok());
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::heard("DHCPRELEASE(") == 1; }));
  EXPECT_EQ(records().size(), 1U);
  EXPECT_THAT(DhcpServer::leases(), HasSubstr(kept.substr(0, kept.find('/'))));
}

TEST_F(DhcpLease, OfAnAddKilledAtAnyStepIsReleasedByDel) {
  if (const std::string why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  start_server();
  start_daemon();
  must_run("ip link add m0 link eth0 type macvlan mode bridge && ip link set m0 netns pod1 name eth0");
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = kill_at(runner_.command("ADD", "dhcp", macvlan(), pod("pod1")), n, KillTime::after);
    EXPECT_TRUE(runner_.del("dhcp", macvlan()).ok()) << n;
    EXPECT_TRUE(records().empty()) << n;
    EXPECT_TRUE(within(kLong, [] { return DhcpServer::leases().empty(); })) << n << "\n" << DhcpServer::leases();
    return outcome;
  });
  EXPECT_GE(steps, 2U) << "asking the daemon, and printing";
}

TEST_F(DhcpLease, ThatRanOutTakesTheInterfaceDown) {
  start_server();
  start_daemon();
  const std::string text = macvlan();
  const PluginResult result = add("macvlan", text);
  kill_daemon();
  stop_server();
  // As if the daemon had been away for longer than the lease.
  std::string record = read_file(records().at(0)).value();
  record.replace(record.find("\"leaseSeconds\":600"), 18, "\"leaseSeconds\":1");
  write_text(records().at(0), record);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // until that has run out
  start_daemon({"-resendtimeout 1s"});
  EXPECT_TRUE(within(kLong, [&] { return run_in(pod_, "ip link show eth0 | grep -q 'state DOWN'").ok(); }))
      << daemon_log();
  EXPECT_EQ(runner_.check("macvlan", with_previous(text, result)).code(), 104);
  EXPECT_TRUE(runner_.del("macvlan", text).ok());
}

}  // namespace
}  // namespace barewire::test
