// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cluster/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/unit/device-manager/cluster/nics.h"

namespace barewire::cluster {
namespace {

using test::policy_json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Given {
  const char* name;
  const char* spec;
};

std::vector<std::string> texts(const std::vector<declared::Problem>& problems) {
  std::vector<std::string> all;
  for (const auto& each : problems) all.push_back(each.text);
  return all;
}

Wanted translated(const std::vector<Given>& given) {
  std::vector<declared::Problem> problems;
  std::vector<Policy> policies;
  for (const Given& each : given)
    if (auto policy = parse_policy(problems, boost::json::parse(policy_json(each.name, each.spec))))
      policies.push_back(*policy);
  EXPECT_THAT(texts(problems), IsEmpty());
  return translate(policies, test::two_ports(), "example.com");
}

/// "01:00.0 vfs=4 mtu=9000 legacy: 0-1 netdev, 2-3 vfio-pci", one line for each NIC.
std::string summary(const Wanted& wanted) {
  std::string text;
  for (const auto& [origin, nic] : wanted.entries) {
    text += fmt::format("{} vfs={}", std::string(nic.at("select").at("pci").as_string()).substr(5),
                        nic.at("vfs").to_number<int>());
    if (nic.contains("mtu")) text += fmt::format(" mtu={}", nic.at("mtu").to_number<int>());
    if (nic.contains("externallyManaged")) text += " external";
    text += fmt::format(" {}:", std::string_view(nic.at("eswitch").as_string()));
    const char* before = " ";
    for (const auto& group : nic.at("groups").as_array()) {
      text += fmt::format("{}{} {}", before, std::string_view(group.at("vfs").as_string()),
                          std::string_view(group.at("driver").as_string()));
      before = ", ";
    }
    text += "\n";
  }
  return text;
}

struct Case {
  const char* about;
  std::vector<Given> policies;
  const char* wanted;
};

TEST(ClusterTranslate, WhatPoliciesMakeOfTwoPorts) {
  const std::vector<Case> cases = {
      {"one for both ports",
       {{"a", R"("numVfs":4,"nicSelector":{"vendor":"8086","deviceID":"10C9"})"}},
       "01:00.0 vfs=4 legacy: 0-3 netdev\n01:00.1 vfs=4 legacy: 0-3 netdev\n"},
      {"by name and address, both have to fit",
       {{"a", R"("numVfs":2,"nicSelector":{"rootDevices":["0000:01:00.1"],"pfNames":["ens1f0","ens1f1"]})"}},
       "01:00.1 vfs=2 legacy: 0-1 netdev\n"},
      {"another vendor's", {{"a", R"("numVfs":2,"nicSelector":{"vendor":"15b3","pfNames":["ens1f0"]})"}}, ""},
      {"no NIC of bare metal has a network filter",
       {{"a", R"("numVfs":2,"nicSelector":{"netFilter":"openstack/NetworkID:x"})"}},
       ""},
      {"ranges of two policies share a port",
       {{"net", R"("numVfs":6,"mtu":1500,"nicSelector":{"pfNames":["ens1f0#0-3"]})"},
        {"dpdk", R"("numVfs":4,"mtu":9000,"deviceType":"vfio-pci","nicSelector":{"pfNames":["ens1f0#4-5"]})"}},
       "01:00.0 vfs=6 mtu=9000 legacy: 4-5 vfio-pci, 0-3 netdev\n"},
      {"0 wins over 99 where they overlap",
       {{"low", R"("priority":99,"numVfs":7,"nicSelector":{"pfNames":["ens1f0"]})"},
        {"high", R"("priority":0,"numVfs":2,"deviceType":"vfio-pci","nicSelector":{"pfNames":["ens1f0"]})"}},
       "01:00.0 vfs=2 legacy: 0-1 vfio-pci\n"},
      {"a lower one counts where it does not overlap",
       {{"low", R"("priority":99,"numVfs":7,"nicSelector":{"pfNames":["ens1f0#4-6"]})"},
        {"high", R"("priority":10,"numVfs":4,"nicSelector":{"pfNames":["ens1f0#0-3"]})"}},
       "01:00.0 vfs=7 legacy: 0-3 netdev, 4-6 netdev\n"},
      {"the winner says how the port is",
       {{"low", R"("priority":99,"numVfs":7,"nicSelector":{"pfNames":["ens1f0#4-6"]},"eSwitchMode":"legacy")"},
        {"high", R"("priority":1,"numVfs":4,"nicSelector":{"pfNames":["ens1f0#0-3"]},"eSwitchMode":"switchdev",)"
                 R"("externallyManaged":true)"}},
       "01:00.0 vfs=7 external switchdev: 0-3 netdev, 4-6 netdev\n"},
      {"without VFs a policy says nothing",
       {{"none", R"("priority":0,"numVfs":0,"nicSelector":{"pfNames":["ens1f0"]})"},
        {"some", R"("priority":50,"numVfs":3,"nicSelector":{"pfNames":["ens1f0"]})"}},
       "01:00.0 vfs=3 legacy: 0-2 netdev\n"},
  };
  for (const Case& each : cases) {
    const Wanted wanted = translated(each.policies);
    EXPECT_THAT(texts(wanted.problems), IsEmpty()) << each.about;
    EXPECT_EQ(summary(wanted), each.wanted) << each.about;
  }
}

TEST(ClusterTranslate, PoliciesThatFightAreNamedAllAtOnce) {
  const Wanted wanted =
      translated({{"a", R"("numVfs":4,"nicSelector":{"pfNames":["ens1f0"]},"eSwitchMode":"switchdev")"},
                  {"b", R"("numVfs":2,"nicSelector":{"pfNames":["ens1f0#2-3"]})"},
                  {"c", R"("numVfs":2,"linkType":"ib","nicSelector":{"pfNames":["ens1f1"]})"}});
  EXPECT_THAT(texts(wanted.problems),
              ElementsAre(AllOf(HasSubstr("SriovNetworkNodePolicy a and SriovNetworkNodePolicy b"),
                                HasSubstr("eSwitchMode of ens1f0 is switchdev and legacy")),
                          AllOf(HasSubstr("SriovNetworkNodePolicy a and SriovNetworkNodePolicy b"),
                                HasSubstr("both want VFs of ens1f0, 0-3 and 2-3")),
                          AllOf(HasSubstr("SriovNetworkNodePolicy c"), HasSubstr("linkType"))));
}

TEST(ClusterTranslate, APoolHasTheVfsOfEveryPort) {
  const Wanted wanted = translated(
      {{"fast",
        R"("numVfs":2,"isRdma":true,"needVhostNet":true,"excludeTopology":true,"nicSelector":{"vendor":"8086"})"}});
  EXPECT_EQ(boost::json::serialize(wanted.resources),
            R"([{"resourceName":"fast","resourcePrefix":"example.com","excludeTopology":true,"selectors":[)"
            R"({"rootDevices":["0000:01:00.0#0-1"],"isRdma":true,"needVhostNet":true},)"
            R"({"rootDevices":["0000:01:00.1#0-1"],"isRdma":true,"needVhostNet":true}]}])");
}

TEST(ClusterTranslate, AResourceIsOfOneKind) {
  std::vector<declared::Problem> problems;
  std::vector<Policy> policies;
  for (const char* kind : {"netdevice", "vfio-pci"}) {
    auto object = boost::json::parse(policy_json(kind, R"("numVfs":2,"nicSelector":{"vendor":"8086"})"));
    auto& spec = object.as_object()["spec"].as_object();
    spec["resourceName"] = "shared";
    spec["deviceType"] = kind;
    spec["nicSelector"].as_object()["pfNames"] = boost::json::array{kind[0] == 'n' ? "ens1f0" : "ens1f1"};
    policies.push_back(*parse_policy(problems, object));
  }
  EXPECT_THAT(texts(translate(policies, test::two_ports(), "p").problems),
              ElementsAre(HasSubstr("contradict each other about resource shared")));
}

TEST(ClusterPolicy, WhatIsWrongIsToldAllAtOnceWithPolicyAndKey) {
  std::vector<declared::Problem> problems;
  EXPECT_FALSE(parse_policy(problems, boost::json::parse(policy_json("bad", R"("numVfs":-1,"priority":100,
      "mtu":9,"deviceType":"dpdk","isRdma":"yes","vdpaType":"vhost","bridge":{"ovs":{}},
      "nicSelector":{"vendor":"intel","rootDevices":["1"],"pfNames":["a#3-1"]})"))));
  const auto all = texts(problems);
  EXPECT_THAT(all, SizeIs(11)) << ::testing::PrintToString(all);
  for (const char* key : {"priority", "nicSelector.vendor", "nicSelector.rootDevices[0]", "nicSelector.pfNames[0]",
                          "numVfs", "mtu", "deviceType", "isRdma", "vdpaType", "bridge"})
    EXPECT_THAT(all, ::testing::Contains(HasSubstr(fmt::format("SriovNetworkNodePolicy bad: key \"spec.{}", key))));
}

TEST(ClusterPolicy, ASelectorThatSaysNothingIsNotEveryNic) {
  std::vector<declared::Problem> problems;
  EXPECT_FALSE(parse_policy(problems, boost::json::parse(policy_json("all", R"("numVfs":1,"nicSelector":{})"))));
  EXPECT_THAT(texts(problems), ElementsAre(HasSubstr("nicSelector")));
}

}  // namespace
}  // namespace barewire::cluster
