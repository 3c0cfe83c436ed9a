// SPDX-License-Identifier: Apache-2.0
#include "core/unix_socket.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>

#include "core/error.h"
#include "core/fd.h"

namespace barewire {
namespace {

TEST(UnixAddress, HoldsAPathOf107BytesAndRefusesALongerOne) {
  const std::string longest = "/" + std::string(106, 'x');
  EXPECT_EQ(unix_address(longest).sun_path, longest);
  try {
    unix_address(longest + "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::environment));
    EXPECT_NE(std::string(error.what()).find("longer than 107 bytes"), std::string::npos) << error.what();
  }
}

TEST(UnixSocket, HasAListenerFromListenToCloseAndAlsoWhenItAcceptsNobody) {
  char name[] = "/tmp/barewire-socket-XXXXXX";
  const std::string directory = ::mkdtemp(name), path = directory + "/s";
  EXPECT_FALSE(has_listener(path));
  const sockaddr_un address = unix_address(path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_FALSE(has_listener(path)) << "only bound";
  ASSERT_EQ(::listen(socket.get(), 0), 0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(has_listener(path)) << i;
  // Callers that nobody accepts fill the queue.
  const Fd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::connect(first.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  EXPECT_TRUE(has_listener(path));
  socket.reset();
  EXPECT_FALSE(has_listener(path)) << "what a dead program left";
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace barewire
