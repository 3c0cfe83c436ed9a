// SPDX-License-Identifier: Apache-2.0
/// Two daemons at once, as during a rolling upgrade: kubelet may call either, and the records are all that they share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/plugin/device-manager/dra_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(DraTest, TheDaemonThatTakesOverGoesOnFromTheRecordsOfTheOneBefore) {
  start_daemon("1", {"--instance", "old"});
  ASSERT_TRUE(is_served());
  const TestClaim one{.name = "one", .uid = "1", .devices = {{"main", device(0)}}};
  const TestClaim two{.name = "two", .uid = "2", .devices = {{"main", device(0)}}};
  put(one);
  put(two);
  ASSERT_EQ(prepare(one), "");
  const std::string before = kubelet_->socket();

  ChildProcess next(daemon_command("1", {"--instance", "new"}));
  const std::string socket = directory_ / "kubelet/plugins_registry/barewire.io-new-reg.sock";
  ASSERT_TRUE(within(kLong, [&] { return std::filesystem::exists(socket); })) << "served beside the older";
  kill_daemon();
  ASSERT_TRUE(within(kLong, [&] { return kubelet_->find_driver() && kubelet_->socket() != before; }));
  EXPECT_THAT(prepare(two), HasSubstr("claim 1 promises it")) << "it knows what the other has given";
  EXPECT_EQ(prepare(one), "");
  EXPECT_EQ(unprepare(one), "");
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(prepare(two), "");
}

TEST_F(DraTest, ARecordOfALaterDaemonIsReadAsFarAsItIsUnderstood) {
  make_directories("/var/lib/cni/barewire/claims", 0700);
  write_file_atomically("/var/lib/cni/barewire/claims/1.json",
                        R"({"format":9,"uid":"1","namespace":"default","name":"one","colour":"red","devices":[)"
                        R"({"request":"main","pool":"n1/0000-01-00.0","device":"0000-01-10-0","id":"0000:01:10.0",)"
                        R"("resource":"example.com/dpdk","shape":{"round":true}}]})",
                        Durability::until_reboot);
  start_daemon();
  const TestClaim one{.name = "one", .uid = "1", .devices = {{"main", device(0)}}};
  EXPECT_TRUE(within(kLong, [&] { return read_file(cdi_path(one)).has_value() && promise(0).has_value(); }));
  ASSERT_TRUE(is_served());
  put(one);
  EXPECT_EQ(prepare(one), "");
  EXPECT_EQ(unprepare(one), "");
  EXPECT_FALSE(promise(0));
}

}  // namespace
}  // namespace barewire::test
