// SPDX-License-Identifier: Apache-2.0
#include "core/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace barewire {
namespace {

TEST(StopSignals, AreReadInsteadOfEndingTheProcess) {
  for (const int signal : {SIGTERM, SIGINT}) {
    StopSignals stop;
    EXPECT_FALSE(stop.is_asked());
    ::kill(::getpid(), signal);
    EXPECT_TRUE(stop.is_asked());
    EXPECT_TRUE(stop.is_asked()) << "from then on";
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal);
    int taken = 0;
    ::sigwait(&one, &taken);
    EXPECT_FALSE(stop.is_asked());
    stop.let_through();  // there is none left
  }
}

TEST(StopSignals, EndTheProcessOnceTheyAreLetThrough) {
  EXPECT_EXIT(
      {
        StopSignals stop;
        ::kill(::getpid(), SIGTERM);
        if (stop.is_asked()) stop.let_through();
        ::_exit(0);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace barewire
