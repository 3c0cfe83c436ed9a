// SPDX-License-Identifier: Apache-2.0
/// The bond plugin's keys: what they mean, what is refused and how.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "core/error.h"
#include "standard-plugins/bond/config.h"

namespace barewire::standard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kLinks = R"("links":[{"name":"v1"},{"name":"v2"}])";

BondConfig parse(const std::string& keys, const std::string& links = kLinks) {
  const boost::json::value document = boost::json::parse("{" + keys + "," + links + "}");
  return BondConfig::parse(JsonView(document));
}

std::string refusal_of(const std::string& keys, const std::string& links = kLinks) try {
  parse(keys, links);
  return "";
} catch (const Error& error) {
  EXPECT_TRUE(error.is(Error::Code::config));
  return error.what();
}

TEST(BondConfig, LeavesToTheKernelWhatIsNotNamed) {
  const BondConfig config = parse(R"("mode":"802.3ad","miimon":"100")");
  EXPECT_EQ(config.settings.mode, 4);
  EXPECT_EQ(config.settings.miimon, 100U);
  EXPECT_EQ(config.settings.fail_over_mac, 0);
  EXPECT_FALSE(config.settings.all_slaves_active || config.settings.tlb_dynamic_lb || config.settings.xmit_hash_policy);
  EXPECT_FALSE(config.in_container || config.mtu);
  EXPECT_THAT(config.links, ElementsAre("v1", "v2"));
  EXPECT_FALSE(parse(R"("mode":"802.3ad","miimon":"100","mtu":0,"xmitHashPolicy":"")").mtu);
}

TEST(BondConfig, TakesEveryKey) {
  const BondConfig config = parse(
      R"("mode":"balance-alb","miimon":50,"failOverMac":2,"mtu":9000,"allSlavesActive":1,"tlbDynamicLb":0,"xmitHashPolicy":"layer2+3","linksInContainer":true)");
  EXPECT_EQ(config.settings.mode, 6);
  EXPECT_EQ(config.settings.miimon, 50U);
  EXPECT_EQ(config.settings.fail_over_mac, 2);
  EXPECT_EQ(config.settings.all_slaves_active, 1);
  EXPECT_EQ(config.settings.tlb_dynamic_lb, 0);
  EXPECT_EQ(config.settings.xmit_hash_policy, 2);
  EXPECT_EQ(config.mtu, 9000U);
  EXPECT_TRUE(config.in_container);
}

TEST(BondConfig, IsRefusedByTheKeyThatIsWrong) {
  const std::string mode = R"("mode":"active-backup","miimon":"100",)";
  for (const auto& [keys, part] : std::vector<std::pair<std::string, std::string>>{
           {R"("miimon":"100")", "\"mode\""},
           {R"("mode":"fast","miimon":"100")", "\"mode\" is \"fast\"; expected one of balance-rr"},
           {R"("mode":"802.3ad")", "\"miimon\""},
           {R"("mode":"802.3ad","miimon":"soon")", "\"miimon\" is \"soon\""},
           {R"("mode":"802.3ad","miimon":"")", "\"miimon\""},
           {R"("mode":"802.3ad","miimon":"-1")", "\"miimon\""},
           {R"("mode":"802.3ad","miimon":-1)", "\"miimon\""},
           {mode + R"("failOverMac":3)", "\"failOverMac\" is 3"},
           {mode + R"("mtu":60)", "\"mtu\" is 60; expected an MTU of at least 68"},
           {mode + R"("mtu":65536)", "\"mtu\""},
           {mode + R"("allSlavesActive":2)", "\"allSlavesActive\""},
           {mode + R"("tlbDynamicLb":1)", "\"tlbDynamicLb\""},
           {mode + R"("xmitHashPolicy":"layer9")", "\"xmitHashPolicy\" is \"layer9\""},
           {mode + R"("linksInContainer":"yes")", "\"linksInContainer\""}})
    EXPECT_THAT(refusal_of(keys), HasSubstr(part)) << keys;
}

TEST(BondConfig, WantsTwoLinksEachNamedOnce) {
  const std::string keys = R"("mode":"active-backup","miimon":"100")";
  for (const auto& [links, part] :
       std::vector<std::pair<const char*, const char*>>{{R"("links":[{"name":"v1"}])", "\"links\""},
                                                        {R"("links":[])", "\"links\""},
                                                        {R"("links":"v1")", "\"links\""},
                                                        {R"("other":1)", "\"links\""},
                                                        {R"("links":[{"name":"v1"},{"name":"v1"}])", "links[1].name"},
                                                        {R"("links":[{"name":"v1"},{"name":""}])", "links[1].name"},
                                                        {R"("links":[{"name":"v1"},{}])", "links[1].name"}})
    EXPECT_THAT(refusal_of(keys, links), HasSubstr(part)) << links;
}

}  // namespace
}  // namespace barewire::standard
