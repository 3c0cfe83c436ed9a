// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "device-manager/cluster/holders.h"
#include "device-manager/cluster/limit.h"
#include "device-manager/cluster/node_state.h"
#include "device-manager/cluster/objects.h"
#include "device-manager/state/reader.h"
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

}  // namespace
}  // namespace barewire::cluster
