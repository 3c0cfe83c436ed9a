// SPDX-License-Identifier: Apache-2.0
/// What is written of a claim's flows: by server-side apply, our own entries alone, and only what has changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "device-manager/dra/claim_status.h"
#include "tests/support/api_server.h"
#include "tests/support/claim_json.h"
#include "tests/support/netns_fixture.h"

namespace barewire::dra {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

constexpr const char* kVf = "0000:01:10.3";

class ClaimReportTest : public test::NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    server_.emplace();
    auto json = boost::json::parse(claim_.json());
    json.at("status").as_object()["devices"] =
        boost::json::parse(R"([{"driver":"gpu.io","pool":"p","device":"gpu0","data":{"a":1}}])");
    server_->put(claim_.path(), boost::json::serialize(json));
    server_->take_log();
    client_.emplace(server_->cluster(), 5s);
    reporter_.emplace(*client_, "barewire.io", "n1");
    record_.uid = claim_.uid;
    record_.name_space = "default";
    record_.name = claim_.name;
    record_.since = "2026-11-28T02:00:00Z";
    record_.devices.push_back(
        {.request = "main", .pool = "n1/0000-01-00.0", .device = "0000-01-10-3", .id = kVf, .resource = "a/b"});
    attachment_.id = {"lan", "cid", "net1", "ovs"};
    attachment_.since = record_.since;
  }
  /// A look that finds this, a minute after the last.
  void look(const std::optional<OffloadVerdict>& verdict) {
    now_ += 60s;
    watch_.note({{kVf, verdict}}, now_, fmt::format("2026-11-28T02:{:02}:00Z", ++minute_ % 60));
    const std::map<std::string, state::Attachment> attachments{{kVf, attachment_}};
    ASSERT_TRUE(reporter_->report("v1", {status_of(record_, attachments, "barewire.io", watch_.conditions())}, now_));
  }
  boost::json::array devices() { return server_->find(claim_.path())->at("status").at("devices").as_array(); }
  boost::json::value offloaded() { return devices().at(1).at("conditions").at(1); }

  const test::TestClaim claim_{.devices = {{"main", "0000-01-10-3"}}};
  std::optional<test::TestApiServer> server_;
  std::optional<kubernetes::ApiClient> client_;
  std::optional<ClaimReporter> reporter_;
  state::ClaimRecord record_;
  state::Attachment attachment_;
  OffloadWatch watch_;
  OffloadWatch::Time now_ = std::chrono::steady_clock::now();
  int minute_ = 0;
};

TEST_F(ClaimReportTest, OffloadIsAConditionThatIsWrittenWhenItChanges) {
  const OffloadVerdict yes{"True", "InHardware", "all flows of port rep3 are in hardware"};
  const OffloadVerdict no{"False", "DriverRefused", "the driver refused the others"};
  const std::string patch = "PATCH " + claim_.path() + "/status";
  look(yes);
  EXPECT_THAT(server_->take_writes(), ElementsAre(patch));
  ASSERT_THAT(devices(), SizeIs(2)) << "another driver's entry stays";
  EXPECT_EQ(devices()[0].at("driver"), "gpu.io");
  EXPECT_EQ(devices()[1].at("conditions").at(0).at("type"), "Attached");
  EXPECT_EQ(offloaded().at("type"), "Offloaded");
  EXPECT_EQ(offloaded().at("status"), "True");
  EXPECT_EQ(offloaded().at("message"), "all flows of port rep3 are in hardware");
  for (int minute = 0; minute < 40; ++minute) look(minute % 2 == 0 ? std::nullopt : std::optional(yes));
  EXPECT_THAT(server_->take_log(), IsEmpty()) << "looks that find the same";
  look(no);
  look(yes);
  EXPECT_THAT(server_->take_log(), IsEmpty()) << "a look that found something else once";
  for (int minute = 0; minute < 10; ++minute) look(no);
  EXPECT_THAT(server_->take_writes(), ElementsAre(patch));
  EXPECT_EQ(offloaded().at("status"), "False");
  EXPECT_EQ(offloaded().at("reason"), "DriverRefused");
  EXPECT_EQ(devices()[0].at("driver"), "gpu.io");
}

TEST_F(ClaimReportTest, ADeviceThatIsPluggedInNowhereHasNoSuchCondition) {
  look(OffloadVerdict{"True", "InHardware", "all"});
  watch_.note({}, now_, "");
  ASSERT_TRUE(reporter_->report("v1", {status_of(record_, {{kVf, attachment_}}, "barewire.io", watch_.conditions())},
                                now_ + 60s));
  EXPECT_THAT(devices().at(1).at("conditions").as_array(), SizeIs(1));
}

}  // namespace
}  // namespace barewire::dra
