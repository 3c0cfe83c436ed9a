// SPDX-License-Identifier: Apache-2.0
#include "core/cni/result.h"

#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

namespace barewire::cni {
namespace {

Result sample() {
  Result result;
  result.interfaces = {{.name = "net1",
                        .mac = "02:00:00:00:00:01",
                        .mtu = 1500,
                        .sandbox = "/run/netns/a",
                        .socket_path = "",
                        .pci_id = "0000:01:10.0"}};
  result.ips = {{*IpPrefix::parse("10.1.0.5/16"), IpAddress::parse("10.1.0.1"), 0},
                {*IpPrefix::parse("10.1.0.6/16"), std::nullopt, 0},
                {*IpPrefix::parse("2001:db8::5/64"), std::nullopt, 0}};
  Route route{.destination = *IpPrefix::parse("0.0.0.0/0"),
              .gateway = IpAddress::parse("10.1.0.1"),
              .mtu = 1400,
              .advmss = {},
              .priority = {},
              .table = 7,
              .scope = {}};
  result.routes = {route};
  return result;
}

std::string printed(const Result& result, const Version& version) {
  return boost::json::serialize(result.to_json(version));
}

TEST(Result, PrintsTheNewestShapeWithEveryKey) {
  EXPECT_EQ(
      printed(sample(), {1, 1, 0}),
      R"({"cniVersion":"1.1.0","interfaces":[{"name":"net1","mac":"02:00:00:00:00:01","mtu":1500,)"
      R"("sandbox":"/run/netns/a","pciID":"0000:01:10.0"}],"ips":[{"interface":0,"address":"10.1.0.5/16",)"
      R"("gateway":"10.1.0.1"},{"interface":0,"address":"10.1.0.6/16"},{"interface":0,"address":"2001:db8::5/64"}],)"
      R"("routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.1","mtu":1400,"table":7}]})");
}

TEST(Result, DropsBelowOneWhatThoseShapesDoNotKnow) {
  EXPECT_EQ(
      printed(sample(), {0, 4, 0}),
      R"({"cniVersion":"0.4.0","interfaces":[{"name":"net1","mac":"02:00:00:00:00:01","sandbox":"/run/netns/a"}],)"
      R"("ips":[{"version":"4","interface":0,"address":"10.1.0.5/16","gateway":"10.1.0.1"},)"
      R"({"version":"4","interface":0,"address":"10.1.0.6/16"},{"version":"6","interface":0,)"
      R"("address":"2001:db8::5/64"}],"routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.1"}],"dns":{}})");
}

TEST(Result, PrintsOneAddressPerFamilyBelowThirdShape) {
  EXPECT_EQ(printed(sample(), {0, 2, 0}),
            R"({"cniVersion":"0.2.0","ip4":{"ip":"10.1.0.5/16","gateway":"10.1.0.1","routes":[{"dst":"0.0.0.0/0",)"
            R"("gw":"10.1.0.1"}]},"ip6":{"ip":"2001:db8::5/64"},"dns":{}})");
}

TEST(Result, CannotBePrintedBelowThirdShapeWithoutAddress) {
  Result result = sample();
  result.ips.clear();
  EXPECT_THROW(result.to_json({0, 1, 0}), Error);
  EXPECT_NO_THROW(result.to_json({0, 3, 0}));
}

TEST(Result, ReadsBackEveryShapeItPrints) {
  for (const Version& version : kSupportedVersions) {
    const auto json = sample().to_json(version);
    const Result read = Result::parse(JsonView(json), {1, 0, 0});
    EXPECT_EQ(printed(read, version), boost::json::serialize(json)) << version.text();
  }
}

TEST(Result, TakesTheFallbackVersionWhenItNamesNone) {
  const auto json = parse_json(R"({"ip4":{"ip":"10.0.0.2/8"}})", "result");
  EXPECT_EQ(Result::parse(JsonView(json), {0, 2, 0}).ips.size(), 1u);
  EXPECT_EQ(Result::parse(JsonView(json), {1, 0, 0}).ips.size(), 0u);
}

TEST(Result, NamesTheKeyThatIsWrong) {
  for (const auto& [text, key] : std::vector<std::pair<std::string, std::string>>{
           {R"({"ips":[{"address":"10.0.0.1"}]})", "ips[0].address"},
           {R"({"ips":[{"address":"10.0.0.1/8","gateway":"x"}]})", "ips[0].gateway"},
           {R"({"ips":[{"address":"10.0.0.1/8","interface":"x"}]})", "ips[0].interface"},
           {R"({"routes":[{"dst":"10.0.0.0"}]})", "routes[0].dst"},
           {R"({"interfaces":[{"name":7}]})", "interfaces[0].name"},
           {R"({"dns":{"nameservers":"1.1.1.1"}})", "dns.nameservers"},
           {R"({"cniVersion":"9.9.9"})", "cniVersion"}}) {
    const auto json = parse_json(text, "result");
    try {
      Result::parse(JsonView(json), {1, 0, 0});
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("\"" + key + "\"")) << text;
    }
  }
}

TEST(Result, WithoutAVersionHasTheShapeOfTheConfigurations) {
  for (const char* version : {"", R"("cniVersion":"",)", R"("cniVersion":null,)"}) {
    const auto json = parse_json(fmt::format(R"({{{}"ip4":{{"ip":"10.0.0.2/8"}}}})", version), "r");
    EXPECT_EQ(Result::parse(JsonView(json), {0, 1, 0}).ips.size(), 1U) << version;
  }
}

TEST(Result, KeepsAnIndexThatLeadsNowhere) {
  const auto json = parse_json(R"({"ips":[{"address":"10.0.0.2/8","interface":-1}]})", "r");
  EXPECT_EQ(Result::parse(JsonView(json), {1, 0, 0}).ips.at(0).interface, -1);
}

}  // namespace
}  // namespace barewire::cni
