// SPDX-License-Identifier: Apache-2.0
/// The harness tested with programs of the system: what it counts, kills, fails, isolates and compares.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/fault.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

Command shell(const std::string& text) {
  return {
      .program = "/bin/sh", .arguments = {"-c", text}, .argv0 = {}, .environment = {}, .stdin_bytes = {}, .netns = {}};
}

TEST(Process, GivesExitStatusAndBothStreams) {
  Command command = shell("cat; echo oops >&2; exit 3");
  command.stdin_bytes = "hello";
  const CommandResult result = run(command);
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_EQ(result.out, "hello");
  EXPECT_EQ(result.err, "oops\n");
}

TEST(Process, KillsWhatDoesNotEndInTime) {
  Command command = shell("sleep 100");
  command.timeout = std::chrono::milliseconds(50);
  const CommandResult result = run(command);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit_status, 128 + SIGKILL);
}

TEST(Process, PassesNoCniVariableOfItsOwnEnvironment) {
  ::setenv("CNI_ARGS", "left over", 1);
  EXPECT_THAT(run(shell("env")).out, Not(HasSubstr("CNI_ARGS")));
  ::unsetenv("CNI_ARGS");
}

class Fault : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  }
  Command three_directories() const {
    return shell(fmt::format("/bin/mkdir {0}/a && /bin/mkdir {0}/b; /bin/mkdir {0}/c", dir_.path()));
  }
  TempDir dir_;
};

TEST_F(Fault, CountsWhatChangesTheNodeAndNothingElse) {
  const FaultOutcome outcome = trace_mutations(three_directories());
  EXPECT_TRUE(outcome.result.ok()) << outcome.result.err;
  EXPECT_FALSE(outcome.struck);
  EXPECT_THAT(outcome.mutations, Contains("mkdir " + dir_ / "b"));
  EXPECT_THAT(outcome.mutations, Not(Contains(HasSubstr("ld.so"))));
}

TEST_F(Fault, KillsBeforeTheMutationHappens) {
  const FaultOutcome outcome = kill_at(shell("echo x > " + dir_ / "file"), 0, KillTime::before);
  EXPECT_TRUE(outcome.struck);
  EXPECT_EQ(outcome.result.exit_status, 128 + SIGKILL);
  EXPECT_FALSE(fs::exists(dir_ / "file"));
}

TEST_F(Fault, KillsAfterTheMutationHappened) {
  const FaultOutcome outcome = kill_at(shell("echo x > " + dir_ / "file"), 0, KillTime::after);
  EXPECT_TRUE(outcome.struck);
  EXPECT_TRUE(fs::exists(dir_ / "file"));
  EXPECT_EQ(fs::file_size(dir_ / "file"), 0U) << "the write after the open did not happen";
}

TEST_F(Fault, KillsTheChildrenTooAndWhereTheTextSays) {
  const FaultOutcome outcome = kill_at(three_directories(), "mkdir " + dir_ / "b", KillTime::after);
  EXPECT_TRUE(outcome.struck);
  EXPECT_TRUE(fs::exists(dir_ / "a"));
  EXPECT_TRUE(fs::exists(dir_ / "b"));
  EXPECT_FALSE(fs::exists(dir_ / "c"));
}

TEST_F(Fault, MakesOneCallFailWithoutExecutingIt) {
  const Command command = {.program = "/bin/mkdir",
                           .arguments = {dir_ / "x"},
                           .argv0 = {},
                           .environment = {},
                           .stdin_bytes = {},
                           .netns = {}};
  const FaultOutcome outcome = fail_at(command, 0, ENOSPC);
  EXPECT_TRUE(outcome.struck);
  EXPECT_EQ(outcome.result.exit_status, 1);
  EXPECT_THAT(outcome.result.err, HasSubstr("No space left"));
  EXPECT_FALSE(fs::exists(dir_ / "x"));
}

TEST_F(Fault, StrikesEveryMutationOnceAndThenStops) {
  const Command command = shell("echo x > " + dir_ / "file");
  const std::size_t all = trace_mutations(command).mutations.size();
  EXPECT_GE(all, 2U);
  ::setenv("BAREWIRE_SWEEP", "whole", 1);  // each test case is a process of its own
  const std::size_t end = for_each_mutation([&](std::size_t n) { return kill_at(command, n, KillTime::before); });
  EXPECT_GE(end, all);
  EXPECT_LT(end, all + 3);  // under AddressSanitizer it takes three steps at once
}

TEST_F(Fault, KillsWhatDoesNotEndInTime) {
  Command command = shell("sleep 100");
  command.timeout = std::chrono::milliseconds(100);
  EXPECT_TRUE(trace_mutations(command).result.timed_out);
}

class PrivateNode : public NetnsTest {};

TEST_F(PrivateNode, HasNoInterfaceButLoAndNoRecords) {
  const NodeSnapshot node = NodeSnapshot::take();
  EXPECT_TRUE(node.items().contains("link lo"));
  EXPECT_EQ(must_run("ls /sys/class/net"), "lo\n");
  EXPECT_EQ(must_run("ls /run /var/lib/cni"), "/run:\n\n/var/lib/cni:\n");
}

TEST_F(PrivateNode, MakesNetnsesThatAreApart) {
  const std::string pod = make_netns("pod1");
  EXPECT_EQ(pod, "/run/netns/pod1");
  must_run("ip link add v0 type veth peer name v1 netns pod1");
  EXPECT_THAT(must_run_in(pod, "ip -br link"), AllOf(HasSubstr("v1"), Not(HasSubstr("v0"))));
  std::string seen;
  in_netns(pod, [&] { seen = must_run("ip -br link"); });
  EXPECT_THAT(seen, HasSubstr("v1"));
  delete_netns("pod1");
  EXPECT_FALSE(fs::exists(pod));
}

TEST_F(PrivateNode, PassesOnWhatIsThrownInsideANetns) {
  EXPECT_THROW(in_netns(make_netns("pod1"), [] { throw std::runtime_error("inside"); }), std::runtime_error);
}

TEST_F(PrivateNode, MakesADirectoryThatDoesNotExistOnTheMachine) {
  make_private_directory("/etc/barewire-test-only/deep");
  write_text("/etc/barewire-test-only/deep/file", "x");
  EXPECT_TRUE(fs::exists("/etc/passwd"));
}

TEST_F(PrivateNode, CountsNetlinkRequestsThatChangeAndNotThoseThatRead) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  EXPECT_THAT(trace_mutations(shell("exec /sbin/ip route show")).mutations, Not(Contains(HasSubstr("netlink"))));
  const FaultOutcome add = trace_mutations(shell("exec /sbin/ip link add d0 type veth"));
  EXPECT_THAT(add.mutations, Contains("sendmsg netlink protocol 0 message type 16"));
}

TEST_F(PrivateNode, SnapshotShowsWhatChanged) {
  must_run("ip link add d0 type veth peer name d1");
  const NodeSnapshot before = NodeSnapshot::take();
  EXPECT_EQ(before.difference(NodeSnapshot::take()), "");
  must_run("ip link set d0 mtu 1400; ip link property add dev d0 altname other; ip addr add 10.0.0.1/24 dev d0");
  write_text("/var/lib/cni/networks/n/10.0.0.2", "pod1");
  const std::string difference = before.difference(NodeSnapshot::take());
  EXPECT_THAT(difference, HasSubstr("- link d0.mtu = 1500\n+ link d0.mtu = 1400\n"));
  EXPECT_THAT(difference, HasSubstr("+ link d0.altnames[0] = \"other\"\n"));
  EXPECT_THAT(difference, HasSubstr("+ address d0 10.0.0.1.prefixlen = 24\n"));
  EXPECT_THAT(difference, HasSubstr("+ file /var/lib/cni/networks/n/10.0.0.2 = pod1\n"));
}

}  // namespace
}  // namespace barewire::test
