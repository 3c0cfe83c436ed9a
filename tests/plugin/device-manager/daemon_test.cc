// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <filesystem>
#include <optional>

#include "core/fd.h"
#include "core/state/store.h"
#include "core/unix_socket.h"
#include "tests/plugin/device-manager/admin_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

/// systemd's end of sd_notify. Source: sd_notify(3).
class NotifySocket {
 public:
  NotifySocket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = unix_address(path());
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw sys_error("binding");
  }
  static const char* path() { return "/run/notify"; }

  /// Reads until a message holds `word`.
  bool hears(const std::string& word, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&readable, 1, 100) <= 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size > 0 && std::string(buffer.data(), static_cast<std::size_t>(size)).find(word) != std::string::npos)
        return true;
    }
    return false;
  }

 private:
  Fd fd_;
};

class DaemonTest : public AdminTest {
 protected:
  static Command daemon(std::vector<std::string> arguments) {
    Command command = command_of(built_program("barewired"), std::move(arguments));
    command.environment = {{"NOTIFY_SOCKET", NotifySocket::path()}, {"WATCHDOG_USEC", "1000000"}};
    return command;
  }
  static std::size_t records() { return state::Store("/run/barewire").list().size(); }
};

constexpr std::chrono::seconds kLong{20};

TEST_F(DaemonTest, DeletesWhatAPodLeftOnceItsNetnsIsGoneForTheGrace) {
  attach("web-0", "h0");
  attach("web-1", "h1");
  NotifySocket systemd;
  ChildProcess barewired(daemon({"--own-pid-namespace", "--interval", "3600", "--grace", "1"}));
  ASSERT_TRUE(systemd.hears("READY=1", kLong));
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // the attachments become older than the grace
  EXPECT_EQ(records(), 2U);
  delete_netns("web-0");
  EXPECT_TRUE(within(kLong, [] { return records() == 1; }));
  EXPECT_EQ(state::Store("/run/barewire").list().at(0).id.container_id, "cid-web-1");
  barewired.signal(SIGTERM);
  EXPECT_TRUE(systemd.hears("STOPPING=1", kLong));
  const CommandResult result = barewired.wait(kLong);
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("deleted attachment blue/cid-web-0/net1 of pod default/web-0 (host-device)"));
}

/// "net_admin", … of the unit file, as setpriv(1) takes them.
std::string rights_of_unit() {
  const std::string unit = read_file(BAREWIRE_SOURCE_DIR "/packaging/barewired.service.in").value_or("");
  const auto start = unit.find("CapabilityBoundingSet=");
  const std::string line = unit.substr(start, unit.find('\n', start) - start);
  std::string rights = "-all";
  for (std::size_t at = line.find("CAP_"); at != std::string::npos; at = line.find("CAP_", at + 1)) {
    rights += ",+";
    for (std::size_t i = at + 4; i < line.size() && line[i] != ' '; ++i)
      rights += static_cast<char>(std::tolower(static_cast<unsigned char>(line[i])));
  }
  return rights;
}

TEST_F(DaemonTest, NeedsNoMoreRightsThanItsUnitGives) {
  attach("web-0", "h0");
  attach("web-1", "h1");
  delete_netns("web-0");
  Command command = daemon({"--own-pid-namespace", "--once", "--grace", "0"});
  std::vector<std::string> arguments{"--bounding-set", rights_of_unit(), "--inh-caps",
                                     "-all",           "--no-new-privs", command.program};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  command.program = "setpriv";
  command.arguments = std::move(arguments);
  const CommandResult result = run(command);
  EXPECT_EQ(result.exit_status, 0) << result.err;
  ASSERT_EQ(records(), 1U) << result.err;
  EXPECT_EQ(state::Store("/run/barewire").list().at(0).id.container_id, "cid-web-1");
}

TEST_F(DaemonTest, TellsTheWatchdogThatItIsWell) {
  NotifySocket systemd;
  ChildProcess barewired(daemon({"--own-pid-namespace", "--interval", "3600"}));
  ASSERT_TRUE(systemd.hears("READY=1", kLong));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(systemd.hears("WATCHDOG=1", kLong));
  barewired.signal(SIGINT);
  EXPECT_EQ(barewired.wait(kLong).exit_status, 0);
}

TEST_F(DaemonTest, KeepsARecordWhosePluginFailsAndSaysSo) {
  attach("web-0", "h0");
  const state::Store store("/run/barewire");
  state::Attachment broken = store.list().at(0);
  broken.id.plugin = "no-such-plugin";
  state::Store(store).save(broken);
  delete_netns("web-0");
  const CommandResult result = run(daemon({"--own-pid-namespace", "--once", "--grace", "0"}));
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.err, HasSubstr("(no-such-plugin) failed, it stays for the next look"));
  ASSERT_EQ(records(), 1U);
  EXPECT_EQ(store.list().at(0).id.plugin, "no-such-plugin");
}

TEST_F(DaemonTest, OnceWithDryRunTouchesNothing) {
  attach("web-0", "h0");
  delete_netns("web-0");
  const CommandResult result = run(daemon({"--own-pid-namespace", "--once", "--grace", "0", "--dry-run"}));
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("would delete attachment blue/cid-web-0/net1"));
  EXPECT_EQ(records(), 1U);
}

TEST_F(DaemonTest, StartedOnAnEmptyNodeItSeesTheFirstPodComeAndGo) {
  NotifySocket systemd;
  ChildProcess barewired(daemon({"--own-pid-namespace", "--interval", "3600", "--grace", "0"}));
  ASSERT_TRUE(systemd.hears("READY=1", kLong));
  attach("web-0", "h0");
  EXPECT_EQ(records(), 1U);
  delete_netns("web-0");
  EXPECT_TRUE(within(kLong, [] { return records() == 0; }));
}

TEST_F(DaemonTest, KilledInTheMidstItGoesOnWhereItWasAfterARestart) {
  for (const char* pod : {"web-0", "web-1", "web-2"}) attach(pod, std::string("h") + pod);
  Command command = daemon({"--own-pid-namespace", "--interval", "3600", "--grace", "0"});
  command.environment = {};  // systemd is no need
  std::optional<ChildProcess> barewired(std::in_place, command);
  for (const char* pod : {"web-0", "web-1", "web-2"}) delete_netns(pod);
  ASSERT_TRUE(within(kLong, [] { return records() < 3; }));
  barewired->signal(SIGKILL);
  EXPECT_EQ(barewired->wait(kLong).exit_status, 128 + SIGKILL);
  NotifySocket systemd;
  barewired.emplace(daemon({"--own-pid-namespace", "--interval", "3600", "--grace", "0"}));
  ASSERT_TRUE(systemd.hears("READY=1", kLong));  // before that a signal ends it at once
  EXPECT_TRUE(within(kLong, [] { return records() == 0; }));
  EXPECT_TRUE(state::Store("/run/barewire").claims().empty());
  barewired->signal(SIGTERM);
  EXPECT_EQ(barewired->wait(kLong).exit_status, 0);
}

TEST_F(DaemonTest, WhereNotEveryProcessIsSeenItRefusesAndSaysWhy) {
  attach("web-0", "h0");
  delete_netns("web-0");
  for (const std::string program : {"barewired --once --grace 0", "barewire gc --min-age 0"}) {
    const CommandResult result =
        run_shell("exec unshare --pid --fork --mount-proc " + built_program(program.substr(0, program.find(' '))) +
                  program.substr(program.find(' ')));
    EXPECT_EQ(result.exit_status, program.starts_with("barewired") ? 4 : 3) << result.err;
    EXPECT_THAT(result.err, HasSubstr("--own-pid-namespace"));
  }
  EXPECT_EQ(records(), 1U);
}

/// Whether process `pid` has the attachment's lock file open: it holds the lock, or waits for it.
bool is_at_the_lock(pid_t pid) {
  // Until it is another program it has this one's descriptors, the lock's among them.
  std::error_code gone;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), gone);
  if (program.filename() != "barewired") return false;
  for (const auto& fd : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
    std::error_code closed;
    if (std::filesystem::read_symlink(fd, closed).string().find("locks/attachment-") != std::string::npos) return true;
  }
  return false;
}

TEST_F(DaemonTest, DecidesAgainUnderTheLockAndLeavesAPodThatWasAddedMeanwhile) {
  attach("web-0", "h0");
  delete_netns("web-0");
  state::Store store("/run/barewire");
  state::Attachment record = store.list().at(0);
  std::optional<state::FileLock> lock(store.lock_attachment(record.id));  // an ADD is at work
  ChildProcess barewired(daemon({"--own-pid-namespace", "--once", "--grace", "0"}));
  ASSERT_TRUE(within(kLong, [&] { return is_at_the_lock(barewired.pid()); }));
  record.netns = make_netns("web-0");
  record.netns_id = kernel::NetNs::open(record.netns).id();
  store.save(record);
  lock.reset();
  const CommandResult result = barewired.wait(kLong);
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("left attachment blue/cid-web-0/net1"));
  EXPECT_EQ(records(), 1U);
}

TEST_F(DaemonTest, AWrongCommandLineIsAUsageError) {
  EXPECT_EQ(run(daemon({"--own-pid-namespace", "--interval", "0"})).exit_status, 2);
  EXPECT_EQ(run(daemon({"--own-pid-namespace", "--help"})).exit_status, 0);
}

}  // namespace
}  // namespace barewire::test
