// SPDX-License-Identifier: Apache-2.0
#include "core/state/file_name.h"

#include <gtest/gtest.h>

#include <climits>

#include "core/temporary_file.h"

namespace barewire::state {
namespace {

TEST(FileName, OfUsualLengthIsTheNameItself) {
  EXPECT_EQ("net@pod1@eth0.bridge", file_name("net@pod1@eth0.bridge"));
  EXPECT_EQ("pod1@eth0.bridge.json", file_name("pod1@eth0.bridge", ".json"));
  EXPECT_EQ("pf-!sys!x", file_name("pf-/sys/x"));
  const std::string longest(NAME_MAX - 5, 'n');
  EXPECT_EQ(longest, file_name(longest));
}

TEST(FileName, ThatWouldBeTooLongIsCutAndStillItsOwn) {
  const std::string one(400, 'n'), other = std::string(399, 'n') + "m";
  EXPECT_EQ(file_name(one, ".json"), file_name(one, ".json"));
  EXPECT_NE(file_name(one), file_name(other));
  EXPECT_TRUE(file_name(one, ".json").ends_with(".json"));
  EXPECT_LE(temporary_of(file_name(one, ".json")).size(), std::size_t{NAME_MAX});
  EXPECT_TRUE(file_name(one).starts_with("nnnnnnnn"));
  EXPECT_NE(std::string::npos, file_name(one).find("~" + hash_name(one)));
}

}  // namespace
}  // namespace barewire::state
