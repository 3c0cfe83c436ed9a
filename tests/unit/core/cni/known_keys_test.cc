// SPDX-License-Identifier: Apache-2.0
#include "core/cni/known_keys.h"

#include <gmock/gmock.h>

namespace barewire::cni {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> suspicious(std::string_view plugin, std::string_view text) {
  const auto json = parse_json(text, "config");
  return suspicious_keys(plugin, JsonView(json));
}

TEST(SuspiciousKeys, AreThoseThatAreNearlyOnesOfThePlugin) {
  EXPECT_THAT(suspicious("bridge", R"({"isGatway":true,"ipmasq":true,"bridge":"b","vlna":1})"),
              ElementsAre(HasSubstr("\"isGatway\" is not known to bridge: is \"isGateway\" meant?"),
                          HasSubstr("is \"vlan\" meant?")));
  EXPECT_THAT(suspicious("sriov", R"({"linkstate":"auto"})"), ElementsAre(HasSubstr("link_state")));
  EXPECT_THAT(suspicious("host-local", R"({"ipam":{"subnets":"10.1.2.0/24","rangestart":""},"subne":1})"),
              ElementsAre(HasSubstr("\"ipam.subnets\" is not known to host-local: is \"ipam.subnet\" meant?")));
}

TEST(SuspiciousKeys, AreNotThoseOfOthersOrOfNobody) {
  EXPECT_THAT(suspicious("bridge", R"({"_comment":"x","resourceName":"a","MTU":1400,"x":1,"deviceID":"","keyA":1})"),
              IsEmpty());
  EXPECT_THAT(suspicious("no-such-plugin", R"({"bridg":"x"})"), IsEmpty());
  EXPECT_THAT(suspicious("static", R"({"ipam":null})"), IsEmpty());
  EXPECT_THAT(suspicious("static", R"({"ipam":5})"), IsEmpty());
}

}  // namespace
}  // namespace barewire::cni
