// SPDX-License-Identifier: Apache-2.0
/// Traces from a runtime's call to a collector: the built plugins, the built daemon, an HTTP server of the tests' own.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>

#include "core/directory.h"
#include "core/fd.h"
#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/command.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kTraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kRuntimesSpan = "00f067aa0ba902b7";
constexpr const char* kTraces = "/run/barewire/traces";
constexpr std::chrono::seconds kLong{30};

std::string text(const json::value& span, const char* key) {
  return std::string(span.at(key).as_string());
}

/// trace_collector.py in the netns of the test.
class Collector {
 public:
  Collector() {
    process_ = std::make_unique<ChildProcess>(
        command_of("sh", {"-c", "exec python3 \"$0\" \"$1\" >\"$1/port\"",
                          BAREWIRE_SOURCE_DIR "/tests/support/trace_collector.py", directory_.path()}));
    const bool up = within(kLong, [&] { return read_file(directory_ / "port").value_or("").ends_with('\n'); });
    EXPECT_TRUE(up) << "the collector does not start";
  }
  std::string url() const {
    std::string port = read_file(directory_ / "port").value_or("\n");
    port.pop_back();
    return "http://127.0.0.1:" + port + "/v1/traces";
  }
  void answer_with(int status) const {
    write_file_atomically(directory_ / "status", std::to_string(status), Durability::until_reboot);
  }
  /// All spans it took.
  json::array spans() const {
    json::array all;
    std::istringstream lines(read_file(directory_ / "requests").value_or(""));
    for (std::string line; std::getline(lines, line);) {
      const json::value request = json::parse(line);
      for (const json::value& span : request.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").as_array())
        all.push_back(span);
    }
    return all;
  }
  bool has_refused() const { return fs::exists(directory_ / "refused"); }
  std::string resource() const { return read_file(directory_ / "requests").value_or(""); }

 private:
  TempDir directory_;
  std::unique_ptr<ChildProcess> process_;
};

class Traces : public StandardTest {
 protected:
  static Command daemon(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--own-pid-namespace", "--interval", "3600"});
    return command_of(built_program("barewired"), std::move(arguments));
  }
  /// A daemon that collects; it is ready when plugins have a place for their spans.
  std::unique_ptr<ChildProcess> start_daemon() {
    auto barewired = std::make_unique<ChildProcess>(daemon({"--traces-to", collector().url()}));
    EXPECT_TRUE(within(kLong, [] { return fs::exists(kTraces); })) << "the daemon does not start";
    return barewired;
  }

  PluginResult traced(const std::string& verb, const std::string& plugin, const std::string& config,
                      const std::string& parent = std::string("00-") + kTraceId + "-" + kRuntimesSpan + "-01") {
    Command command = runner_.command(verb, plugin, config, pod("pod1"));
    command.environment["TRACEPARENT"] = parent;
    command.environment["TRACESTATE"] = "congo=t61rcWkgMzE";
    command.environment["BAGGAGE"] = "user=alice";
    return PluginRunner::result_of(run(command));
  }
  static std::string config(const std::string& rest) { return R"({"cniVersion":"1.0.0","name":"mynet",)" + rest + "}"; }
  static std::string bridge() {
    return config(R"("type":"bridge","isGateway":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16"})");
  }
  /// What waits for the daemon.
  static std::vector<std::string> left() { return list_directory(kTraces); }

  /// Started by the first who asks, in the test's own netns.
  Collector& collector() {
    if (!collector_) collector_.emplace();
    return *collector_;
  }

  std::optional<Collector> collector_;
  TempDir scratch_;
};

/// The name of each step's parent by its own; checks what holds for all spans on the way.
std::map<std::string, std::string> parents_in(const json::array& spans) {
  std::map<std::string, json::value> by_id;
  for (const json::value& span : spans) by_id[text(span, "spanId")] = span;
  EXPECT_EQ(by_id.size(), spans.size()) << "ids are not unique";
  std::map<std::string, std::string> parent_of;
  for (const json::value& span : spans) {
    EXPECT_EQ(text(span, "traceId"), kTraceId);
    EXPECT_EQ(text(span, "traceState"), "congo=t61rcWkgMzE");
    if (text(span, "parentSpanId") == kRuntimesSpan) {
      parent_of[text(span, "name")] = "the runtime";
      continue;
    }
    const auto parent = by_id.find(text(span, "parentSpanId"));
    if (parent == by_id.end()) {
      ADD_FAILURE() << text(span, "name") << " has no parent";
      continue;
    }
    parent_of[text(span, "name")] = text(parent->second, "name");
    EXPECT_GE(text(span, "startTimeUnixNano"), text(parent->second, "startTimeUnixNano"));
    EXPECT_LE(text(span, "endTimeUnixNano"), text(parent->second, "endTimeUnixNano"));
  }
  return parent_of;
}

TEST_F(Traces, OfAChainArriveWithTheirParents) {
  auto barewired = start_daemon();
  const PluginResult attached = traced("ADD", "bridge", bridge());
  ASSERT_TRUE(attached.ok()) << attached;
  const std::string tuning = with_previous(config(R"("type":"tuning","mtu":1400)"), attached);
  ASSERT_TRUE(traced("ADD", "tuning", tuning).ok());
  const std::string ports = config(
      R"("type":"portmap","backend":"nftables","runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})");
  const PluginResult mapped = traced("ADD", "portmap", with_previous(ports, attached));
  ASSERT_TRUE(mapped.ok()) << mapped;
  const auto calls = [&] {
    const json::array spans = collector().spans();
    return std::count_if(spans.begin(), spans.end(),
                         [](const json::value& span) { return text(span, "parentSpanId") == kRuntimesSpan; });
  };
  ASSERT_TRUE(within(kLong, [&] { return calls() == 3; })) << calls();
  auto parent_of = parents_in(collector().spans());
  for (const char* call : {"bridge ADD", "tuning ADD", "portmap ADD"})
    EXPECT_EQ(parent_of[call], "the runtime") << call;
  EXPECT_EQ(parent_of["host-local ADD"], "bridge ADD");
  EXPECT_EQ(parent_of["nftables"], "portmap ADD");
  EXPECT_THAT(parent_of, AllOf(Contains(::testing::Key("lock")), Contains(::testing::Key("netlink"))));
  EXPECT_THAT(collector().resource(), AllOf(HasSubstr("service.name"), HasSubstr("cni.network"), HasSubstr("mynet")));
  EXPECT_TRUE(within(kLong, [] { return left().empty(); }));
  barewired->signal(SIGTERM);
  EXPECT_EQ(barewired->wait(kLong).exit_status, 0);
}

TEST_F(Traces, OfACallThatFailsSaySo) {
  auto barewired = start_daemon();
  const PluginResult refused = traced("ADD", "bridge", config(R"("type":"bridge","vlan":9999)"));
  ASSERT_FALSE(refused.ok());
  ASSERT_TRUE(within(kLong, [&] { return !collector().spans().empty(); }));
  EXPECT_EQ(text(collector().spans().at(0).at("status"), "message"), refused.msg());
}

/// A program in the place of a plugin of another suite, which says what it is given.
TEST_F(Traces, GoOnInADelegateOfAnotherSuite) {
  fs::create_directories(kTraces);
  const std::string said = scratch_ / "said";
  write_file_atomically(scratch_ / "ipam",
                        "#!/bin/sh\nenv | grep -E '^(TRACE|BAGGAGE)' >" + said +
                            "\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.1.2.3/24\"}]}'\n",
                        Durability::until_reboot, 0755);
  runner_.install("other-ipam", scratch_ / "ipam");
  const PluginResult added = traced("ADD", "bridge", config(R"("type":"bridge","ipam":{"type":"other-ipam"})"));
  ASSERT_TRUE(added.ok()) << added;
  ASSERT_THAT(left(), SizeIs(1));
  EXPECT_EQ(fs::status(std::string(kTraces) + "/" + left().at(0)).permissions(), fs::perms(0600));
  const json::value noted = json::parse(read_file(std::string(kTraces) + "/" + left().at(0)).value());
  std::string delegate;
  for (const json::value& span : noted.at("spans").as_array())
    if (text(span, "name") == "other-ipam ADD") delegate = text(span, "spanId");
  EXPECT_THAT(read_file(said).value_or(""),
              AllOf(HasSubstr(fmt::format("TRACEPARENT=00-{}-{}-01\n", kTraceId, delegate)),
                    HasSubstr("TRACESTATE=congo=t61rcWkgMzE\n"), HasSubstr("BAGGAGE=user=alice\n")));
}

TEST_F(Traces, ThatAreMalformedAreIgnoredWithOneLine) {
  fs::create_directories(kTraces);
  for (const char* parent : {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "\n\x1b[2J"}) {
    const PluginResult added = traced("ADD", "bridge", bridge(), parent);
    EXPECT_TRUE(added.ok()) << added;
    EXPECT_THAT(added.err, HasSubstr("ignoring TRACEPARENT"));
    EXPECT_EQ(std::count(added.err.begin(), added.err.end(), '\n'), 1) << added.err;
    ASSERT_TRUE(runner_.del("bridge", bridge(), pod("pod1")).ok());
  }
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(Traces, CostNothingWithoutTheVariable) {
  if (!run_in("", "strace -V").ok()) GTEST_SKIP() << "there is no strace";
  fs::create_directories(kTraces);
  const auto calls_of = [&](const std::string& parent) {
    Command command = runner_.command("ADD", "bridge", bridge(), pod("pod1"));
    const std::string file = scratch_ / "calls";
    command.arguments = {"-f",
                         "-qq",
                         "-o",
                         file,
                         "-e",
                         "trace=getrandom,linkat,getdents64,openat,open",
                         std::exchange(command.program, "strace")};
    command.argv0.reset();
    command.environment["ASAN_OPTIONS"] = "detect_leaks=0";  // it cannot look while another traces
    if (!parent.empty()) command.environment["TRACEPARENT"] = parent;
    EXPECT_TRUE(run(command).ok());
    EXPECT_TRUE(runner_.del("bridge", bridge(), pod("pod1")).ok());
    return read_file(file).value_or("");
  };
  EXPECT_THAT(calls_of(""), Not(HasSubstr(kTraces)));
  EXPECT_THAT(left(), IsEmpty());
  // As a check of the check.
  EXPECT_THAT(calls_of(fmt::format("00-{}-{}-01", kTraceId, kRuntimesSpan)), HasSubstr(kTraces));
}

TEST_F(Traces, AreNotWrittenWhereNobodyWantsThem) {
  ASSERT_TRUE(traced("ADD", "bridge", bridge()).ok());
  EXPECT_FALSE(fs::exists(kTraces));
  // A daemon without the option takes away what an earlier one with it has made.
  fs::create_directories(kTraces);
  ASSERT_TRUE(traced("DEL", "bridge", bridge()).ok());
  EXPECT_THAT(left(), SizeIs(1));
  ChildProcess barewired(daemon({}));
  EXPECT_TRUE(within(kLong, [] { return !fs::exists(kTraces); }));
}

TEST_F(Traces, WaitForACollectorThatIsAway) {
  collector().answer_with(503);
  auto barewired = start_daemon();
  write_file_atomically(std::string(kTraces) + "/broken.json", "{", Durability::until_reboot);
  ASSERT_TRUE(traced("ADD", "bridge", bridge()).ok());
  ASSERT_TRUE(within(kLong, [&] { return collector().has_refused(); }));
  // What no plugin has left is out of the way at once; the rest waits.
  ASSERT_TRUE(within(kLong, [] { return left().size() == 1 && left().at(0) != "broken.json"; }));
  const std::string waiting = std::string(kTraces) + "/" + left().at(0);
  const std::string old = std::string(kTraces) + "/old.json";
  write_file_atomically(old, R"({"format":1,"spans":[{"name":"old"}]})", Durability::until_reboot);
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::minutes(11));
  ASSERT_TRUE(within(kLong, [&] { return !fs::exists(old); }));
  EXPECT_TRUE(fs::exists(waiting));
  EXPECT_THAT(collector().spans(), IsEmpty());
  collector().answer_with(200);
  EXPECT_TRUE(within(kLong, [&] { return !fs::exists(waiting) && !collector().spans().empty(); }));
  barewired->signal(SIGTERM);
  const CommandResult ended = barewired->wait(kLong);
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("traces are not sent, trying again"), HasSubstr("takes them again"),
                               HasSubstr("broken.json are not sent"), HasSubstr("the spans of 1 calls are not sent")));
}

TEST_F(Traces, ThatTheCollectorRefusesAreGivenUp) {
  collector().answer_with(400);
  auto barewired = start_daemon();
  ASSERT_TRUE(traced("ADD", "bridge", bridge()).ok());
  // That they are there is not looked at: the daemon may have sent them by now.
  ASSERT_TRUE(within(kLong, [&] { return collector().has_refused(); }));
  EXPECT_TRUE(within(kLong, [] { return left().empty(); }));
  EXPECT_THAT(collector().spans(), IsEmpty());
}

}  // namespace
}  // namespace barewire::test
