// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cluster/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "device-manager/cluster/networks.h"
#include "device-manager/cluster/objects.h"
#include "tests/unit/device-manager/cluster/fake_api.h"

namespace barewire::cluster {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

boost::json::value network(const std::string& spec, const std::string& name = "lan") {
  return boost::json::parse(fmt::format(
      R"({{"metadata":{{"name":"{}","namespace":"sriov"}},"spec":{{"resourceName":"fast","networkNamespace":"apps"{}{}}}}})",
      name, spec.empty() ? "" : ",", spec));
}

std::string config_of(const std::string& kind, const std::string& spec) {
  std::vector<declared::Problem> problems;
  const auto made = render(problems, kind, network(spec), "example.com");
  EXPECT_TRUE(made) << (problems.empty() ? "" : problems[0].text);
  return made ? text_at(made->object, {"spec", "config"}) : "";
}

TEST(ClusterRender, KeysAsTheOperatorWritesThem) {
  EXPECT_EQ(config_of("SriovNetwork", ""),
            R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","vlan":0,"vlanQoS":0,"ipam":{}})");
  EXPECT_EQ(
      config_of("SriovNetwork", R"("vlan":100,"vlanQoS":3,"vlanProto":"802.1ad","spoofChk":"off","trust":"on",
        "linkState":"enable","minTxRate":0,"maxTxRate":500,"logLevel":"debug","logFile":"/tmp/x",
        "capabilities":"{ \"mac\": true }","ipam":"{ \"type\": \"static\" }")"),
      R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","vlan":100,"vlanQoS":3,"vlanProto":"802.1ad","spoofchk":"off",)"
      R"("trust":"on","link_state":"enable","min_tx_rate":0,"max_tx_rate":500,"logLevel":"debug","logFile":"/tmp/x",)"
      R"("ipam":{"type":"static"},"capabilities":{"mac":true}})");
  EXPECT_EQ(config_of("SriovIBNetwork", R"("linkState":"auto","ipam":"")"),
            R"({"cniVersion":"1.0.0","name":"lan","type":"ib-sriov","ipam":{},"link_state":"auto"})");
  EXPECT_EQ(
      config_of("OVSNetwork", R"("bridge":"br0","mtu":9000,"interfaceType":"dpdk","trunk":[{"minID":1,"maxID":9}])"),
      R"({"cniVersion":"1.0.0","name":"lan","type":"ovs","bridge":"br0","interface_type":"dpdk","mtu":9000,)"
      R"("trunk":[{"minID":1,"maxID":9}]})");
}

TEST(ClusterRender, FurtherPluginsMakeAList) {
  EXPECT_EQ(
      config_of("OVSNetwork", R"("vlan":7,"metaPlugins":"{\"type\":\"tuning\"}, {\"type\":\"vrf\"}")"),
      R"({"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"ovs","vlan":7},{"type":"tuning"},{"type":"vrf"}]})");
}

TEST(ClusterRender, MarksAndResource) {
  std::vector<declared::Problem> problems;
  const auto made = render(problems, "SriovNetwork", network(""), "example.com");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->name_space, "apps");
  EXPECT_EQ(annotation_of(made->object, "k8s.v1.cni.cncf.io/resourceName"), "example.com/fast");
  EXPECT_EQ(annotation_of(made->object, kRenderedFrom), "SriovNetwork/sriov/lan");
  EXPECT_EQ(annotation_of(made->object, kOperatorMark), "SriovNetwork.sriovnetwork.openshift.io/sriov/lan");
}

TEST(ClusterRender, WhatIsWrongIsToldAllAtOnce) {
  std::vector<declared::Problem> problems;
  EXPECT_FALSE(render(problems, "SriovNetwork",
                      network(R"("vlan":4095,"trust":"yes","ipam":"{","capabilities":"[]","metaPlugins":"{\"a\":1}")"),
                      "p"));
  std::vector<std::string> texts;
  for (const auto& each : problems) texts.push_back(each.text);
  for (const char* key : {"vlan", "trust", "ipam", "capabilities", "metaPlugins"})
    EXPECT_THAT(texts, Contains(AllOf(HasSubstr("SriovNetwork/sriov/lan"), HasSubstr(fmt::format("spec.{}", key)))));
}

class NetworksTest : public ::testing::Test {
 protected:
  void put(const std::string& resource, const boost::json::value& object) {
    api_.objects["/apis/sriovnetwork.openshift.io/v1/namespaces/sriov/" + resource + "/" +
                 text_at(object, {"metadata", "name"})] = object.as_object();
  }
  /// Where a kind has no object, the fake server has an empty list.
  std::vector<std::string> sync() {
    api_.writes.clear();
    Networks(
        api_, "sriov", "example.com", [this] { return leads_; },
        [this](const std::string&, const std::string& line) {
          if (!line.empty()) said_.push_back(line);
        })
        .sync();
    return api_.writes;
  }
  boost::json::object& made(const std::string& name) { return api_.objects.at(path(name)); }
  static std::string path(const std::string& name) {
    return "/apis/k8s.cni.cncf.io/v1/namespaces/apps/network-attachment-definitions/" + name;
  }
  /// The fake server's list is by folder: what is listed cluster-wide is put there.
  void list_cluster_wide() {
    std::erase_if(api_.objects, [](const auto& each) { return each.first.starts_with(kAll); });
    auto all = api_.objects;
    for (const auto& [at, object] : all)
      if (at.starts_with("/apis/k8s") && text_at(object, {"metadata", "labels", kManagedByLabel}) == kManagedBy)
        api_.objects[std::string(kAll) + at.substr(at.rfind('/'))] = object;
  }
  static constexpr const char* kAll = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";

  test::FakeApi api_;
  bool leads_ = true;
  std::vector<std::string> said_;
};

TEST_F(NetworksTest, MadeOnceAndChangedWithTheNetwork) {
  put("sriovnetworks", network(R"("vlan":1)"));
  EXPECT_THAT(sync(), ElementsAre(HasSubstr("POST ")));
  list_cluster_wide();
  EXPECT_THAT(sync(), IsEmpty());
  put("sriovnetworks", network(R"("vlan":2)"));
  EXPECT_THAT(sync(), ElementsAre("PUT " + path("lan")));
  EXPECT_THAT(text_at(made("lan"), {"spec", "config"}), HasSubstr("\"vlan\":2"));
}

TEST_F(NetworksTest, OnlyTheLeaderWrites) {
  leads_ = false;
  put("sriovnetworks", network(""));
  EXPECT_THAT(sync(), IsEmpty());
}

TEST_F(NetworksTest, WhatSomebodyElseMadeIsLeftAndWhatTheOperatorMadeIsTakenOver) {
  put("sriovnetworks", network(""));
  api_.objects[path("lan")] =
      boost::json::parse(
          R"({"metadata":{"name":"lan","namespace":"apps","resourceVersion":"5"},"spec":{"config":"{}"}})")
          .as_object();
  EXPECT_THAT(sync(), IsEmpty());
  EXPECT_THAT(said_, ElementsAre(HasSubstr("left as it is")));
  made("lan")["metadata"].as_object()["annotations"] = {
      {kOperatorMark, "SriovNetwork.sriovnetwork.openshift.io/sriov/lan"}};
  EXPECT_THAT(sync(), ElementsAre("PUT " + path("lan")));
}

TEST_F(NetworksTest, GoesWithItsNetworkButNotWithABrokenOne) {
  put("sriovnetworks", network(""));
  sync();
  list_cluster_wide();
  put("sriovnetworks", network(R"("vlan":9999)"));
  EXPECT_THAT(sync(), IsEmpty());
  api_.objects.erase("/apis/sriovnetwork.openshift.io/v1/namespaces/sriov/sriovnetworks/lan");
  EXPECT_THAT(sync(), ElementsAre("DELETE " + path("lan")));
}

TEST_F(NetworksTest, TwoThatMakeTheSameAreBothNamed) {
  put("sriovnetworks", network(""));
  put("ovsnetworks", network(""));
  EXPECT_THAT(sync(), IsEmpty());
  EXPECT_THAT(said_, ElementsAre(AllOf(HasSubstr("SriovNetwork/sriov/lan"), HasSubstr("OVSNetwork/sriov/lan"))));
}

}  // namespace
}  // namespace barewire::cluster
