// SPDX-License-Identifier: Apache-2.0
// A gtest executable built on the host runs in the guest as it is, one case per command.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

TEST(LabGtest, RunsAsRootInTheGuest) {
  ASSERT_STREQ(std::getenv("BAREWIRE_LAB"), "1");
  EXPECT_EQ(getuid(), 0U);
  EXPECT_EQ(first_line("/sys/class/net/pf0/address"), "52:54:00:00:01:01");
}

TEST(LabGtest, FindsItsBuildTreeAtTheHostsPath) {
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::read_symlink("/proc/self/exe")));
  EXPECT_TRUE(std::filesystem::exists("CTestTestfile.cmake")) << std::filesystem::current_path();
}

TEST(LabGtest, BeginsWithoutVfsOrRecords) {
  EXPECT_EQ(first_line("/sys/class/net/pf0/device/sriov_numvfs"), "0");
  EXPECT_TRUE(std::filesystem::is_empty("/var/lib/cni"));
  EXPECT_FALSE(std::filesystem::exists("/run/barewire"));
}

}  // namespace
