// SPDX-License-Identifier: Apache-2.0
/// Daemons of several nodes that follow one API server: policies, drains, node states, networks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/plugin/device-manager/cluster_node.h"
#include "tests/support/api_server.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::chrono::seconds kLong{30};
const std::string kSriov = "/apis/sriovnetwork.openshift.io/v1/namespaces/sriov/";
const std::string kLeases = "/apis/coordination.k8s.io/v1/namespaces/sriov/leases";

class ClusterTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    make_private_directory("/etc/barewire");
    server_.emplace();
    server_->write_kubeconfig("/run/kubeconfig");
  }
  void TearDown() override {
    for (auto& each : nodes_) {
      const std::string said = each->stop();
      if (HasFailure()) std::cerr << each->name() << ":\n" << said;
    }
    nodes_.clear();
  }

  ClusterNode& add_node(const std::string& name) {
    server_->put("/api/v1/nodes/" + name, fmt::format(R"({{"metadata":{{"name":"{0}","uid":"uid-{0}","labels":)"
                                                      R"({{"role":"worker"}}}},"spec":{{}}}})",
                                                      name));
    return *nodes_.emplace_back(std::make_unique<ClusterNode>(name, server_->cluster()));
  }
  /// `count` VFs for DPDK on every worker.
  void put_policy(int count) {
    server_->put(kSriov + "sriovnetworknodepolicies/dpdk",
                 fmt::format(R"({{"metadata":{{"name":"dpdk"}},"spec":{{"resourceName":"dpdk","numVfs":{},)"
                             R"("deviceType":"vfio-pci","nodeSelector":{{"role":"worker"}},)"
                             R"("nicSelector":{{"vendor":"8086"}}}}}})",
                             count));
  }
  /// A pod that has VF `id` of `node`.
  void put_pod(ClusterNode& node, int id, const std::string& name, const std::string& metadata = "") {
    server_->put("/api/v1/namespaces/default/pods/" + name,
                 fmt::format(R"({{"metadata":{{"name":"{0}","uid":"uid-{0}"{1}}}}})", name, metadata));
    node.give(id, name);
  }
  bool is_pod_there(const std::string& name) {
    return server_->find("/api/v1/namespaces/default/pods/" + name).has_value();
  }
  boost::json::value status(const std::string& node) {
    const auto found = server_->find(kSriov + "sriovnetworknodestates/" + node);
    return found && found->as_object().contains("status") ? found->at("status") : boost::json::value();
  }
  std::string sync(const std::string& node) {
    const auto now = status(node);
    return now.is_null() ? "" : std::string(now.at("syncStatus").as_string());
  }
  std::string message(const std::string& node) {
    const auto now = status(node);
    return now.is_null() ? "" : std::string(now.at("conditions").at(0).at("message").as_string());
  }
  bool becomes(ClusterNode& node, int vfs) {
    return within(kLong, [&] { return node.vfs() == vfs && sync(node.name()) == "Succeeded"; });
  }
  bool is_cordoned(const std::string& node) {
    const auto found = server_->find("/api/v1/nodes/" + node);
    const auto* cordoned = found->at("spec").as_object().if_contains("unschedulable");
    return cordoned != nullptr && *cordoned == true;
  }
  /// Waits until somebody has asked for what ends so.
  bool asks(const std::string& end) {
    return within(kLong, [&] {
      const auto log = server_->take_log();
      return std::any_of(log.begin(), log.end(), [&](const std::string& each) { return each.ends_with(end); });
    });
  }
  std::vector<std::string> places() {
    std::vector<std::string> holders;
    for (const auto& each : server_->list(kLeases))
      if (std::string(each.at("metadata").at("name").as_string()).starts_with("barewire-drain"))
        holders.emplace_back(each.at("spec").at("holderIdentity").as_string());
    return holders;
  }

  std::optional<TestApiServer> server_;
  std::vector<std::unique_ptr<ClusterNode>> nodes_;
};

TEST_F(ClusterTest, OnePolicyChangeGoesFromNodeToNode) {
  for (const char* name : {"n1", "n2", "n3"}) add_node(name);
  put_policy(4);
  server_->put(kSriov + "sriovnetworks/lan", R"({"metadata":{"name":"lan","namespace":"sriov"},"spec":)"
                                             R"({"resourceName":"dpdk","networkNamespace":"apps","vlan":7}})");
  for (auto& each : nodes_) each->start();
  for (auto& each : nodes_) {
    ASSERT_TRUE(becomes(*each, 4)) << each->name() << message(each->name());
    put_pod(*each, 1, "pod-" + each->name());
  }
  const std::string definition = "/apis/k8s.cni.cncf.io/v1/namespaces/apps/network-attachment-definitions";
  EXPECT_TRUE(within(kLong, [&] { return server_->list(definition).size() == 1; }));
  for (auto& each : nodes_)
    EXPECT_TRUE(within(kLong, [&] {
      const auto now = status(each->name());
      const auto* pod = now.at("interfaces").at(0).at("Vfs").at(1).as_object().if_contains("assigned");
      return pod != nullptr && *pod == ("default/pod-" + each->name()).c_str();
    })) << each->name();
  auto writes = server_->take_writes();
  EXPECT_EQ(std::count(writes.begin(), writes.end(), "POST " + definition), 1) << "rendered once";
  EXPECT_EQ(std::count_if(writes.begin(), writes.end(), [](const auto& each) { return each.starts_with("PATCH"); }), 0)
      << "no node whose VFs nobody has is drained";

  put_policy(2);
  for (auto& each : nodes_) EXPECT_TRUE(becomes(*each, 2)) << each->name() << message(each->name());
  for (auto& each : nodes_) EXPECT_TRUE(within(kLong, [&] { return !is_cordoned(each->name()); }));
  std::vector<std::string> cordons;
  for (const std::string& each : server_->take_writes())
    if (each.starts_with("PATCH /api/v1/nodes/")) cordons.push_back(each.substr(20));
  ASSERT_THAT(cordons, SizeIs(6));
  for (std::size_t i = 0; i < 6; i += 2) EXPECT_EQ(cordons[i], cordons[i + 1]) << "one node at a time";
  EXPECT_TRUE(within(kLong, [&] { return places() == std::vector<std::string>{""}; }));

  server_->remove(kSriov + "sriovnetworknodepolicies/dpdk");
  for (auto& each : nodes_) EXPECT_TRUE(becomes(*each, 0)) << each->name();
  for (auto& each : nodes_) EXPECT_TRUE(within(kLong, [&] { return !read_file(each->kept()); }));
}

TEST_F(ClusterTest, ADaemonKilledDuringADrainGoesOn) {
  ClusterNode& node = add_node("n1");
  put_policy(4);
  node.start();
  ASSERT_TRUE(becomes(node, 4)) << message("n1");
  put_pod(node, 0, "guarded");
  put_pod(node, 2, "other");
  server_->set(R"({"guarded":["guarded"]})");
  put_policy(2);
  ASSERT_TRUE(within(kLong, [&] { return message("n1").find("PodDisruptionBudget") != std::string::npos; }));
  EXPECT_TRUE(is_cordoned("n1"));
  EXPECT_FALSE(is_pod_there("other"));
  EXPECT_TRUE(is_pod_there("guarded"));
  EXPECT_EQ(sync("n1"), "InProgress");
  EXPECT_EQ(node.vfs(), 4) << "with a held VF nothing is changed";
  node.stop(SIGKILL);
  server_->set(R"({"guarded":[]})");
  node.start();
  EXPECT_TRUE(becomes(node, 2)) << message("n1");
  EXPECT_TRUE(within(kLong, [&] { return !is_cordoned("n1") && places() == std::vector<std::string>{""}; }));
  EXPECT_FALSE(
      server_->find("/api/v1/nodes/n1")->at("metadata").at("annotations").as_object().contains("barewire.io/cordoned"));
}

TEST_F(ClusterTest, TheCordonOfSomebodyElseStaysAndSoDoPodsOfDaemonSets) {
  ClusterNode& node = add_node("n1");
  put_policy(4);
  node.start();
  ASSERT_TRUE(becomes(node, 4)) << message("n1");
  put_pod(node, 0, "agent", R"(,"ownerReferences":[{"kind":"DaemonSet","controller":true}])");
  put_policy(2);
  ASSERT_TRUE(within(kLong, [&] { return sync("n1") == "Failed"; }));
  EXPECT_THAT(message("n1"), HasSubstr("pod default/agent is a DaemonSet's"));
  EXPECT_FALSE(is_cordoned("n1"));
  EXPECT_EQ(node.vfs(), 4);

  server_->put("/api/v1/nodes/n1",
               R"({"metadata":{"name":"n1","labels":{"role":"worker"}},"spec":{"unschedulable":true}})");
  put_pod(node, 0, "agent");
  EXPECT_TRUE(becomes(node, 2)) << message("n1");
  EXPECT_FALSE(is_pod_there("agent"));
  EXPECT_TRUE(is_cordoned("n1"));
}

TEST_F(ClusterTest, APolicyDeletedWhileTheNodeBootsLeavesNoVf) {
  ClusterNode& node = add_node("n1");
  put_policy(4);
  node.start();
  ASSERT_TRUE(becomes(node, 4)) << message("n1");
  node.stop();
  node.set_vfs(0);
  server_->remove(kSriov + "sriovnetworknodepolicies/dpdk");
  ASSERT_TRUE(within(kLong, [&] { return node.vfs() == 0; }));
  // As the unit does at boot, when no API server is to be asked.
  const CommandResult applied = node.run({built_program("barewire"), "apply", "--keep-going"});
  EXPECT_TRUE(applied.ok()) << applied.err;
  EXPECT_EQ(node.vfs(), 4);
  node.start();
  EXPECT_TRUE(becomes(node, 0)) << message("n1");
}

TEST_F(ClusterTest, AnApiServerThatRefusesLeavesTheNodeAsItWasDeclared) {
  ClusterNode& node = add_node("n1");
  put_policy(4);
  node.start();
  ASSERT_TRUE(becomes(node, 4)) << message("n1");
  server_->answer(R"([{"prefix":"/apis/sriovnetwork","status":401,"times":1000}])");
  server_->take_log();
  EXPECT_TRUE(asks("/sriovnetworknodepolicies"));
  node.set_vfs(0);  // somebody's hand: what was declared last is made again without an API server
  EXPECT_TRUE(within(kLong, [&] { return node.vfs() == 4; }));
  const std::string once = R"({"prefix":"/apis/sriovnetwork","status":)";
  server_->answer("[" + once + "403}," + once + "410}," + once + "500}," + once + "0,\"hang\":0.2}]");
  put_policy(3);
  EXPECT_TRUE(becomes(node, 3)) << message("n1");
  // A write that somebody else was faster with is tried again.
  server_->answer(R"([{"method":"PUT","prefix":"/apis/sriovnetwork","status":409,"times":2}])");
  put_policy(2);
  EXPECT_TRUE(becomes(node, 2)) << message("n1");
  const std::string said = node.stop();
  for (const char* each : {"answered 401", "answered 403", "answered 410", "answered 500"})
    EXPECT_THAT(said, HasSubstr(each));
  EXPECT_THAT(said, Not(HasSubstr("answered 409")));
}

TEST_F(ClusterTest, PoliciesThatFightAreNamedAndNothingIsApplied) {
  ClusterNode& node = add_node("n1");
  put_policy(4);
  server_->put(
      kSriov + "sriovnetworknodepolicies/net",
      R"({"metadata":{"name":"net"},"spec":{"resourceName":"net","numVfs":9,"nicSelector":{"vendor":"8086"}}})");
  node.start();
  ASSERT_TRUE(within(kLong, [&] { return sync("n1") == "Failed"; }));
  EXPECT_THAT(std::string(status("n1").at("lastSyncError").as_string()),
              HasSubstr("SriovNetworkNodePolicy dpdk and SriovNetworkNodePolicy net"));
  EXPECT_EQ(node.vfs(), 0);
  EXPECT_FALSE(read_file(node.kept()));
}

}  // namespace
}  // namespace barewire::test
