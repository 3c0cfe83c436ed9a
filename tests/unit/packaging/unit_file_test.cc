// SPDX-License-Identifier: Apache-2.0
/// The unit files for systemd: it understands them, and they leave no more open than they say.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "core/fd.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/process.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct Unit {
  const char* name;
  const char* most;  ///< exposure by `systemd-analyze security`, in tenths; a unit without any sandboxing has 96
};

class UnitFile : public ::testing::TestWithParam<Unit> {
 protected:
  void SetUp() override {
    if (run_shell("systemd-analyze --version").exit_status != 0) GTEST_SKIP() << "systemd-analyze is not installed";
    // As it is written: an installation puts its prefix in, and nothing else.
    const fs::path source = fs::path(BAREWIRE_SOURCE_DIR) / "packaging" / (std::string(GetParam().name) + ".in");
    const auto bytes = read_file(source);
    ASSERT_TRUE(bytes) << source;
    text_ = *bytes;
    // The programs are not installed where a test runs.
    std::string unit = text_;
    const auto start = unit.find("ExecStart=");
    unit.replace(start, unit.find('\n', start) - start, "ExecStart=/bin/true");
    path_ = directory_.write(GetParam().name, unit);
    directory_.write("cni-dhcp.socket",
                     read_file(fs::path(BAREWIRE_SOURCE_DIR) / "packaging/cni-dhcp.socket").value_or(""));
  }
  std::string text_, path_;
  PrivateDirectory directory_;
};

TEST_P(UnitFile, IsUnderstood) {
  const CommandResult result = run_shell("systemd-analyze verify --man=no --recursive-errors=no '" + path_ + "' 2>&1");
  EXPECT_EQ(0, result.exit_status) << result.out;
  EXPECT_EQ("", result.out);
}

TEST_P(UnitFile, LeavesNoMoreOpenThanItSays) {
  const CommandResult result = run_shell(
      fmt::format("systemd-analyze security --offline=yes --no-pager --threshold={} '{}'", GetParam().most, path_));
  EXPECT_EQ(0, result.exit_status) << result.out << result.err;
}

/// The reasons stand in the file: of the rights, and of what is left out.
TEST_P(UnitFile, SaysWhyEachRightIsNeeded) {
  const auto start = text_.find("\nCapabilityBoundingSet=");
  ASSERT_NE(std::string::npos, start);
  const std::string line = text_.substr(start + 1, text_.find('\n', start + 1) - start - 1);
  for (std::size_t at = line.find("CAP_"); at != std::string::npos; at = line.find("CAP_", at + 1)) {
    const std::string name = line.substr(at + 4, line.find(' ', at) - at - 4);
    EXPECT_NE(std::string::npos, text_.rfind(name, start)) << name;
  }
  EXPECT_THAT(text_, HasSubstr("# Left out, and why:"));
}

INSTANTIATE_TEST_SUITE_P(Installed, UnitFile,
                         ::testing::Values(Unit{"barewired.service", "55"}, Unit{"cni-dhcp.service", "48"},
                                           Unit{"barewire-apply.service", "35"},
                                           Unit{"barewire-apply-nic@.service", "35"}),
                         [](const auto& parameter) {
                           std::string name = parameter.param.name;
                           name.resize(name.rfind('.'));
                           std::erase(name, '@');
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace barewire::test
