// SPDX-License-Identifier: Apache-2.0
/// Every plugin, with a FIFO, a device, a directory, a socket or an endless file wherever it opens something: an answer
/// at once, nothing held, nothing left.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <vector>

#include "tests/support/command.h"
#include "tests/support/fault.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kAtOnce{10};  // a machine under load; a hang is for ever

/// The least that each plugin takes for good, but the members every one has.
const std::map<std::string, std::string>& configs() {
  static const std::string ipam = R"("ipam":{"type":"host-local","subnet":"10.9.0.0/24"})";
  static const std::string previous =
      R"("prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/pod1"}],)"
      R"("ips":[{"address":"10.9.0.2/24","interface":0}]})";
  static const std::map<std::string, std::string> kConfigs = {
      {"bandwidth", R"("ingressRate":8000,"ingressBurst":8000,)" + previous},
      {"bond", R"("mode":"active-backup","linksInContainer":true,"links":[{"name":"a"},{"name":"b"}])"},
      {"bridge", R"("bridge":"br9",)" + ipam},
      {"dhcp", R"("ipam":{"type":"dhcp"})"},
      {"dummy", ipam},
      {"firewall", previous},
      {"flannel", R"("subnetFile":"/run/subnet.env")"},
      {"host-device", R"("device":"up0")"},
      {"host-local", ipam},
      {"ipvlan", R"("master":"up0",)" + ipam},
      {"loopback", R"("x":1)"},
      {"macvlan", R"("master":"up0",)" + ipam},
      {"ovs", R"("bridge":"br9","socket_file":"unix:/run/none.sock")"},
      {"ovs-mirror-consumer",
       R"("bridge":"br9","socket_file":"unix:/run/none.sock","mirrors":[{"name":"m"}],)" + previous},
      {"ovs-mirror-producer",
       R"("bridge":"br9","socket_file":"unix:/run/none.sock","mirrors":[{"name":"m","ingress":true}],)" + previous},
      {"portmap",
       R"("runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]},)" + previous},
      {"ptp", ipam},
      {"rdma", R"("deviceID":"0000:01:10.0",)" + previous},
      {"sbr", previous},
      {"sriov", R"("deviceID":"0000:01:10.0")"},
      {"static", R"("ipam":{"type":"static","addresses":[{"address":"10.9.0.2/24"}]})"},
      {"tap", ipam},
      {"tuning", R"("mtu":1400,)" + previous},
      {"userspace",
       R"("host":{"engine":"ovs-dpdk","iftype":"vhostuser","netType":"bridge","bridge":{"bridgeName":"b"}})"},
      {"vlan", R"("master":"up0","vlanId":5,)" + ipam},
      {"vrf", R"("vrfname":"blue",)" + previous}};
  return kConfigs;
}

std::string config_of(const std::string& plugin, const std::string& members) {
  return fmt::format(R"({{"cniVersion":"1.0.0","name":"mynet","type":"{}",{}}})", plugin, members);
}

class SpecialFiles : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    make_netns("pod1");
    must_run("ip link add up0 type veth peer name up1 && mkdir -p /run/special/directory && mkfifo /run/special/fifo");
    must_run("ln -s /dev/zero /run/special/device && truncate -s 1G /run/special/endless");
    must_run("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/special/socket\")'");
    runner_.install("host-local", built_program("barewire-cni"));
    runner_.install("bridge", built_program("barewire-cni"));
  }

  PluginResult call(const std::string& verb, const std::string& plugin, const std::string& config,
                    const CniCall& call = {}) const {
    Command command = runner_.command(verb, plugin, config, call);
    command.timeout = kAtOnce;
    return PluginRunner::result_of(run(command));
  }
  static std::vector<std::string> plugins() {
    std::istringstream names(run(command_of(built_program("barewire-cni"), {"--names"})).out);
    return {std::istream_iterator<std::string>(names), {}};
  }
  /// ADD says what is wrong, in JSON, and DEL ends.
  void expect_answers(const std::string& plugin, const std::string& config, const CniCall& to,
                      const std::string& what) {
    const PluginResult added = call("ADD", plugin, config, to);
    EXPECT_FALSE(added.timed_out) << plugin << " hangs over " << what;
    if (!added.ok()) {
      EXPECT_GT(added.code(), 0) << plugin << " and " << what << "\n" << added;
    }
    for (const char* verb : {"CHECK", "DEL"})
      EXPECT_FALSE(call(verb, plugin, config, to).timed_out) << plugin << " " << verb << " hangs over " << what;
  }

  PluginRunner runner_;
};

TEST_F(SpecialFiles, AsNetnsAreRefusedByEveryPlugin) {
  for (const std::string& plugin : plugins())
    ASSERT_TRUE(configs().contains(plugin)) << plugin << " is missing from this sweep";
  for (const std::string& plugin : sampled(plugins())) {
    const auto members = configs().find(plugin);
    for (const char* kind : {"fifo", "device", "directory", "socket"}) {
      const CniCall to{.netns = std::string("/run/special/") + kind, .args = {}, .netns_override = {}};
      const std::string config = config_of(plugin, members->second);
      const auto before = NodeSnapshot::take_files();
      expect_answers(plugin, config, to, to.netns);
      const PluginResult gone = call("DEL", plugin, config, to);
      EXPECT_FALSE(gone.ok()) << plugin << " takes " << kind << " for a netns that is gone";
      EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << plugin << " and " << kind;
    }
  }
}

TEST_F(SpecialFiles, AsNetnsOfARecordDoNotKeepDelFromUndoing) {
  const std::string config = config_of("bridge", configs().at("bridge"));
  ASSERT_TRUE(call("ADD", "bridge", config).ok());
  delete_netns("pod1");
  must_run("mkfifo /run/netns/pod1");
  const PluginResult gone = call("DEL", "bridge", config);
  EXPECT_FALSE(gone.timed_out);
  EXPECT_EQ(gone.code(), 8) << gone;
  EXPECT_TRUE(std::filesystem::is_empty("/run/barewire/attachments/mynet")) << "undone all the same";
  must_run("rm /run/netns/pod1");
  EXPECT_TRUE(call("DEL", "bridge", config).ok());
}

struct FileKey {
  const char* plugin;
  const char* members;  ///< with {} for the path
};

TEST_F(SpecialFiles, AsFilesThatAConfigurationNames) {
  const std::vector<FileKey> keys = {
      {"host-local", R"("ipam":{"type":"host-local","subnet":"10.9.0.0/24","resolvConf":"{}"})"},
      {"bridge", R"("bridge":"br9","logFile":"{}","ipam":{"type":"host-local","subnet":"10.9.0.0/24"})"},
      {"flannel", R"("subnetFile":"{}")"},
      {"ovs", R"("bridge":"br9","socket_file":"unix:/run/none.sock","configuration_path":"{}")"},
      {"tuning", R"("mtu":1400,"dataDir":"{}","prevResult":{"cniVersion":"1.0.0"})"},
      {"sriov", R"("deviceID":"0000:01:10.0","runtimeConfig":{"CNIDeviceInfoFile":"{}"})"},
      {"dhcp", R"("ipam":{"type":"dhcp","daemonSocketPath":"{}"})"}};
  for (const FileKey& key : sampled(keys))
    for (const char* kind : {"fifo", "device", "directory", "socket", "endless"}) {
      std::string members = key.members;
      members.replace(members.find("{}"), 2, std::string("/run/special/") + kind);
      expect_answers(key.plugin, config_of(key.plugin, members), {}, members);
    }
  EXPECT_TRUE(call("ADD", "bridge", config_of("bridge", configs().at("bridge"))).ok()) << "a lock is held";
}

TEST_F(SpecialFiles, AsStateOfBarewireAndItsPeers) {
  const std::string bridge = config_of("bridge", configs().at("bridge"));
  must_run("mkdir -p /var/lib/cni/networks/mynet /run/barewire/locks /run/barewire/attachments/mynet");
  const std::vector<std::string> places = {"/var/lib/cni/networks/mynet/lock",
                                           "/var/lib/cni/networks/mynet/last_reserved_ip.0",
                                           "/var/lib/cni/networks/mynet/10.9.0.2",
                                           "/run/barewire/locks/attachment-mynet@pod1@eth0.bridge",
                                           "/run/barewire/attachments/mynet/pod1@eth0.bridge.json",
                                           "/run/barewire/attachments/mynet/.pod1@eth0.bridge.json.tmp"};
  for (const std::string& place : sampled(places))
    for (const char* make : {"mkfifo {}", "ln -s /dev/zero {}", "mkdir {}"}) {
      std::filesystem::remove_all(place);
      must_run(fmt::format(fmt::runtime(make), place));
      expect_answers("bridge", bridge, {}, make + place);
      std::filesystem::remove_all(place);
      EXPECT_FALSE(call("DEL", "bridge", bridge).timed_out) << place;
    }
  EXPECT_TRUE(call("ADD", "bridge", bridge).ok());
  EXPECT_TRUE(call("DEL", "bridge", bridge).ok());
}

std::vector<std::string> last_of_journal(int count) {
  std::istringstream stream(must_run(fmt::format("tail -n {} /var/lib/cni/barewire/journal/events", count)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_F(SpecialFiles, AsStandardOutputUndoAnAddWhoseResultNobodyGets) {
  const std::string config = config_of("bridge", configs().at("bridge"));
  ASSERT_TRUE(call("ADD", "bridge", config).ok());  // the bridge stays
  ASSERT_TRUE(call("DEL", "bridge", config).ok());
  const auto before = NodeSnapshot::take();
  for (const char* to : {"exec {} >&-", "exec {} >/dev/full", "{{ {} || echo $? >/run/status; }} | :"}) {
    Command command = runner_.command("ADD", "bridge", config);
    command.program = "sh";
    command.arguments = {"-c", fmt::format(fmt::runtime(to), runner_.directory() + "/bridge")};
    command.timeout = kAtOnce;
    const CommandResult result = run(command);
    const bool piped = std::string_view(to).ends_with(":");
    EXPECT_EQ(piped ? must_run("cat /run/status") : fmt::format("{}\n", result.exit_status), "1\n") << to << result.err;
    EXPECT_THAT(result.err, HasSubstr("the answer cannot be given")) << to;
    EXPECT_NODE_UNCHANGED(before) << to;
    // The runtime saw a failure, so the journal tells one, and that nobody but the plugin asked for the DEL.
    const std::vector<std::string> lines = last_of_journal(2);
    EXPECT_THAT(lines.at(0), AllOf(HasSubstr(R"("event":"refusal")"), HasSubstr(R"("command":"ADD")"),
                                   HasSubstr("the answer cannot be given: writing stdout failed")));
    EXPECT_THAT(lines.at(1), AllOf(HasSubstr(R"("event":"detach")"), HasSubstr(R"("cause":"bridge")")));
  }
}

TEST_F(SpecialFiles, OfOthersThanRootAreNoStateOfAPeer) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  // The runner's links are below /tmp, which is another one by then.
  const Command prepared = runner_.command("DEL", "ovs", config_of("ovs", R"("bridge":"br9")"));
  const auto del = [&prepared] {
    Command command = prepared;
    command.argv0 = "ovs";
    command.program = "/run/program/barewire-cni";
    command.environment["CNI_PATH"] = "/run/program";
    command.timeout = kAtOnce;
    return run(command);
  };
  // The build tree may be there as well.
  must_run("mkdir /run/program && cp " + built_program("barewire-cni") + " /run/program/");
  must_run("mount -t tmpfs -o mode=1777 tmpfs /tmp");
  const std::string nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c ";
  must_run(nobody + "'mkdir /tmp/ovscache && mkfifo /tmp/ovscache/pod1-eth0'");
  const CommandResult fifo = del();
  EXPECT_TRUE(fifo.ok()) << fifo.out << fifo.err;
  must_run(nobody + "'rm /tmp/ovscache/pod1-eth0; echo {\\\"OrigIfName\\\":\\\"chosen0\\\"} >/tmp/ovscache/pod1-eth0'");
  must_run("ip link add mv0 link up0 type macvlan && ip link set mv0 netns pod1 name eth0");
  const CommandResult text = del();
  EXPECT_TRUE(text.ok()) << text.out << text.err;
  EXPECT_THAT(text.err, HasSubstr("as if it were not there"));
  EXPECT_FALSE(run_in("", "ip link show chosen0").ok());
}

}  // namespace
}  // namespace barewire::test
