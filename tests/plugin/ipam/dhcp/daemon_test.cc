// SPDX-License-Identifier: Apache-2.0
/// The dhcp plugin where things go wrong or are asked for in particular: no daemon, no server, options, flags, bad
/// input.
#include "tests/plugin/ipam/dhcp/dhcp_fixture.h"
#include "tests/support/bad_input.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DhcpDaemon : public DhcpTest {
 protected:
  CommandResult daemon(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "daemon");
    return run(command_of(runner_.directory() + "/dhcp", std::move(arguments)));
  }
  static std::string details_of(const PluginResult& result) { return boost::json::serialize(result.json); }
};

TEST_F(DhcpDaemon, ThatDoesNotRunIsNamedWithWhatToDo) {
  const auto before = NodeSnapshot::take();
  const PluginResult added = runner_.add("macvlan", macvlan());
  EXPECT_EQ(added.code(), 5) << added;
  EXPECT_THAT(added.msg(), HasSubstr("/run/cni/dhcp.sock failed: nothing listens there"));
  EXPECT_THAT(details_of(added), HasSubstr("systemctl start cni-dhcp.socket"));
  EXPECT_EQ(runner_.status("macvlan", macvlan()).code(), 50);
  EXPECT_EQ(runner_.status("dhcp", macvlan()).code(), 50);
  EXPECT_TRUE(runner_.del("macvlan", macvlan()).ok());
  EXPECT_NODE_UNCHANGED(before);
}

/// As the README says to upgrade; writing into the file of a program that runs is "Text file busy".
TEST_F(DhcpDaemon, IsReplacedByACopyOfTheDirectoryWhileItRuns) {
  const TempDir installed, release;
  for (const TempDir* directory : {&installed, &release}) {
    std::filesystem::copy_file(built_program("barewire-cni"), *directory / "barewire-cni");
    std::filesystem::create_symlink("barewire-cni", *directory / "dhcp");
  }
  daemon_ = std::make_unique<ChildProcess>(command_of(installed / "dhcp", {"daemon"}));
  ASSERT_TRUE(within(kLong, [&] { return runner_.status("dhcp", config("dummy")).ok(); }));
  EXPECT_FALSE(run_shell(fmt::format("cp {} {}", release / "barewire-cni", installed / "barewire-cni")).ok());
  must_run("cp -a --remove-destination " + release.path() + "/. " + installed.path() + "/");
  EXPECT_TRUE(runner_.status("dhcp", config("dummy")).ok());
}

TEST_F(DhcpDaemon, TellsWhenNoServerAnswersAndLeavesNothing) {
  start_daemon({"-resendtimeout=1500ms"});
  const auto before = NodeSnapshot::take();
  const PluginResult result = runner_.add("macvlan", macvlan());
  EXPECT_EQ(result.code(), 105) << result;
  EXPECT_EQ(result.msg(), "getting a DHCP lease for eth0 of pod1 failed: no DHCP server answered");
  EXPECT_THAT(details_of(result), HasSubstr("-resendtimeout"));
  EXPECT_TRUE(records().empty());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(DhcpDaemon, GivesUpForACallerThatWasKilled) {
  start_daemon();
  const auto before = NodeSnapshot::take();
  {
    ChildProcess plugin(runner_.command("ADD", "macvlan", macvlan(), pod("pod1")));
    ASSERT_TRUE(within(kLong, [] { return daemon_log().find("asked for") != std::string::npos; }));
  }
  EXPECT_TRUE(within(kLong, [] { return daemon_log().find("the caller went away") != std::string::npos; }));
  EXPECT_TRUE(runner_.del("macvlan", macvlan()).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(DhcpDaemon, SendsTheOptionsProvidedAndAsksForThoseRequested) {
  start_server({"--dhcp-option=option:dns-server,10.77.0.53", "--dhcp-option=option:domain-name,lab.example",
                "--dhcp-option=option:domain-search,eng.example,lab.example",
                "--dhcp-option=option:classless-static-route,10.99.0.0/16,10.77.0.1"});
  start_daemon();
  const std::string text = macvlan(
      R"(,"priority":70,"provide":[{"option":"host-name","fromArg":"K8S_POD_NAME"},{"option":"vendor-class-identifier","value":"barewire"},{"option":"77","value":"gold"}],)"
      R"("request":[{"option":"6"},{"option":"15"},{"option":"119"},{"option":"121"}])");
  const PluginResult result = add("macvlan", text, pod("pod1", "IgnoreUnknown=1;K8S_POD_NAME=web-0"));
  const std::string log = DhcpServer::log();
  EXPECT_THAT(log, HasSubstr("client provides name: web-0"));
  EXPECT_THAT(log, HasSubstr("vendor class: barewire"));
  EXPECT_THAT(log, HasSubstr("user class: gold"));
  EXPECT_THAT(log, HasSubstr("requested options: 6:dns-server, 15:domain-name, 119:domain-search"));
  EXPECT_THAT(log, HasSubstr("requested options: 121:classless-static-route, 3:router, 1:netmask"));
  const std::string answer = boost::json::serialize(result.json);
  EXPECT_THAT(
      answer,
      HasSubstr(
          R"("dns":{"nameservers":["10.77.0.53"],"domain":"lab.example","search":["eng.example","lab.example"]})"));
  EXPECT_THAT(answer, HasSubstr(R"("routes":[{"dst":"10.99.0.0/16","gw":"10.77.0.1","priority":70}])"))
      << "the router does not count beside classless routes";
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("10.99.0.0/16 via 10.77.0.1 dev eth0 metric 70"));
  make_netns("pod2");
  const PluginResult other =
      add("macvlan", macvlan(R"(,"request":[{"skipDefault":true},{"option":"subnet-mask"}],"suppress":["gateway"])"),
          pod("pod2"));
  EXPECT_THAT(boost::json::serialize(other.json), Not(HasSubstr("\"gw\"")));
}

TEST_F(DhcpDaemon, RefusesWhatIsWrongInTheConfiguration) {
  start_daemon();
  const BadInput rows[] = {
      {R"("provide":{})", 7, "\"ipam.provide\""},
      {R"("provide":[{"value":"x"}])", 7, "\"ipam.provide[0].option\""},
      {R"("provide":[{"option":"hostname","value":"x"}])", 7, "\"hostname\""},
      {R"("provide":[{"option":"0","value":"x"}])", 7, "\"ipam.provide[0].option\" is \"0\""},
      {R"("provide":[{"option":"53","value":"x"}])", 7, "\"ipam.provide[0].option\" is \"53\""},
      {R"("provide":[{"option":true,"value":"x"}])", 7, "\"ipam.provide[0].option\" is true"},
      {R"("provide":[{"option":"12","value":5}])", 7, "\"ipam.provide[0].value\" is 5"},
      {R"("request":"6")", 7, "\"ipam.request\""},
      {R"("request":[{"option":"256"}])", 7, "\"ipam.request[0].option\" is \"256\""},
      {R"("request":[{"skipDefault":1}])", 7, "\"ipam.request[0].skipDefault\" is 1"},
      {R"("priority":-1)", 7, "\"ipam.priority\" is -1"},
      {R"("priority":"1")", 7, "\"ipam.priority\" is \"1\""},
      {R"("suppress":["dns"])", 7, "\"ipam.suppress[0]\" is \"dns\""},
      {R"("daemonSocketPath":5)", 7, "\"ipam.daemonSocketPath\" is 5"},
      {R"("daemonSocketPath":"dhcp.sock")", 7, "\"ipam.daemonSocketPath\" is \"dhcp.sock\""},
  };
  for (const BadInput& row : rows) {
    const PluginResult result = runner_.add("dhcp", macvlan(std::string(",") + row.members), pod("pod1"));
    EXPECT_EQ(result.code(), row.code) << row.members << result;
    EXPECT_THAT(result.msg(), HasSubstr(row.named));
    EXPECT_TRUE(runner_.del("dhcp", macvlan(std::string(",") + row.members), pod("pod1")).ok()) << row.members;
  }
  const PluginResult wide =
      runner_.add("dhcp", macvlan(R"(,"provide":[{"option":"12","value":")" + std::string(256, 'x') + "\"}]"));
  EXPECT_THAT(wide.msg(), HasSubstr("at most 255 bytes"));
  EXPECT_EQ(runner_.add("dhcp", macvlan(), pod("pod1")).code(), 101) << "no such interface";
  EXPECT_EQ(runner_.add("dhcp", macvlan(), pod("nowhere")).code(), 5) << "no such netns";
}

TEST_F(DhcpDaemon, OutlivesCallersThatTalkNonsense) {
  start_daemon();
  for (const char* words :
       {"", "{", "[]", R"({"command":"FLY"})", R"({"command":"ADD","config":"{}"})", R"({"command":"VERSION"})",
        R"({"command":"GC","path":"/x","config":"{\"cniVersion\":\"1.1.0\",\"name\":\"n\"}"})"})
    must_run(
        fmt::format("printf '%s' '{}' | timeout 20 python3 -c 'import socket,sys\n"
                    "s=socket.socket(socket.AF_UNIX)\ns.connect(\"/run/cni/dhcp.sock\")\n"
                    "s.sendall(sys.stdin.buffer.read())\ns.shutdown(socket.SHUT_WR)\n"
                    "assert b\"code\" in s.recv(4096)'",
                    words));
  EXPECT_TRUE(runner_.status("dhcp", macvlan()).ok());
}

TEST_F(DhcpDaemon, ServesOthersWhateverACallerOrItsNetnsDoes) {
  start_daemon();
  must_run("mkfifo /run/netns/fifo");
  ChildProcess silent(command_of("python3", {"-c",
                                             "import socket,time\n"
                                             "all=[]\n"
                                             "for i in range(40):\n"
                                             "  s=socket.socket(socket.AF_UNIX)\n"
                                             "  s.connect('/run/cni/dhcp.sock')\n"
                                             "  s.sendall(b'{\"command\":' if i%2 else b'')\n"
                                             "  all.append(s)\n"
                                             "open('/run/connected','w').close()\n"
                                             "time.sleep(60)"}));
  ASSERT_TRUE(within(kLong, [] { return std::filesystem::exists("/run/connected"); }));
  for (const std::string netns : {"/run/netns/fifo", "/dev/zero", "/run"}) {
    Command command = runner_.command("ADD", "dhcp", macvlan(), {.netns = netns, .args = {}, .netns_override = {}});
    command.timeout = std::chrono::seconds(5);
    const PluginResult result = PluginRunner::result_of(run(command));
    EXPECT_EQ(result.code(), 8) << netns << result;
  }
  EXPECT_TRUE(runner_.status("dhcp", macvlan()).ok());
}

TEST_F(DhcpDaemon, TakesItsSocketFromSystemd) {
  // As systemd does it: the socket listens before the daemon runs, which gets it as descriptor 3.
  std::filesystem::create_directories("/run/cni");
  const std::string activate = fmt::format(
      "import os,socket\ns=socket.socket(socket.AF_UNIX)\ns.bind('/run/cni/dhcp.sock')\ns.listen(5)\n"
      "os.dup2(s.fileno(),3)\nos.set_inheritable(3,True)\n"
      "os.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS='1')\nos.execv('{0}/dhcp',['{0}/dhcp','daemon'])\n",
      runner_.directory());
  {
    ChildProcess activated(command_of("python3", {"-c", activate}));
    EXPECT_TRUE(within(kLong, [&] { return runner_.status("dhcp", macvlan()).ok(); }));
    activated.signal(SIGTERM);
    const CommandResult result = activated.wait(kLong);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("handed over by systemd"));
  }
  EXPECT_TRUE(std::filesystem::exists("/run/cni/dhcp.sock")) << "it is systemd's";
}

TEST_F(DhcpDaemon, ListensBesideAnotherOnlyOnAnotherSocket) {
  start_daemon({"-pidfile /run/dhcp.pid"});
  EXPECT_EQ(read_file("/run/dhcp.pid"), std::to_string(daemon_->pid()));
  const CommandResult second = daemon({});
  EXPECT_EQ(second.exit_status, 1);
  EXPECT_THAT(second.err, HasSubstr("another DHCP daemon does"));
  EXPECT_TRUE(runner_.status("dhcp", macvlan()).ok());
  daemon_->signal(SIGTERM);
  EXPECT_EQ(daemon_->wait(kLong).exit_status, 0);
  daemon_.reset();
  EXPECT_FALSE(std::filesystem::exists("/run/cni/dhcp.sock"));
  EXPECT_FALSE(std::filesystem::exists("/run/dhcp.pid"));
}

TEST_F(DhcpDaemon, AskedToStopWhileItStartsLeavesNothing) {
  if (const std::string why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const Command command = command_of(runner_.directory() + "/dhcp", {"daemon", "-pidfile", "/run/dhcp.pid"});
  const FaultOutcome outcome = signal_at(command, "/run/cni", SIGTERM);
  EXPECT_TRUE(outcome.struck);
  EXPECT_EQ(outcome.result.exit_status, 0) << outcome.result.err;
  EXPECT_THAT(outcome.result.err, HasSubstr("stopping as asked"));
  EXPECT_FALSE(std::filesystem::exists("/run/cni/dhcp.sock"));
  EXPECT_FALSE(std::filesystem::exists("/run/dhcp.pid"));
}

TEST_F(DhcpDaemon, SeesTheHostBelowAPrefixAndListensWhereItIsTold) {
  start_server();
  // In a container the host's root may be anywhere.
  must_run("mkdir -p /run/host && mount --rbind / /run/host");
  ChildProcess contained(command_of(runner_.directory() + "/dhcp",
                                    {"daemon", "-hostprefix", "/run/host", "-socketpath", "/run/cni/other.sock"}));
  const std::string text = macvlan(R"(,"daemonSocketPath":"/run/cni/other.sock")");
  ASSERT_TRUE(within(kLong, [&] { return runner_.status("dhcp", text).ok(); }));
  add("macvlan", text);
  EXPECT_EQ(records().size(), 1U);
  contained.signal(SIGKILL);
  contained.wait(kLong);
  EXPECT_TRUE(runner_.del("macvlan", text).ok()) << "the record is the host's own";
  EXPECT_TRUE(is_released());
}

TEST_F(DhcpDaemon, ExplainsItsFlags) {
  const CommandResult help = daemon({"--help"});
  EXPECT_EQ(help.exit_status, 0);
  for (const char* flag :
       {"-pidfile", "-hostprefix", "-socketpath", "-broadcast", "-timeout", "-resendmax", "-resendtimeout"})
    EXPECT_THAT(help.out, HasSubstr(flag));
  const CommandResult wrong = daemon({"-timeout", "soon"});
  EXPECT_EQ(wrong.exit_status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("flag -timeout is \"soon\""));
}

}  // namespace
}  // namespace barewire::test
