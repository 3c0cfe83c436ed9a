// SPDX-License-Identifier: Apache-2.0
/// An iptables command that fails, or dies, tells nothing of its rules: DEL says so, keeps its record, and the next DEL
/// finishes. Rules that calls at once look for and make are made once.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kBridge =
    R"({"cniVersion":"1.0.0","name":"mynet","type":"bridge","bridge":"br9","ipMasq":true,"ipMasqBackend":"iptables","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}})";
constexpr const char* kPortmap =
    R"({"cniVersion":"1.0.0","name":"mynet","type":"portmap","backend":"iptables","snat":true,"runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}})";
constexpr const char* kFirewall = R"({"cniVersion":"1.0.0","name":"mynet","type":"firewall","backend":"iptables"})";

class IptablesFault : public StandardTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    if (!run_shell("command -v iptables && command -v ip6tables").ok()) GTEST_SKIP() << "iptables is not installed";
    must_run("mkdir /run/bad");
    for (const std::string name : {"iptables", "ip6tables", "iptables-restore", "ip6tables-restore"}) {
      std::string real = must_run("command -v " + name);
      real.pop_back();
      const std::string script = "/run/bad/" + name;
      write_text(script, "#!/bin/sh\n[ -e /run/fault ] && . /run/fault\nexec " + real + " \"$@\"\n");
      ::chmod(script.c_str(), 0755);
    }
  }
  PluginResult call(const std::string& verb, const std::string& plugin, const std::string& config,
                    const CniCall& call = {}) const {
    Command command = runner_.command(verb, plugin, config, call);
    command.environment["PATH"] = "/run/bad:/usr/sbin:/usr/bin:/sbin:/bin";
    return PluginRunner::result_of(run(command));
  }
  /// What is left that names the pod.
  static std::string left() {
    return run_shell(
               "for t in iptables ip6tables; do for n in nat filter; do $t -w -t $n -S; done; done 2>/dev/null | "
               "grep -E '10\\.9\\.0|8080|mynet/pod1' || true")
        .out;
  }
};

TEST_P(IptablesFault, IsNeverTakenForAbsence) {
  const PluginResult added = call("ADD", "bridge", kBridge);
  ASSERT_TRUE(added.ok()) << added;
  const std::string portmap = with_previous(kPortmap, added), firewall = with_previous(kFirewall, added);
  ASSERT_TRUE(call("ADD", "portmap", portmap).ok());
  ASSERT_TRUE(call("ADD", "firewall", firewall).ok());

  write_text("/run/fault", std::string(GetParam()) + "\n");
  const std::pair<const char*, std::string> chain[] = {
      {"firewall", firewall}, {"portmap", portmap}, {"bridge", kBridge}};
  for (const auto& [plugin, config] : chain) {
    const PluginResult gone = call("DEL", plugin, config);
    EXPECT_FALSE(gone.ok()) << plugin << " says that its rules are gone";
    EXPECT_THAT(gone.out, HasSubstr("iptables")) << plugin;
  }
  EXPECT_NE(left(), "");

  must_run("rm /run/fault");
  for (const auto& [plugin, config] : chain) EXPECT_TRUE(call("DEL", plugin, config).ok()) << plugin;
  EXPECT_EQ(left(), "");
  for (const auto& [plugin, config] : chain) EXPECT_TRUE(call("DEL", plugin, config).ok()) << plugin << " once more";
}

INSTANTIATE_TEST_SUITE_P(Ways, IptablesFault,
                         ::testing::Values("echo 'iptables: Resource temporarily unavailable.' >&2; exit 4",
                                           "kill -9 $$", "echo 'iptables: Permission denied' >&2; exit 1", "exit 3"),
                         [](const auto& one) { return fmt::format("way{}", one.index); });

class IptablesAtOnce : public IptablesFault {};

TEST_P(IptablesAtOnce, SharedRulesAreMadeOnce) {
  constexpr int kPods = 4;
  std::vector<std::pair<CniCall, std::string>> pods;
  for (int i = 0; i < kPods; ++i) {
    const std::string name = fmt::format("many{}", i);
    make_netns(name);
    const PluginResult added = call("ADD", "bridge", kBridge, pod(name));
    ASSERT_TRUE(added.ok()) << added;
    pods.emplace_back(pod(name), with_previous(kFirewall, added));
  }
  std::vector<std::thread> threads;
  for (const auto& each : pods)
    threads.emplace_back([&, this] {
      const PluginResult added = call("ADD", "firewall", each.second, each.first);
      EXPECT_TRUE(added.ok()) << added;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(must_run("iptables -w -S FORWARD | grep -c 'j CNI-FORWARD'"), "1\n");
  EXPECT_EQ(must_run("iptables -w -S CNI-FORWARD | grep -c 'j CNI-ADMIN'"), "1\n");
}

INSTANTIATE_TEST_SUITE_P(Well, IptablesAtOnce, ::testing::Values(""));

}  // namespace
}  // namespace barewire::test
