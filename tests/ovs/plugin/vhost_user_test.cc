// SPDX-License-Identifier: Apache-2.0
/// vhost-user ports of a real OVS-DPDK, with dpdk-testpmd as the program in the pod at the other end of the socket.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <sstream>

#include "core/unix_socket.h"
#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class VhostUserTest : public OvsPluginTest {
 protected:
  VhostUserTest() { datapath = OvsSandbox::Datapath::dpdk; }

  std::string vhost(const std::string& keys = {}, const std::string& type = "dpdkvhostuserclient") const {
    return config(fmt::format(R"(,"interface_type":"{}","ovs_run_dir":"{}"{})", type, ovs->file(""), keys));
  }
  static CniCall other_interface(const std::string& args = {}) {
    CniCall call = pod("pod1", args);
    call.ifname = "net1";
    return call;
  }
  static std::string socket_of(const PluginResult& result) {
    return std::string(result.json.at("interfaces").at(1).at("socketPath").as_string());
  }
  static mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777U;
  }
  /// The switch writes its counters into the database every few seconds.
  void wait_for_packets(const std::string& port, const std::string& direction) const {
    ovs->vsctl(fmt::format("--timeout=60 wait-until Interface {} 'statistics:{}_packets>=2'", port, direction));
  }
};

constexpr const char* kPing = "for i in $(seq 60); do ping -c1 -W1 -n 10.9.0.2 && exit 0; done; exit 1";

/// dpdk-testpmd in a pod, which answers ARP and echo requests for any address; two queue pairs, which the switch
/// follows.
class TestPmd {
 public:
  /// `server`: 1 when it makes the socket, 0 when the switch has.
  TestPmd(const std::string& socket, int server)
      : program_(Command{.program = "sh",
                         .arguments = {"-c", fmt::format("exec dpdk-testpmd -l 0,1 --no-huge -m 64 --no-pci "
                                                         "--no-telemetry --file-prefix=barewire-pod-{} "
                                                         "--vdev=net_virtio_user0,path={},server={},queues=2,"
                                                         "mac=02:00:00:00:00:09 -- --forward-mode=icmpecho --rxq=2 "
                                                         "--txq=2 --total-num-mbufs=4096 -i < /run/orders",
                                                         getpid(), socket, server)},
                         .argv0 = {},
                         .environment = {},
                         .stdin_bytes = {},
                         .netns = "/run/netns/pod1",
                         .timeout = std::chrono::seconds(180)}),
        orders_(::open("/run/orders", O_WRONLY | O_CLOEXEC)) {
    write_all(orders_.get(), "start\n", "orders");
  }
  /// Stops it; how many packets reached it.
  int finish() {
    write_all(orders_.get(), "stop\nquit\n", "orders");
    const CommandResult printed = program_.wait(std::chrono::seconds(90));
    const std::size_t totals = printed.out.find("Accumulated forward statistics");
    EXPECT_NE(totals, std::string::npos) << printed.out << printed.err;
    if (totals == std::string::npos) return 0;
    std::istringstream numbers(printed.out.substr(printed.out.find("RX-packets:", totals) + 11));
    int received = 0;
    numbers >> received;
    return received;
  }

 private:
  ChildProcess program_;
  Fd orders_;
};

class VhostUserTraffic : public VhostUserTest {
 protected:
  void SetUp() override {
    if (!run_shell("command -v dpdk-testpmd").ok()) GTEST_SKIP() << "dpdk-testpmd is not installed (package dpdk-dev)";
    VhostUserTest::SetUp();
    if (!IsSkipped()) must_run("mkfifo /run/orders");
  }
  /// A port of that type, a program on it, and peers on its VLAN and on another.
  void expect_traffic(const std::string& conf, int server) {
    const PluginResult result = add(conf);
    ASSERT_TRUE(result.ok()) << result;
    const std::string port = interface_name(result, 0);
    attach("peer", R"(,"vlan":100)" + with_address("10.9.0.1/24"));
    attach("other", R"(,"vlan":200)" + with_address("10.9.0.3/24"));
    TestPmd program(socket_of(result), server);
    ovs->vsctl("--timeout=60 wait-until Interface " + port + " link_state=up");
    EXPECT_THAT(ovs->vsctl("get Interface " + port + " status"), HasSubstr("num_of_vrings=\"4\""));
    EXPECT_TRUE(run_in("/run/netns/peer", kPing).ok());
    EXPECT_FALSE(run_in("/run/netns/other", "ping -c2 -W2 -n 10.9.0.2").ok());
    EXPECT_EQ(ovs->vsctl("get Interface " + port + " mtu"), "1400\n");
    if (server == 1) {               // Open vSwitch 3.1 counts no packets of ports of the other type
      wait_for_packets(port, "rx");  // an ARP reply and an echo reply came from the program
      wait_for_packets(port, "tx");
    }
    EXPECT_GE(program.finish(), 2) << "an ARP request and an echo request reached the program";
    EXPECT_TRUE(del(conf).ok());
  }
};

constexpr const char* kOnVlan = R"(,"vlan":100,"mtu":1400,"mac":"02:00:00:00:00:09")";

TEST_F(VhostUserTraffic, AProgramInThePodExchangesPacketsOfItsVlan) {
  expect_traffic(vhost(kOnVlan), 1);
}

TEST_F(VhostUserTraffic, AProgramExchangesPacketsThroughASocketOfTheSwitch) {
  const std::string keys = fmt::format(R"({},"socket_dir":"{}")", kOnVlan, ovs->file("pods"));
  expect_traffic(vhost(keys, "dpdkvhostuser"), 0);
}

TEST_F(VhostUserTest, TheSocketsPathIsToldAndNothingStays) {
  must_run("mkdir -p /run/pods /run/info");
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string keys = R"(,"socket_dir":"/run/pods/{podUID}","socket_mode":"0770","socket_group":"4711",)"
                           R"("runtimeConfig":{"CNIDeviceInfoFile":"/run/info/pod1.json"})" +
                           with_address("10.9.0.2/24");
  const CniCall call = pod("pod1", "IgnoreUnknown=1;K8S_POD_UID=u-1");
  const PluginResult result = add(vhost(keys), call);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(socket_of(result), "/run/pods/u-1/pod1-eth0");
  EXPECT_EQ(result.json.at("ips").at(0).at("address"), "10.9.0.2/24") << "for the program: no interface has it";
  EXPECT_EQ(mode_of("/run/pods/u-1"), 0770U);
  const auto info = boost::json::parse(read_file("/run/info/pod1.json").value_or("null"));
  EXPECT_EQ(info.at("type"), "vhost-user");
  EXPECT_EQ(info.at("vhost-user").at("path"), "/run/pods/u-1/pod1-eth0");
  EXPECT_EQ(info.at("vhost-user").at("mode"), "server");
  const std::string whole = with_previous(vhost(keys), result);
  EXPECT_TRUE(runner_.check("ovs", whole, call).ok()) << runner_.check("ovs", whole, call);
  ovs->vsctl("set Interface " + interface_name(result, 0) + " options:vhost-server-path=/run/elsewhere");
  EXPECT_THAT(runner_.check("ovs", whole, call).msg(), HasSubstr("Interface.options"));
  delete_netns("pod1");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(del(vhost(keys), call).ok());
  EXPECT_FALSE(read_file("/run/info/pod1.json"));
  EXPECT_FALSE(run_shell("test -e /run/pods/u-1").ok());
  expect_database_as_before();
  make_netns("pod1");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(VhostUserTest, ASocketOfTheSwitchIsPutWhereThePodLooks) {
  const PluginResult result =
      add(vhost(fmt::format(R"(,"socket_dir":"{}","socket_mode":"0666")", ovs->file("pods")), "dpdkvhostuser"));
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(socket_of(result), ovs->file("pods") + "/pod1-eth0");
  EXPECT_EQ(mode_of(socket_of(result)), 0666U);
  EXPECT_TRUE(run_shell("test -S " + socket_of(result)).ok());
  EXPECT_TRUE(del(vhost()).ok());
  EXPECT_FALSE(run_shell("test -e " + ovs->file("pods")).ok());
  const PluginResult elsewhere = add(vhost(R"(,"socket_dir":"/run/pods")", "dpdkvhostuser"));
  EXPECT_EQ(elsewhere.code(), 101) << elsewhere;
  EXPECT_THAT(elsewhere.msg(), HasSubstr("different file systems"));
  expect_database_as_before();
}

/// A program that listens at `path` until it is destroyed; the file stays.
Fd listen_at(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address(path);
  EXPECT_EQ(0, ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address)) << path;
  EXPECT_EQ(0, ::listen(socket.get(), 1));
  return socket;
}

TEST_F(VhostUserTest, TheSocketOfALiveProgramOutlivesARefusedAddAndWhateverDelFollows) {
  must_run("mkdir -p /run/pods");
  const std::string conf = vhost(R"(,"socket_dir":"/run/pods","socket_name":"shared")");
  {
    const Fd program = listen_at("/run/pods/shared");
    const std::string before = must_run("stat -c '%i %a %u' /run/pods/shared /run/pods");
    const PluginResult refused = add(conf);
    EXPECT_EQ(refused.code(), 102) << refused;
    EXPECT_THAT(refused.msg(), HasSubstr("a program listens there"));
    for (int twice = 0; twice < 2; ++twice) EXPECT_TRUE(del(conf).ok());
    EXPECT_EQ(before, must_run("stat -c '%i %a %u' /run/pods/shared /run/pods"));
    EXPECT_TRUE(has_listener("/run/pods/shared"));
  }
  const PluginResult first = add(conf);  // nobody listens any more, so it was a stale one
  ASSERT_TRUE(first.ok()) << first;
  const CniCall second = other_interface();
  EXPECT_EQ(add(conf, second).code(), 102) << "another attachment has it, though its program does not run yet";
  const Fd foreign = listen_at("/run/pods/shared");
  EXPECT_TRUE(del(conf, second).ok());
  EXPECT_TRUE(del(conf).ok());
  EXPECT_TRUE(has_listener("/run/pods/shared")) << "it is in another netns than the pod";
  expect_database_as_before();
}

TEST_F(VhostUserTest, ADirectoryThatWasThereKeepsItsModeAndNoLinkOfAPodIsFollowed) {
  must_run(
      "mkdir -m 0755 /run/precious && mkdir -m 0777 /run/volume && ln -s /run/precious /run/volume/eth0 && mkdir -m "
      "0711 /run/own");
  const auto state = [] {
    return must_run(
        "stat -c '%n %a %u:%g %i' /run/precious /run/volume /run/own; ls -lR /run/volume /run/precious /run/own");
  };
  const std::string before = state();
  const std::string keys = R"(,"socket_mode":"0777","socket_group":"65534")";
  const std::string linked = vhost(R"(,"socket_dir":"/run/volume/{ifname}")" + keys);
  const PluginResult refused = add(linked);
  EXPECT_EQ(refused.code(), 102) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("/run/volume/eth0"));
  EXPECT_EQ(add(vhost(R"(,"socket_dir":"/run/volume/{ifname}/below")" + keys)).code(), 102);
  EXPECT_TRUE(del(linked).ok());
  EXPECT_EQ(before, state());
  const std::string own = vhost(R"(,"socket_dir":"/run/own")" + keys);
  const PluginResult added = add(own);
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_THAT(added.err, HasSubstr("it was there before"));
  EXPECT_EQ(before, state());
  EXPECT_TRUE(del(own).ok());
  EXPECT_EQ(before, state());
  must_run("ln -s own /run/roots-own");  // in a directory that only root writes to
  EXPECT_TRUE(add(vhost(R"(,"socket_dir":"/run/roots-own/{ifname}")" + keys)).ok());
  EXPECT_EQ(mode_of("/run/own/eth0"), 0777U);
  EXPECT_TRUE(del(own).ok());
  EXPECT_EQ(before, state());
}

TEST_F(VhostUserTest, AttachmentsShareADirectoryUntilTheLastOneGoes) {
  const std::string conf = vhost(R"(,"socket_dir":"/run/deep/below/{podUID}")");
  const std::string call_args = "K8S_POD_UID=u-2";
  const CniCall first = pod("pod1", call_args), other = other_interface(call_args);
  ASSERT_TRUE(add(conf, first).ok());
  ASSERT_TRUE(add(conf, other).ok());
  EXPECT_TRUE(del(conf, first).ok());
  EXPECT_TRUE(run_shell("test -d /run/deep/below/u-2").ok());
  EXPECT_TRUE(del(conf, other).ok());
  EXPECT_FALSE(run_shell("test -e /run/deep").ok());
  expect_database_as_before();
}

TEST_F(VhostUserTest, ASocketIsToldWhereTheSwitchsOwnKeySaysItMakesThem) {
  must_run("mkdir " + ovs->file("guests"));
  ovs->kill_vswitchd();
  ovs->vsctl("--no-wait set Open_vSwitch . other_config:vhost-sock-dir=guests");
  ovs->start_vswitchd();
  const PluginResult result = add(vhost("", "dpdkvhostuser"));
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(socket_of(result), ovs->file("guests") + "/" + interface_name(result, 0));
  EXPECT_TRUE(run_shell("test -S " + socket_of(result)).ok());
  EXPECT_TRUE(runner_.check("ovs", with_previous(vhost("", "dpdkvhostuser"), result)).ok());
  EXPECT_TRUE(del(vhost()).ok());
  EXPECT_FALSE(run_shell("test -e " + socket_of(result)).ok());
}

TEST_F(VhostUserTest, TheKeysOfUserspaceCniMakeTheSamePort) {
  const auto userspace = [&](const std::string& host) {
    return fmt::format(
        R"({{"cniVersion":"1.0.0","name":"lan","type":"userspace","socket_file":"{}","ovs_run_dir":"{}",)"
        R"("sharedDir":"/run/shared/","host":{{{}}},"container":{{"engine":"vpp","iftype":"vhostuser",)"
        R"("netType":"interface","vhost":{{"mode":"server"}}}}}})",
        ovs->socket(), ovs->file(""), host);
  };
  const std::string good =
      userspace(R"("engine":"ovs-dpdk","iftype":"vhostuser","netType":"bridge","vhost":{"mode":"client"},)"
                R"("bridge":{"bridgeName":"br0","vlanId":55})");
  const PluginResult result = runner_.add("userspace", good, pod("pod1"));
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(socket_of(result), "/run/shared/pod1-eth0");
  EXPECT_EQ(port_column(result, "tag"), "55");
  EXPECT_EQ(ovs->vsctl("get Interface " + interface_name(result, 0) + " type"), "dpdkvhostuserclient\n");
  EXPECT_TRUE(runner_.check("userspace", with_previous(good, result), pod("pod1")).ok());
  EXPECT_TRUE(runner_
                  .status("userspace",
                          [&] {
                            std::string newer = good;
                            return newer.replace(newer.find("1.0.0"), 5, "1.1.0");
                          }())
                  .ok());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(runner_.del("userspace", good, pod("pod1")).ok());
  expect_database_as_before();
  const auto refusal = [&](const std::string& host) { return runner_.add("userspace", userspace(host), pod("pod1")); };
  for (const char* host : {R"("engine":"vpp","iftype":"vhostuser")", R"("engine":"ovs-dpdk","iftype":"memif")",
                           R"("engine":"ovs-dpdk","iftype":"vhostuser","netType":"interface")"})
    EXPECT_EQ(refusal(host).code(), 2) << host;
  EXPECT_EQ(refusal(R"("iftype":"vhostuser")").code(), 7);
  expect_database_as_before();
}

TEST_F(VhostUserTest, WhatUserspaceCniAttachedIsTakenDownByItsFiles) {
  const std::string conf = fmt::format(
      R"({{"cniVersion":"1.0.0","name":"lan","type":"userspace","socket_file":"{}","sharedDir":"/run/shared",)"
      R"("host":{{"engine":"ovs-dpdk","iftype":"vhostuser","vhost":{{"mode":"client"}}}}}})",
      ovs->socket());
  const CniCall call{
      .container_id = "0123456789abcdef", .netns = {}, .ifname = "net1", .args = {}, .netns_override = {}};
  const auto attach_as_the_peer = [&](const std::string& type) {
    must_run(
        "mkdir -p /run/shared /var/lib/cni/usrspcni/data; touch /run/shared/0123456789ab-net1;"
        "echo '{\"vhostname\":\"0123456789ab-net1\",\"vhostmac\":\"\",\"ifmac\":\"02:00:00:00:00:09\"}'"
        " > /var/lib/cni/usrspcni/data/local-0123456789ab-net1.json");
    ovs->vsctl("add-port br0 0123456789ab-net1 -- set Interface 0123456789ab-net1 " + type);
  };
  attach_as_the_peer("type=dpdkvhostuserclient options:vhost-server-path=/run/shared/0123456789ab-net1");
  must_run("touch /run/shared/0123456789ab-net10 /run/shared/0123456789ab-net1.5");
  EXPECT_TRUE(runner_.del("userspace", conf, call).ok());
  EXPECT_EQ("0123456789ab-net1.5\n0123456789ab-net10\n", must_run("ls /run/shared && rm /run/shared/*"));
  attach_as_the_peer("type=dpdkvhostuserclient options:vhost-server-path=/run/shared/0123456789ab-net1");
  for (int i = 0; i < 2; ++i) {
    const PluginResult gone = runner_.del("userspace", conf, call);
    EXPECT_TRUE(gone.ok()) << gone;
  }
  EXPECT_FALSE(run_shell("ls -d /run/shared /var/lib/cni/usrspcni/data/*").ok());
  expect_database_as_before();
  attach_as_the_peer("type=internal");
  EXPECT_TRUE(runner_.del("userspace", conf, call).ok());
  EXPECT_THAT(ovs->vsctl("list-ports br0"), HasSubstr("0123456789ab-net1")) << "somebody else's by that name";
}

TEST_F(VhostUserTest, WhatCannotBeIsRefusedBeforeAnythingIsTouched) {
  write_text("/run/a-file", "precious");
  const NodeSnapshot before = NodeSnapshot::take();
  const auto refused = [&](const std::string& keys, int code, const std::string& words) {
    const PluginResult result = add(vhost(keys));
    EXPECT_EQ(result.code(), code) << result;
    EXPECT_THAT(result.msg(), HasSubstr(words));
  };
  refused(fmt::format(R"(,"socket_dir":"/run/{}")", std::string(100, 'x')), 7, "expected at most 107");
  refused(R"(,"socket_dir":"relative")", 7, "an absolute path");
  refused(R"(,"socket_dir":"/run/{podUID}")", 7, "{podUID}");
  refused(R"(,"socket_dir":"/run/{what}")", 7, "{containerID}");
  refused(R"(,"socket_name":"../x")", 7, "socket_name");
  refused(R"(,"socket_mode":"999")", 7, "an octal mode");
  refused(R"(,"socket_group":"no-such-group")", 7, "socket_group");
  refused(R"(,"socket_dir":"/run","socket_name":"a-file")", 102, "another file is there");
  EXPECT_EQ(read_file("/run/a-file"), "precious");
  EXPECT_NODE_UNCHANGED(before);
  expect_database_as_before();
  ovs->vsctl("--no-wait add-br kernel -- set bridge kernel datapath_type=system");
  refused(R"(,"bridge":"kernel")", 101, "kernel's datapath");
}

TEST_F(OvsPluginTest, ASwitchWithoutDpdkRefusesVhostUserPortsAndStatusSaysSo) {
  const std::string conf = config(R"(,"interface_type":"dpdkvhostuserclient")");
  const PluginResult result = add(conf);
  EXPECT_EQ(result.code(), 101) << result;
  EXPECT_THAT(result.msg(), HasSubstr("runs without DPDK"));
  EXPECT_EQ(runner_.status("ovs", conf).code(), 50);
  expect_database_as_before();
}

}  // namespace
}  // namespace barewire::test
