// SPDX-License-Identifier: Apache-2.0
/// The documentation of the plugins that have no other unit test.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "core/fd.h"

namespace barewire::standard {
namespace {

using ::testing::HasSubstr;

TEST(StandardPages, DescribeEveryKey) {
  const std::vector<std::pair<std::string, std::vector<const char*>>> plugins = {
      {"bond",
       {"mode", "miimon", "links", "linksInContainer", "failOverMac", "mtu", "allSlavesActive", "tlbDynamicLb",
        "xmitHashPolicy", "ifname", "ipam"}},
      {"rdma", {"deviceID", "rdmaDeviceName"}},
      {"vrf", {"vrfname", "table"}}};
  const std::string contents = *read_file(BAREWIRE_SOURCE_DIR "/docs/configuration.md");
  for (const auto& [plugin, keys] : plugins) {
    EXPECT_THAT(contents, HasSubstr(fmt::format("[{0}](configuration/{0}.md)", plugin)));
    const std::string page = *read_file(fmt::format("{}/docs/configuration/{}.md", BAREWIRE_SOURCE_DIR, plugin));
    for (const char* key : keys) EXPECT_THAT(page, HasSubstr(fmt::format("\n| `{}` |", key))) << plugin;
  }
}

}  // namespace
}  // namespace barewire::standard
