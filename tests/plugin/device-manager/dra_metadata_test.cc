// SPDX-License-Identifier: Apache-2.0
/// Files by which the daemon tells containers of their devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/plugin/device-manager/dra_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

TEST_F(DraTest, ContainersReadWhatTheirDevicesAreFromAFile) {
  start_daemon("1", {"--device-metadata"});
  ASSERT_TRUE(is_served());
  const TestClaim claim{.devices = {{"main", device(1)}}};
  put(claim);
  ASSERT_EQ(prepare(claim), "");
  const std::string path =
      directory_ / "kubelet/plugins/barewire.io/dra-device-metadata/11111111-aaaa/main/metadata.json";
  EXPECT_THAT(*read_file(cdi_path(claim)), HasSubstr("\"hostPath\":\"" + path + "\""));
  const std::string first = *read_file(path);
  EXPECT_THAT(first, HasSubstr(R"("resource.kubernetes.io/pciBusID":{"string":"0000:01:10.1"})"));
  make_netns("web-0");
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.1"})";
  ASSERT_TRUE(runner_.add("sriov", config, call("web-0")).ok());
  EXPECT_TRUE(within(kLong, [&] {
    const auto now = read_file(path);
    return now->find(R"("generation":2)") != std::string::npos &&
           now->find(R"("networkData":{"interfaceName":"net1")") != std::string::npos;
  }));
  kill_daemon();
  remove_file(path);
  start_daemon("1", {"--device-metadata"});
  EXPECT_TRUE(within(kLong, [&] { return read_file(path).value_or("").find("pciBusID") != std::string::npos; }));
  ASSERT_TRUE(is_served());
  EXPECT_TRUE(runner_.del("sriov", config, call("web-0")).ok());
  EXPECT_EQ(unprepare(claim), "");
  EXPECT_FALSE(read_file(path));
}

}  // namespace
}  // namespace barewire::test
