// SPDX-License-Identifier: Apache-2.0
/// sriov and host-device, the programs: whatever is wrong in the configuration is refused with the right
/// code, a message that names it, and nothing touched.
#include "tests/support/bad_input.h"

#include <functional>
#include <vector>

#include "tests/plugin/sriov-plugin/host_device_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

struct Plugin {
  const char* name;
  const char* good;  ///< members of a configuration that names a device
};
const std::vector<Plugin> kPlugins = {{"sriov", R"("deviceID":"0000:01:10.0")"}, {"host-device", R"("device":"v0")"}};

class BadInputTest : public HostDeviceTest {
 protected:
  static std::string text(const Plugin& plugin, const std::string& members = {}) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"{}",{}{}{}}})", plugin.name, plugin.good,
                       members.empty() ? "" : ",", members);
  }
  static void expect_error(const PluginResult& result, const std::string& input, int code, const std::string& named) {
    EXPECT_EQ(1, result.exit_status) << input << "\n" << result;
    EXPECT_EQ(code, result.code()) << input << "\n" << result;
    const auto* details = result.json.is_object() ? result.json.get_object().if_contains("details") : nullptr;
    const std::string all = result.msg() + (details != nullptr ? "\n" + boost::json::serialize(*details) : "");
    EXPECT_THAT(all, HasSubstr(named)) << input;
  }
  /// Every row must be refused by ADD; the node is compared after each.
  template <typename Rows>
  void expect_all_refused(const Plugin& plugin, const Rows& rows) {
    const auto before = NodeSnapshot::take();
    for (const BadInput& row : rows) {
      expect_error(runner_.add(plugin.name, text(plugin, row.members)), row.members, row.code, row.named);
      const std::string difference = lasting_difference(before);
      ASSERT_EQ("", difference) << row.members;
    }
    EXPECT_FALSE(run_in(pod_, "ip link show eth0").ok());
  }
};

TEST_F(BadInputTest, CommonKeysAreRefusedByBoth) {
  for (const Plugin& plugin : kPlugins) expect_all_refused(plugin, kBadCommon);
}

TEST_F(BadInputTest, EveryKeyOfSriov) {
  expect_all_refused(kPlugins[0], kBadSriov);
}

TEST_F(BadInputTest, EveryKeyOfHostDevice) {
  expect_all_refused(kPlugins[1], kBadHostDevice);
}

TEST_F(BadInputTest, AnIpamPluginThatIsNotInstalled) {
  constexpr std::array kRows = {BadInput{R"("ipam":{"type":"nowhere"})", 106, "\"nowhere\""},
                                BadInput{R"("ipam":{"type":"../host-local"})", 7, "../host-local"}};
  for (const Plugin& plugin : kPlugins) expect_all_refused(plugin, kRows);
}

}  // namespace
}  // namespace barewire::test
