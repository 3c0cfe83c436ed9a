// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cluster/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "device-manager/cluster/holders.h"
#include "device-manager/cluster/limit.h"
#include "device-manager/cluster/node_state.h"
#include "device-manager/cluster/objects.h"
#include "device-manager/state/reader.h"
#include "tests/unit/device-manager/cluster/fake_api.h"
#include "tests/unit/device-manager/cluster/nics.h"

namespace barewire::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

boost::json::value pool(const std::string& name, const std::string& spec) {
  return boost::json::parse(fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{{}}}}})", name, spec));
}

std::vector<Labels> ten_nodes() {
  return {10, Labels{{"role", "worker"}}};
}

TEST(ClusterLimit, OneUnlessAPoolSaysOtherwise) {
  const Labels worker{{"role", "worker"}};
  EXPECT_EQ(limit_of({}, worker, ten_nodes).most, 1U);
  const std::vector pools = {pool("w", R"("maxUnavailable":3,"nodeSelector":{"matchLabels":{"role":"worker"}})"),
                             pool("m", R"("maxUnavailable":"25%","nodeSelector":{"matchExpressions":[)"
                                       R"({"key":"role","operator":"NotIn","values":["worker","x"]}]})")};
  EXPECT_EQ(limit_of(pools, worker, ten_nodes).most, 3U);
  EXPECT_EQ(limit_of(pools, worker, ten_nodes).pool, "w");
  EXPECT_EQ(limit_of(pools, {}, [] { return std::vector<Labels>(9); }).most, 2U);
  EXPECT_EQ(limit_of({pool("p", R"("rdmaMode":"shared")")}, worker, ten_nodes).most, 1U);
  EXPECT_EQ(limit_of({pool("p", R"("rdmaMode":"shared")")}, worker, ten_nodes).rdma_mode, "shared");
}

TEST(ClusterLimit, WhatIsNotUnderstoodIsNoLimit) {
  const auto refused = [](std::vector<boost::json::value> pools) {
    try {
      limit_of(pools, {}, ten_nodes);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_THAT(refused({pool("a", ""), pool("b", "")}), HasSubstr("SriovNetworkPoolConfig a and b"));
  EXPECT_THAT(refused({pool("a", R"("maxUnavailable":"3")")}), HasSubstr("SriovNetworkPoolConfig a"));
  EXPECT_THAT(refused({pool("a", R"("maxUnavailable":"101%")")}), HasSubstr("maxUnavailable"));
  EXPECT_THAT(refused({pool("a", R"("rdmaMode":"none")")}), HasSubstr("rdmaMode"));
  EXPECT_THAT(refused({pool("a", R"("nodeSelector":{"matchExpressions":[{"key":"k","operator":"Gt"}]})")}),
              HasSubstr("operator"));
}

declared::Nic declared_nic(const std::string& rest) {
  declared::Declaration declaration;
  declared::add_file(declaration, "f", R"({"nics":[{"select":{"driver":"igb"},)" + rest + "}]}");
  EXPECT_THAT(declaration.problems, IsEmpty());
  return declaration.nics.at(0);
}

/// Pods a and b have VFs 0 and 1, VF 2 is free, a process has VF 3.
struct Used {
  declared::NicFacts facts = test::igb("0000:01:00.0", "ens1f0", 4);
  manager::PfEntry pf;
  Used() {
    pf.pf = facts.pf();
    for (const vf::Vf& each : facts.pf().vfs) {
      manager::VfEntry entry{.vf = each};
      if (each.id < 2) {
        entry.holder.emplace();
        entry.holder->pod = {"default", each.id == 0 ? "a" : "b", "uid"};
      }
      if (each.id != 2) facts.base.in_use[each.id] = "somebody has it";
      pf.vfs.push_back(entry);
    }
    pf.enabled_vfs = 4;
  }
};

TEST(ClusterHolders, ANewNumberTakesAllVfsAndADriverOne) {
  const Used used;
  Holders all, one;
  add_holders(all, declared_nic(R"("vfs":2)"), used.facts, used.pf);
  EXPECT_THAT(all.pods, SizeIs(2));
  EXPECT_THAT(all.unknown, ElementsAre(HasSubstr("VF 3")));
  add_holders(one, declared_nic(R"("vfs":4,"groups":[{"vfs":"1-2","driver":"vfio-pci"}])"), used.facts, used.pf);
  ASSERT_THAT(one.pods, SizeIs(1));
  EXPECT_EQ(one.pods[0].name, "b");
  EXPECT_THAT(one.unknown, IsEmpty());
}

TEST(ClusterHolders, NoDrainHelpsAgainstTheDefaultRoute) {
  Used used;
  EXPECT_TRUE(would_drain_help(declared_nic(R"("vfs":2)"), used.facts));
  used.facts.base.default_route = "the default route leaves by ens1f0";
  EXPECT_FALSE(would_drain_help(declared_nic(R"("vfs":2)"), used.facts));
}

TEST(ClusterNodeState, SaysWhichPodHasWhichVf) {
  const Used used;
  manager::Snapshot snapshot;
  snapshot.pfs.push_back(used.pf);
  const auto status = node_status(snapshot, {Sync::State::failed, "why"}, {"0000:01:00.0"}, {}, "now");
  EXPECT_EQ(text_at(status, {"syncStatus"}), "Failed");
  EXPECT_EQ(text_at(status, {"lastSyncError"}), "why");
  const auto& nic = status.at("interfaces").at(0);
  EXPECT_EQ(text_at(nic, {"linkType"}), "ETH");
  EXPECT_EQ(nic.at("externallyManaged"), true);
  EXPECT_EQ(text_at(nic.at("Vfs").at(1), {"assigned"}), "default/b");
  EXPECT_EQ(text_at(nic.at("Vfs").at(1), {"pod", "name"}), "b");
  EXPECT_FALSE(nic.at("Vfs").at(2).as_object().contains("assigned"));
}

TEST(ClusterNodeState, IsWrittenForWhatChangedAlone) {
  const Used used;
  manager::Snapshot snapshot;
  snapshot.pfs.push_back(used.pf);
  const boost::json::value first = node_status(snapshot, {}, {}, {}, "12:00");
  const boost::json::value second = node_status(snapshot, {}, {}, first, "13:00");
  EXPECT_TRUE(is_same_status(second, first)) << "a condition that stays keeps its time";
  boost::json::value pruned = first;
  pruned.as_object().erase("conditions");
  for (auto& vf : pruned.at("interfaces").at(0).at("Vfs").as_array()) vf.as_object().erase("pod");
  EXPECT_TRUE(is_same_status(second, pruned)) << "the operator's CRDs do not keep our keys";
  pruned.at("interfaces").at(0).at("Vfs").at(0).as_object().erase("assigned");
  EXPECT_FALSE(is_same_status(second, pruned));
  snapshot.pfs[0].vfs.pop_back();
  EXPECT_FALSE(is_same_status(node_status(snapshot, {}, {}, first, "14:00"), first));
}

class DrainTest : public ::testing::Test {
 protected:
  DrainTest() {
    for (const char* name : {"n1", "n2", "n3"})
      api_.objects[path(name)] = {{"metadata", {{"name", name}, {"resourceVersion", "0"}}},
                                  {"spec", boost::json::object()}};
  }
  static std::string path(const std::string& name) { return "/api/v1/nodes/" + name; }
  bool has_place(const std::string& name, std::size_t most = 1) {
    return Drain(api_, "ns", name).step(api_.objects.at(path(name)), {}, {.most = most}).has_place;
  }
  void finish(const std::string& name) { Drain(api_, "ns", name).finish(api_.objects.at(path(name))); }
  bool is_cordoned(const std::string& name) {
    const auto* now = api_.objects.at(path(name))["spec"].as_object().if_contains("unschedulable");
    return now != nullptr && *now == true;
  }

  test::FakeApi api_;
};

TEST_F(DrainTest, AsManyAsTheLimitAllowsAndTheNextWhenOneIsDone) {
  EXPECT_TRUE(has_place("n1"));
  EXPECT_FALSE(has_place("n2"));
  EXPECT_FALSE(is_cordoned("n2"));
  EXPECT_TRUE(has_place("n1")) << "a daemon that was started anew knows its place";
  EXPECT_TRUE(has_place("n2", 2));
  EXPECT_FALSE(has_place("n3", 2));
  finish("n1");
  EXPECT_FALSE(is_cordoned("n1"));
  EXPECT_FALSE(has_place("n3", 1)) << "the limit is lower now, and n2 is still at it";
  EXPECT_TRUE(has_place("n3", 2));
  finish("n2"), finish("n3");
  api_.writes.clear();
  finish("n3");
  EXPECT_THAT(api_.writes, IsEmpty());
}

TEST_F(DrainTest, APlaceIsTakenOverFromANodeThatIsNoMoreAndFromNoOther) {
  EXPECT_TRUE(has_place("n1"));
  EXPECT_FALSE(has_place("n2"));
  api_.objects.erase(path("n1"));
  EXPECT_TRUE(has_place("n2"));
  EXPECT_FALSE(has_place("n3", 0));
}

TEST_F(DrainTest, WhatOthersCordonedIsNotOurs) {
  api_.objects.at(path("n1"))["spec"].as_object()["unschedulable"] = true;
  EXPECT_TRUE(has_place("n1"));
  finish("n1");
  EXPECT_TRUE(is_cordoned("n1"));
}

TEST_F(DrainTest, ANodeThatChangedMeanwhileIsLookedAtAgain) {
  const boost::json::value before = api_.objects.at(path("n1"));
  api_.objects.at(path("n1"))["metadata"].as_object()["resourceVersion"] = "7";
  EXPECT_THROW(Drain(api_, "ns", "n1").step(before, {}, {}), kubernetes::ApiRefusal);
  EXPECT_FALSE(is_cordoned("n1"));
}

}  // namespace
}  // namespace barewire::cluster
