// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cluster/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "device-manager/inventory/pool.h"
#include "device-manager/state/plan.h"
#include "device-manager/state/reader.h"
#include "tests/unit/device-manager/cluster/nics.h"

namespace barewire::cluster {
namespace {

using test::igb;
using test::policy_json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kFour = R"("numVfs":4,"nicSelector":{"pfNames":["ens1f0"]},"nodeSelector":{"role":"worker"})";

Sources with_policies(const std::vector<std::string>& policies) {
  Sources sources{.labels = {{"role", "worker"}}, .prefix = "example.com"};
  sources.policies.emplace();
  for (const std::string& each : policies) sources.policies->push_back(boost::json::parse(each));
  return sources;
}

boost::json::value config_map(const std::string& name, const std::string& selector, const std::string& declaration) {
  boost::json::object object{{"metadata", {{"name", name}, {"namespace", "sriov"}}},
                             {"data", {{"node.json", declaration}}}};
  object["metadata"].as_object()["annotations"] = {{kSelectorAnnotation, selector}};
  return object;
}

std::vector<std::string> texts(const std::vector<declared::Problem>& problems) {
  std::vector<std::string> all;
  for (const auto& each : problems) all.push_back(each.text);
  return all;
}

/// What was kept is read at boot by another program: it has to mean the same there.
declared::Declaration reread(const Assembled& assembled) {
  declared::Declaration declaration;
  declared::add_file(declaration, "kept", boost::json::serialize(assembled.document));
  declared::check_together(declaration);
  EXPECT_THAT(texts(declaration.problems), IsEmpty());
  return declaration;
}

TEST(ClusterAssemble, PoliciesForOtherNodesCountForNothingHoweverWrong) {
  const auto sources =
      with_policies({policy_json("a", kFour), policy_json("b", R"("numVfs":"x","nodeSelector":{"role":"master"})")});
  const Assembled made = assemble(sources, test::two_ports());
  EXPECT_THAT(texts(made.problems), IsEmpty());
  const auto kept = reread(made);
  ASSERT_THAT(kept.nics, SizeIs(1));
  EXPECT_EQ(kept.nics[0].selectors[0].pci, "0000:01:00.0");
  EXPECT_EQ(kept.nics[0].vfs, 4U);
  const auto pools =
      inventory::parse_pools(declared::pools_document(kept, declared::plan_node(kept, test::two_ports())), "pools", "");
  ASSERT_THAT(pools.pools, SizeIs(1));
  EXPECT_EQ(pools.pools[0].resource(), "example.com/a");
}

TEST(ClusterAssemble, ADeletedPolicyLeavesNoVfButWhatIsNotItsStays) {
  const auto first = assemble(with_policies({policy_json("a", kFour)}), test::two_ports());
  auto sources = with_policies({});
  sources.kept = first.document;
  const std::vector nics = {igb("0000:01:00.0", "ens1f0", 4), igb("0000:01:00.1", "ens1f1", 4)};
  const auto released = assemble(sources, nics);
  ASSERT_THAT(reread(released).nics, SizeIs(1)) << "the other port was never the cluster's";
  EXPECT_EQ(released.whole.nics[0].vfs, 0U);
  EXPECT_EQ(released.whole.nics[0].selectors[0].pci, "0000:01:00.0");
  EXPECT_FALSE(released.document.contains("resourceList"));

  sources.kept = released.document;
  EXPECT_THAT(reread(assemble(sources, nics)).nics, SizeIs(1)) << "until the VFs are gone";
  EXPECT_THAT(assemble(sources, test::two_ports()).whole.nics, IsEmpty());
}

TEST(ClusterAssemble, WhatOthersManageIsNotReleased) {
  const auto first = assemble(with_policies({policy_json("a", std::string(kFour) + R"(,"externallyManaged":true)")}),
                              {igb("0000:01:00.0", "ens1f0", 4)});
  auto sources = with_policies({});
  sources.kept = first.document;
  EXPECT_THAT(assemble(sources, {igb("0000:01:00.0", "ens1f0", 4)}).whole.nics, IsEmpty());
}

TEST(ClusterAssemble, ANicThatTheNodeDeclaresItselfIsAContradictionAndThenNotReleased) {
  auto sources = with_policies({policy_json("a", kFour)});
  declared::add_file(sources.own, "/etc/barewire/node.json", R"({"nics":[{"select":{"name":"ens1f0"},"vfs":2}]})");
  const auto both = assemble(sources, test::two_ports());
  EXPECT_THAT(texts(both.problems),
              ElementsAre(AllOf(HasSubstr("SriovNetworkNodePolicy a"), HasSubstr("/etc/barewire/node.json"))));
  sources.kept = assemble(with_policies({policy_json("a", kFour)}), test::two_ports()).document;
  sources.policies->clear();
  EXPECT_THAT(assemble(sources, {igb("0000:01:00.0", "ens1f0", 4)}).whole.nics, SizeIs(1));
}

TEST(ClusterAssemble, MoreVfsThanTheCardHasAndASwitchThatItHasNot) {
  const auto sources = with_policies(
      {policy_json("big", R"("numVfs":9,"nicSelector":{"pfNames":["ens1f0"]})"),
       policy_json("switch", R"("numVfs":1,"eSwitchMode":"switchdev","nicSelector":{"pfNames":["ens1f1"]})"),
       policy_json("range", R"("numVfs":2,"priority":1,"nicSelector":{"pfNames":["ens1f1#4-5"]})")});
  EXPECT_THAT(texts(assemble(sources, test::two_ports()).problems),
              ::testing::UnorderedElementsAre(
                  AllOf(HasSubstr("SriovNetworkNodePolicy big"), HasSubstr(".vfs\" is 9"), HasSubstr("at most 7")),
                  AllOf(HasSubstr("SriovNetworkNodePolicy range"), HasSubstr("numbered from 0"))));
}

TEST(ClusterAssemble, ConfigMapsByLabelsOfTheNode) {
  auto sources = with_policies({});
  const char* declaration = R"({"nics":[{"select":{"name":"ens1f1"},"vfs":1,"groups":[{"vfs":"0","pool":"p"}]}]})";
  sources.config_maps = {config_map("mine", "role=worker", declaration), config_map("other", "role=master", "{"),
                         config_map("wrong", "role", declaration)};
  const auto made = assemble(sources, test::two_ports());
  EXPECT_THAT(texts(made.problems), ElementsAre(HasSubstr("barewire.io/node-selector")));
  sources.config_maps.pop_back();
  const auto kept = reread(assemble(sources, test::two_ports()));
  ASSERT_THAT(kept.nics, SizeIs(1));
  EXPECT_EQ(kept.nics[0].groups[0].pool, "p");
  sources.config_maps = {config_map("slip", "", R"({"nisc":[]})")};
  EXPECT_THAT(texts(assemble(sources, test::two_ports()).problems),
              ElementsAre(AllOf(HasSubstr("ConfigMap sriov/slip"), HasSubstr("nisc"))));
}

TEST(ClusterAssemble, AnApiServerWithoutTheCrdsIsNoWordAboutVfs) {
  auto sources = with_policies({policy_json("a", kFour)});
  sources.kept = assemble(sources, test::two_ports()).document;
  sources.policies.reset();
  EXPECT_THROW(assemble(sources, test::two_ports()), Error);
  sources.kept.reset();
  EXPECT_THAT(assemble(sources, test::two_ports()).whole.nics, IsEmpty());
}

}  // namespace
}  // namespace barewire::cluster
