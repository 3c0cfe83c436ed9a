// SPDX-License-Identifier: Apache-2.0
#include "core/rollback.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace barewire {
namespace {

TEST(Rollback, RunsNewestFirstAndGoesOnPastAFailure) {
  std::string ran;
  {
    Rollback rollback;
    rollback.add("claim", [&] { ran += "claim "; });
    rollback.add("configure", [] { throw Error(Error::Code::kernel, "refused"); });
    rollback.add("move", [&] { ran += "move "; });
  }
  EXPECT_EQ(ran, "move claim ");
}

TEST(Rollback, DoesNothingOnceKept) {
  bool ran = false;
  {
    Rollback rollback;
    rollback.add("claim", [&] { ran = true; });
    rollback.keep();
  }
  EXPECT_FALSE(ran);
}

TEST(Collector, TriesEveryStepAndReportsTheFirstFailure) {
  Collector collector;
  int ran = 0;
  collector.run("a", [&] { ++ran; });
  collector.run("b", [] { throw Error(Error::Code::kernel, "first"); });
  collector.run("c", [] { throw Error(Error::Code::io, "second"); });
  collector.run("d", [&] { ++ran; });
  EXPECT_EQ(ran, 2);
  try {
    collector.finish();
    FAIL() << "the first failure was lost";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
}

}  // namespace
}  // namespace barewire
