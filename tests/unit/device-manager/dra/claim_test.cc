// SPDX-License-Identifier: Apache-2.0
#include "device-manager/dra/claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "core/error.h"
#include "device-manager/dra/parameters.h"
#include "tests/support/claim_json.h"

namespace barewire::dra {
namespace {

using test::TestClaim;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ClaimRef kRef{"default", "11111111-aaaa", "net"};

ClaimView parse(const TestClaim& claim) {
  return parse_claim(boost::json::parse(claim.json()), kRef, "barewire.io");
}

std::string refusal(const TestClaim& claim) {
  try {
    parse(claim);
  } catch (const Error& error) {
    return std::string(error.what()) + "; " + error.hint();
  }
  return "";
}

std::string parameter_refusal(const std::string& keys) {
  return refusal({.devices = {{"main", "vf0"}}, .configs = TestClaim::config("FromClaim", "", keys)});
}

TEST(Claim, GivesItsDevicesAndThePodItIsReservedFor) {
  const ClaimView view = parse({.devices = {{"main", "vf0"}, {"other/sub", "vf1"}}});
  ASSERT_THAT(view.devices, SizeIs(2));
  EXPECT_EQ(view.devices[1].request, "other");
  EXPECT_EQ(view.devices[1].device, "vf1");
  ASSERT_THAT(view.pods, SizeIs(1));
  EXPECT_EQ(view.pods[0].name, "web-0");
}

TEST(Claim, DevicesOfOtherDriversAreNotOurs) {
  auto claim = boost::json::parse(TestClaim{.devices = {{"main", "vf0"}}}.json());
  claim.at("status").at("allocation").at("devices").at("results").at(0).as_object()["driver"] = "gpu.io";
  EXPECT_THAT(parse_claim(claim, kRef, "barewire.io").devices, IsEmpty());
}

TEST(Claim, TheClaimsParametersOverrideTheClasssKeyByKey) {
  const ClaimView view = parse({.devices = {{"main", "vf0"}},
                                .configs = TestClaim::config("FromClaim", "", R"("vlan":200)") + "," +
                                           TestClaim::config("FromClass", "", R"("vlan":100,"trust":"on")")});
  EXPECT_EQ(view.devices[0].settings.at("vlan"), 200);
  EXPECT_EQ(view.devices[0].settings.at("trust"), "on");
}

TEST(Claim, ParametersAreForTheRequestsTheyNameAndWithoutNamesForAll) {
  const ClaimView view = parse({.devices = {{"a/first", "vf0"}, {"b", "vf1"}},
                                .configs = TestClaim::config("FromClaim", "", R"("mtu":9000)") + "," +
                                           TestClaim::config("FromClaim", R"("a")", R"("vlan":1)") + "," +
                                           TestClaim::config("FromClaim", R"("a/first")", R"("vlanQoS":3)") + "," +
                                           TestClaim::config("FromClaim", R"("a/second","c")", R"("trust":"on")")});
  EXPECT_EQ(view.devices[0].settings, boost::json::parse(R"({"mtu":9000,"vlan":1,"vlanQoS":3})").as_object());
  EXPECT_EQ(view.devices[1].settings, boost::json::parse(R"({"mtu":9000})").as_object());
}

TEST(Claim, AShareOfTheBandwidthIsALimit) {
  const std::string share = R"(,"consumedCapacity":{"bandwidth":"2500M"})";
  EXPECT_EQ(parse({.devices = {{"main", "vf0"}}, .result_extra = share}).devices[0].settings.at("max_tx_rate"), 2500);
}

TEST(Claim, WhatItCannotBeIsRefusedInWords) {
  EXPECT_THAT(refusal({.devices = {{"main", "vf0"}}, .result_extra = R"(,"adminAccess":true)"}),
              HasSubstr("claim default/net asks for admin access in \"main\""));
  EXPECT_THAT(refusal({.uid = "22222222"}), HasSubstr("is another one by now"));
  auto bare = boost::json::parse(R"({"metadata":{"uid":"11111111-aaaa"}})");
  EXPECT_THROW(parse_claim(bare, kRef, "barewire.io"), Error);
  for (const char* nonsense : {"[]", "{}", R"({"metadata":{"uid":7}})",
                               R"({"metadata":{"uid":"11111111-aaaa"},"status":{"allocation":{"devices":{}}}})"})
    EXPECT_THROW(parse_claim(boost::json::parse(nonsense), kRef, "barewire.io"), Error) << nonsense;
}

TEST(Parameters, ThatAreWrongAreRefusedByKey) {
  EXPECT_EQ(parameter_refusal(R"("vlan":100,"mac":"02:00:00:00:00:01","ifname":"net1","driver":"netdev")"), "");
  EXPECT_THAT(parameter_refusal(R"("vlan":4095)"), HasSubstr("\"vlan\" is 4095"));
  EXPECT_THAT(parameter_refusal(R"("vlan":"100")"), HasSubstr("\"vlan\""));
  EXPECT_THAT(parameter_refusal(R"("Vlan":1)"), HasSubstr("there is no key \"Vlan\""));
  EXPECT_THAT(parameter_refusal(R"("mac":"01:00:00:00:00:01")"), HasSubstr("unicast"));
  EXPECT_THAT(parameter_refusal(R"("ifname":"a/b")"), HasSubstr("\"ifname\""));
  EXPECT_THAT(parameter_refusal(R"("trust":true)"), HasSubstr("\"trust\""));
  EXPECT_THAT(parameter_refusal(R"("vlanQoS":3)"), HasSubstr("\"vlan\" beside it"));
  EXPECT_THAT(parameter_refusal(R"("min_tx_rate":5,"max_tx_rate":4)"), HasSubstr("at most 4"));
  EXPECT_THAT(parameter_refusal(R"("driver":"ixgbe")"), HasSubstr("\"driver\""));
  EXPECT_THAT(parameter_refusal(R"("link_state":"up")"), HasSubstr("\"link_state\""));
}

TEST(Parameters, OfAnotherVersionOrKindAreRefused) {
  const auto refused = [](const char* json) -> std::string {
    try {
      parse_parameters(boost::json::parse(json), "claim a/b");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refused(R"({"apiVersion":"barewire.io/v2","kind":"VfConfig"})"), HasSubstr("barewire.io/v2"));
  EXPECT_THAT(refused(R"({"vlan":1})"), HasSubstr("expected \"VfConfig\""));
  EXPECT_THAT(refused("7"), HasSubstr("no object"));
}

}  // namespace
}  // namespace barewire::dra
