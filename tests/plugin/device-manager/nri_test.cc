// SPDX-License-Identifier: Apache-2.0
/// The daemon as a plugin of a container runtime of the tests' own: VFs of claims into pods, and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json/serialize.hpp>
#include <thread>

#include "core/state/store.h"
#include "tests/plugin/device-manager/claim_fixture.h"
#include "tests/support/fault.h"
#include "tests/support/nri_runtime.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::chrono::seconds kLong{30};
constexpr const char* kSocket = "/var/run/nri/nri.sock";

/// Claims are written as Prepare leaves them: dra_test.cc is about how they come to be. The VFs are on
/// vfio-pci: netdevs that move are in tests/lab.
class NriTest : public ClaimTest {
 protected:
  void SetUp() override {
    ClaimTest::SetUp();
    if (IsSkipped()) return;
    make_netns("web-0");
    runtime_.emplace(kSocket);
  }
  void TearDown() override {
    if (daemon_ && HasFailure()) {
      daemon_->signal(SIGTERM);
      std::cerr << daemon_->wait(kLong).err;
    }
    daemon_.reset();
    runtime_.reset();
    ClaimTest::TearDown();
  }
  Command daemon() const {
    return command_of(built_program("barewired"), {"--own-pid-namespace", "--interval", "1", "--grace", "3600",
                                                   "--kubelet", "/run/no-kubelet", "--nri", kSocket});
  }
  /// Starts it and lets it register.
  bool start_daemon(const std::vector<TestSandbox>& running = {}) {
    daemon_.emplace(daemon());
    return runtime_->accept(running);
  }
  void kill_daemon() {
    daemon_->signal(SIGKILL);
    daemon_->wait(kLong);
    daemon_.reset();
  }
  static void claim(const std::string& name, const std::vector<std::pair<int, std::string>>& devices) {
    state::ClaimRecord record{
        .uid = name, .name_space = "default", .name = name, .pod = {"default", "web-0", "uid-web-0"}};
    for (const auto& [id, settings] : devices) {
      record.devices.push_back({.request = "main", .pool = "n1/0000-01-00.0", .device = device(id), .id = vf(id)});
      record.devices.back().settings = boost::json::parse("{" + settings + "}").as_object();
      state::Allocations("/var/lib/cni/barewire/allocations")
          .save({.device = vf(id), .by = state::Allocation::kClaim, .owner = name, .pod = record.pod});
    }
    state::ClaimRecords("/var/lib/cni/barewire/claims").save(record);
  }
  static TestSandbox sandbox(const std::string& id = "sandbox-1") { return {.id = id, .netns = "/run/netns/web-0"}; }
  /// "data0 net1": the interfaces that are wholly attached by the daemon.
  static std::string attached() {
    std::string names;
    for (const state::Attachment& each : attachments())
      if (each.id.network == "barewire.io" && each.data.contains("result"))
        names += (names.empty() ? "" : " ") + each.id.ifname;
    return names;
  }
  static std::vector<state::Attachment> attachments() { return state::Store("/run/barewire").list(); }

  std::optional<TestRuntime> runtime_;
  std::optional<ChildProcess> daemon_;
};

TEST_F(NriTest, AllVfsOfAPodsClaimsAreInItWhenItStartsAndHomeWhenItEnds) {
  ASSERT_TRUE(start_daemon());
  EXPECT_EQ(runtime_->plugin(), "50-barewire");
  EXPECT_EQ(runtime_->events(), 7);
  claim("one", {{0, R"("ifname":"data0","ipam":{"type":"static","addresses":[{"address":"10.9.8.7/24"}]})"}, {1, ""}});
  claim("two", {{2, ""}});
  EXPECT_EQ(runtime_->run_pod({.id = "other", .name = "other", .uid = "another-pod"}).code, 0);
  EXPECT_THAT(attachments(), IsEmpty());
  ASSERT_EQ(runtime_->run_pod(sandbox()).code, 0);
  EXPECT_EQ(attached(), "data0 net1 net2");
  EXPECT_THAT(boost::json::serialize(attachments()[0].data), HasSubstr("10.9.8.7/24"));
  const auto listed = barewire({"list"}).out;
  EXPECT_THAT(listed, HasSubstr("in pod"));
  EXPECT_THAT(listed, HasSubstr("default/web-0"));
  EXPECT_EQ(runtime_->run_pod(sandbox()).code, 0) << "what is there stays";
  EXPECT_THAT(attachments(), SizeIs(3));

  EXPECT_EQ(runtime_->stop_pod({.id = "sandbox-1"}).code, 0) << "some runtimes do not tell the netns again";
  EXPECT_THAT(attachments(), IsEmpty());
  EXPECT_EQ(runtime_->remove_pod({.id = "sandbox-1"}).code, 0);
}

TEST_F(NriTest, OneThatCannotBeAttachedLeavesTheOthersAsTheyWere) {
  ASSERT_TRUE(start_daemon());
  claim("one", {{0, R"("ifname":"net1")"}, {1, R"("ifname":"net1")"}});
  EXPECT_THAT(runtime_->run_pod(sandbox()).message, HasSubstr("has an interface net1 already"));
  EXPECT_THAT(attachments(), IsEmpty());
  claim("one", {{0, ""}, {1, R"("vlan":100)"}});  // its PF has no netdev to set that by
  EXPECT_THAT(runtime_->run_pod(sandbox()).message, HasSubstr("cannot be set"));
  EXPECT_THAT(attachments(), IsEmpty()) << "the first, too";
  EXPECT_TRUE(promise(0) && promise(1)) << "they are the claim's all the same";
  EXPECT_EQ(runtime_->stop_pod(sandbox()).code, 0);
}

TEST_F(NriTest, WhatANetworkOfThePodHasAttachedIsLeftAlone) {
  ASSERT_TRUE(start_daemon());
  claim("one", {{0, ""}, {1, ""}});
  CniCall call = this->call("web-0");
  call.container_id = "sandbox-1";
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.0"})";
  ASSERT_TRUE(runner_.add("sriov", config, call).ok());
  ASSERT_EQ(runtime_->run_pod(sandbox()).code, 0);
  EXPECT_EQ(attached(), "net2");
  EXPECT_EQ(runtime_->stop_pod(sandbox()).code, 0);
  ASSERT_THAT(attachments(), SizeIs(1));
  EXPECT_EQ(attachments()[0].id.network, "lan");
}

TEST_F(NriTest, PodsThatStartedWhileNobodyWasThereAreCaughtUpWith) {
  claim("one", {{0, ""}, {1, ""}});
  ASSERT_TRUE(start_daemon({{.id = "gone", .netns = "/run/netns/gone"}, sandbox()}));
  EXPECT_TRUE(within(kLong, [] { return attached() == "net1 net2"; }));
  kill_daemon();
  ASSERT_TRUE(start_daemon({sandbox()}));
  EXPECT_EQ(runtime_->stop_pod(sandbox()).code, 0) << "the next daemon knows them by their records";
  EXPECT_THAT(attachments(), IsEmpty());
}

TEST_F(NriTest, ARuntimeThatStartsAnewIsFoundAgain) {
  ASSERT_TRUE(start_daemon());
  runtime_->close_connection();
  ASSERT_TRUE(runtime_->accept());
  claim("one", {{0, ""}});
  EXPECT_EQ(runtime_->run_pod(sandbox()).code, 0);
  EXPECT_EQ(runtime_->stop_pod(sandbox()).code, 0);
}

TEST_F(NriTest, APodThatCannotBeAttachedInTimeIsRefusedInTime) {
  ASSERT_TRUE(start_daemon());
  // Somebody else has the PF for longer than the runtime waits.
  const state::Store store("/run/barewire");
  std::optional<state::FileLock> held(store.lock_device("0000:01:00.0"));
  claim("one", {{0, ""}, {1, ""}});
  runtime_->set_timeout(std::chrono::seconds(1));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_NE(runtime_->run_pod(sandbox()).code, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  held.reset();
  EXPECT_TRUE(within(kLong, [] { return attachments().empty(); }));
}

TEST_F(NriTest, KilledAtAnyFileOfAnAttachmentThePodIsWholeAfterwardsOrHasNothing) {
  if (const std::string why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  claim("one", {{0, ""}, {1, ""}});
  // In the daemon's own words: the record of each, the claim of each, and the plugin's answers.
  const std::vector<std::string> places = {"attachments/barewire.io/sandbox-1@net1", "devices/0000:01:10.0",
                                           "attachments/barewire.io/sandbox-1@net2", "devices/0000:01:10.1"};
  for (const std::string& at : sampled(places)) {
    std::thread runtime([&] {
      if (runtime_->accept()) runtime_->run_pod(sandbox());
    });
    kill_at(daemon(), at, KillTime::after);
    runtime.join();
    ASSERT_TRUE(start_daemon({sandbox()})) << at;
    EXPECT_TRUE(within(kLong, [] { return attached() == "net1 net2"; })) << at;
    EXPECT_EQ(runtime_->stop_pod(sandbox()).code, 0);
    EXPECT_THAT(attachments(), IsEmpty()) << at;
    kill_daemon();
  }
}

TEST_F(NriTest, HostileBytesEndTheConnectionAtMost) {
  daemon_.emplace(daemon());
  const std::vector<std::string> hostile = {
      "",                                                                // closed at once
      std::string(3, '\0'),                                              // half a header
      TestRuntime::frame(1, std::string(5, '\0')),                       // half a message
      std::string("\0\0\0\x01\xff\xff\xff\xff", 8),                      // a frame of 4 GiB
      TestRuntime::frame(0x7fffffff, "x"),                               // a connection that nobody has
      TestRuntime::frame(2, TestRuntime::message(1, 2, 0, "\xff\xff")),  // an answer that is none
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"};
  for (const std::string& bytes : hostile) {
    ASSERT_TRUE(runtime_->accept_silently());
    runtime_->send(bytes);
    runtime_->close_connection();
    must_run("ip link add wake type veth peer name wake1; ip link del wake");
  }
  ASSERT_TRUE(runtime_->accept());
  EXPECT_EQ(runtime_->call("Dance", "").code, 12);
  EXPECT_EQ(runtime_->call("RunPodSandbox", "\x0a\x7f").code, 3);
  // Larger than a message may be, in frames that are not.
  const std::uint32_t stream = runtime_->next_stream();
  const std::string large = TestRuntime::message(stream, 1, 0, std::string((4 << 20) + 1, 'x'));
  for (std::size_t at = 0; at < large.size(); at += 1 << 20)
    runtime_->send(TestRuntime::frame(1, large.substr(at, 1 << 20)));
  EXPECT_EQ(runtime_->take_reply(stream).code, 8);
  claim("one", {{0, ""}});
  EXPECT_EQ(runtime_->run_pod(sandbox()).code, 0);
  EXPECT_EQ(runtime_->stop_pod(sandbox()).code, 0);
}

}  // namespace
}  // namespace barewire::test
