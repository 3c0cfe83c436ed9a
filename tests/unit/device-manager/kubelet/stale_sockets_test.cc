// SPDX-License-Identifier: Apache-2.0
/// Which sockets are removed: dead ones of our own name, and no others.
#include "device-manager/kubelet/stale_sockets.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>

#include "core/fd.h"
#include "core/unix_socket.h"
#include "tests/support/process.h"

namespace barewire::kubelet {
namespace {

using namespace std::chrono_literals;

class StaleSockets : public ::testing::Test {
 protected:
  /// One whose program has ended, if the descriptor that is returned is closed.
  Fd make(const std::string& name) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = unix_address(directory_ / name);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 1), 0);
    return fd;
  }
  bool is_there(const std::string& name) { return std::filesystem::exists(directory_ / name); }
  std::string remove(std::chrono::seconds age = 0s) {
    return remove_stale_sockets(directory_.path(), "barewire.io", "-reg.sock", directory_ / "barewire.io-own-reg.sock",
                                age);
  }
  test::TempDir directory_;
};

TEST_F(StaleSockets, OfInstancesThatWereKilledGoAndAllOthersStay) {
  for (const char* name : {"barewire.io-dead-reg.sock", "barewire.io-own-reg.sock", "gpu.io-dead-reg.sock",
                           "barewire.io.other-dead-reg.sock", "barewire.io-dead.sock"})
    make(name).reset();
  const Fd live = make("barewire.io-live-reg.sock");
  test::write_text(directory_ / "barewire.io-file-reg.sock", "no socket");
  EXPECT_EQ(remove(), "barewire.io-dead-reg.sock");
  for (const char* name : {"barewire.io-own-reg.sock", "gpu.io-dead-reg.sock", "barewire.io.other-dead-reg.sock",
                           "barewire.io-dead.sock", "barewire.io-live-reg.sock", "barewire.io-file-reg.sock"})
    EXPECT_TRUE(is_there(name)) << name;
}

TEST_F(StaleSockets, OneThatIsJustBeingMadeStays) {
  make("barewire.io-new-reg.sock").reset();
  EXPECT_EQ(remove(60s), "");
  EXPECT_TRUE(is_there("barewire.io-new-reg.sock"));
}

TEST_F(StaleSockets, ADirectoryThatIsNotThereIsNoError) {
  EXPECT_EQ(remove_stale_sockets(directory_ / "none", "barewire.io", "-reg.sock", ""), "");
}

}  // namespace
}  // namespace barewire::kubelet
