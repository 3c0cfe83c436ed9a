// SPDX-License-Identifier: Apache-2.0
/// Which programs the plugins run, and whether a name server is asked: neither may grow with the pods, and the second
/// never happens.
#include <cstdlib>
#include <fstream>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPrograms[] = {"iptables",
                                     "ip6tables",
                                     "iptables-restore",
                                     "ip6tables-restore",
                                     "iptables-legacy",
                                     "ip6tables-legacy",
                                     "iptables-save",
                                     "ip6tables-save",
                                     "iptables-legacy-restore",
                                     "ip6tables-legacy-restore",
                                     "nft",
                                     "ip",
                                     "tc",
                                     "busctl",
                                     "sysctl",
                                     "conntrack",
                                     "getent"};

/// Each of kPrograms in PATH writes down how it is called.
class Programs : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    if (!run_in("", "iptables -t nat -nL").ok()) GTEST_SKIP() << "the iptables command does not work here";
    for (const char* name : kPrograms) {
      const CommandResult found = run_shell(fmt::format("command -v {} | tr -d '\\n'", name));
      if (found.out.empty()) continue;
      write_text(directory_ / name,
                 fmt::format("#!/bin/sh\necho \"{} $*\" >>{}\nexec {} \"$@\"\n", name, directory_ / "log", found.out));
      must_run(fmt::format("chmod 755 {}", directory_ / name));
    }
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", (directory_.path() + ":" + old_path_).c_str(), 1);
    watch_resolver();
  }
  void TearDown() override {
    if (!old_path_.empty()) ::setenv("PATH", old_path_.c_str(), 1);
    StandardTest::TearDown();
  }
  /// A name server that never answers, and counters of what it is asked.
  void watch_resolver() {
    write_text(directory_ / "resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    // Without the file the resolver asks the loopback address too.
    must_run(fmt::format("[ ! -e /etc/resolv.conf ] || mount --bind {} $(readlink -f /etc/resolv.conf)",
                         directory_ / "resolv.conf"));
    must_run(
        "nft -f - <<'EOF'\n"
        "table inet watch {\n"
        "  chain out { type filter hook output priority -400; udp dport 53 counter drop; tcp dport 53 counter drop; }\n"
        "}\nEOF");
  }
  static int questions() {
    return std::stoi(
        must_run("nft list table inet watch | grep -o 'packets [0-9]*' | "
                 "awk '{n += $2} END {print n}'"));
  }
  /// Since the last time.
  std::vector<std::string> calls() {
    std::ifstream file(directory_ / "log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    std::ofstream(directory_ / "log", std::ios::trunc);
    return lines;
  }
  struct Step {
    std::string plugin, keys;
  };
  static std::vector<Step> chain(int number, const std::string& backend) {
    const std::string key = backend.empty() ? "" : fmt::format(R"("backend":"{}",)", backend);
    const std::string masquerade = backend.empty() ? "" : fmt::format(R"("ipMasqBackend":"{}",)", backend);
    return {
        {"bridge",
         masquerade +
             R"("isDefaultGateway":true,"ipMasq":true,"macspoofchk":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/16"}],[{"subnet":"2001:db8:1::/64"}]]})"},
        {"portmap",
         key +
             fmt::format(
                 R"("runtimeConfig":{{"portMappings":[{{"hostPort":{},"containerPort":80,"protocol":"tcp"}},{{"hostPort":{},"containerPort":53,"protocol":"udp"}}]}})",
                 8000 + number, 5300 + number)},
        {"firewall", key + R"("ingressPolicy":"same-bridge")"},
        {"tuning", R"("mtu":1400)"},
        {"sbr", R"("unused":1)"}};
  }
  static std::string config(const Step& step, const json::value& previous) {
    return fmt::format(R"({{"cniVersion":"1.0.0","name":"mynet","type":"{}",{}{}}})", step.plugin, step.keys,
                       previous.is_null() ? "" : ",\"prevResult\":" + json::serialize(previous));
  }
  static std::string name(int number) { return fmt::format("n{}", number); }
  /// What runs during ADD, CHECK and DEL of one pod, all plugins, by verb.
  std::map<std::string, std::vector<std::string>> attach(int number, const std::string& backend, bool stays) {
    std::map<std::string, std::vector<std::string>> ran;
    const CniCall call = pod(name(number));
    json::value result;
    calls();
    for (const Step& step : chain(number, backend)) {
      const PluginResult added = runner_.add(step.plugin, config(step, result), call);
      EXPECT_TRUE(added.ok()) << step.plugin << added;
      result = added.json;
    }
    ran["ADD"] = calls();
    for (const Step& step : chain(number, backend))
      if (step.plugin != "bridge" && step.plugin != "sbr") {
        EXPECT_TRUE(runner_.check(step.plugin, config(step, result), call).ok()) << step.plugin;
      }
    ran["CHECK"] = calls();
    if (stays) return ran;
    auto steps = chain(number, backend);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step)
      EXPECT_TRUE(runner_.del(step->plugin, config(*step, result), call).ok()) << step->plugin;
    ran["DEL"] = calls();
    return ran;
  }
  TempDir directory_;
  std::string old_path_;
};

TEST_F(Programs, AreFewAndNoNameServerIsAsked) {
  for (const std::string& backend : sampled(std::vector<std::string>{"", "iptables", "nftables"})) {
    make_netns(name(1));
    attach(1, backend, false);  // what all pods share
    const auto alone = attach(1, backend, false);
    constexpr int kPods = 6;
    for (int number = 2; number <= kPods; ++number) {
      make_netns(name(number));
      attach(number, backend, true);
    }
    const auto beside = attach(1, backend, false);
    for (const char* verb : {"ADD", "CHECK", "DEL"}) {
      EXPECT_EQ(alone.at(verb).size(), beside.at(verb).size()) << backend << verb << " grows with the pods";
      EXPECT_LE(beside.at(verb).size(), backend == "nftables" ? 0U : 6U)
          << backend << verb << ::testing::PrintToString(beside.at(verb));
      for (const std::string& line : beside.at(verb)) EXPECT_THAT(line + " ", Not(HasSubstr(" -L "))) << verb;
    }
    EXPECT_EQ(0, questions()) << backend;
    for (int number = 1; number <= kPods; ++number) delete_netns(name(number));
    must_run("rm -rf /run/barewire /var/lib/cni/networks; ip link del cni0");
    calls();
  }
}

/// The reference's and the admin's ways of writing a rule that cost a question per address.
TEST_F(Programs, AskNobodyAboutNamesInConditions) {
  make_netns(name(1));
  const CniCall call = pod(name(1));
  const auto steps = chain(1, "iptables");
  const PluginResult bridge = runner_.add("bridge", config(steps[0], {}), call);
  ASSERT_TRUE(bridge.ok()) << bridge;
  Step named = steps[1];
  named.keys += R"(,"conditionsV4":["!","-s","node.example.org"])";
  const PluginResult refused = runner_.add("portmap", config(named, bridge.json), call);
  EXPECT_EQ(7, refused.code()) << refused;
  EXPECT_EQ(0, questions());
}

}  // namespace
}  // namespace barewire::test
