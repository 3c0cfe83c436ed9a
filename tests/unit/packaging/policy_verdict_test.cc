// SPDX-License-Identifier: Apache-2.0
/// What the node's policy says to whole configurations: defaults that ask, delegates, fallbacks, names of a thing.
#include <gmock/gmock.h>

#include <filesystem>

#include "core/cni/guard.h"
#include "core/cni/plugin.h"
#include "packaging/plugin_table.h"
#include "tests/support/fake_sysfs.h"

namespace barewire {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kVf = "0000:01:10.0";

/// Policies by their text, configurations by theirs.
class Judged : public ::testing::Test {
 protected:
  void SetUp() override {
    sysfs_.add({.address = "0000:01:00.0", .driver = "ice", .netdev = "ens1f0", .total_vfs = 8});
    sysfs_.add({.address = kVf, .driver = "vfio-pci", .netdev = ""});
    sysfs_.join("0000:01:00.0", 0, kVf);
    node_ = {.plugins = &table_, .sysfs = sysfs_.root(), .policy_file = directory_.path() + "/policy.json"};
  }
  /// The sentence of the refusal; empty: allowed.
  std::string judge(const char* plugin, const std::string& allow, const std::string& config,
                    const std::string& args = "") {
    directory_.write("policy.json", R"({"rules": [{"others": "allow", "allow": {)" + allow + "}}]}");
    cni::Request request;
    request.command = cni::Command::add;
    request.args = cni::Args::parse(args);
    request.conf = cni::NetConf::parse(R"({"cniVersion": "1.1.0", "name": "blue", )" + config.substr(1));
    try {
      cni::require_permitted(*table_.find(plugin), request, node_);
      return "";
    } catch (const Error& error) {
      EXPECT_TRUE(error.is(Error::Code::policy)) << error.what();
      return error.what();
    }
  }

  cni::PluginTable table_ = plugin_table();
  test::FakeSysfs sysfs_;
  test::PrivateDirectory directory_;
  Node node_;
};

TEST_F(Judged, AVfWithoutAVlanOrARateAsksForAll) {
  EXPECT_EQ("", judge("sriov", R"("vlans": ["100-199"])", R"({"pf": "ens1f0", "vlan": 150})"));
  EXPECT_THAT(judge("sriov", R"("vlans": ["100-199"])", R"({"pf": "ens1f0"})"), HasSubstr("every VLAN"));
  EXPECT_THAT(judge("sriov", R"("vlans": ["0-199"])", R"({"pf": "ens1f0", "vlan": 0})"), HasSubstr("every VLAN"));
  EXPECT_EQ("", judge("sriov", R"("vlans": ["0-4095"])", R"({"pf": "ens1f0"})"));
  EXPECT_EQ("", judge("sriov", R"("maxMbps": 1000)", R"({"pf": "ens1f0", "max_tx_rate": 1000})"));
  EXPECT_THAT(judge("sriov", R"("maxMbps": 1000)", R"({"pf": "ens1f0"})"), HasSubstr("no limit"));
  EXPECT_THAT(judge("ovs", R"("vlans": [5])", R"({"bridge": "br0"})"), HasSubstr("every VLAN"));
  EXPECT_EQ("", judge("ovs", R"("vlans": [5])", R"({"bridge": "br0", "vlan": 5})"));
  EXPECT_THAT(judge("ovs", R"("vlans": [5])", R"({"bridge": "br0", "vlan": 5, "trunk": [{"id": 6}]})"), HasSubstr("6"));
}

TEST_F(Judged, AVfIsOneOfItsPfWhateverNamesIt) {
  const std::string allow = R"("pfs": ["ens1f0#0-3"])";
  EXPECT_EQ("", judge("sriov", allow, R"({"deviceID": "0000:01:10.0"})"));
  EXPECT_EQ("", judge("host-device", allow, R"({"pciBusID": "0000:01:10.0"})"));
  EXPECT_EQ("", judge("sriov", allow, R"({"pool": ["ens1f0#1-2"]})"));
  EXPECT_NE("", judge("sriov", allow, R"({"pool": ["ens1f0"]})"));
  EXPECT_NE("", judge("sriov", R"("pfs": ["ens1f0#1-3"])", R"({"deviceID": "0000:01:10.0"})"));
  EXPECT_NE("", judge("sriov", R"("pfs": ["ens1f0#1-3"])", R"({"runtimeConfig": {"deviceID": "01:10.0"}})"));
}

TEST_F(Judged, TheDriverOfEveryVfOfAPoolCounts) {
  EXPECT_THAT(judge("sriov", R"("drivers": ["iavf"])", R"({"pf": "ens1f0"})"), HasSubstr("vfio-pci"));
  EXPECT_EQ("", judge("sriov", R"("drivers": ["iavf"])", R"({"pf": "ens1f0#1-7"})"));
}

TEST_F(Judged, AFallbackIsJudgedBeforeItIsNeeded) {
  const std::string config = R"({"pf": "ens1f0", "fallback": {"type": "bridge", "bridge": "br-evil"}})";
  EXPECT_THAT(judge("sriov", R"("bridges": ["br-good"])", config), HasSubstr("fallback.bridge"));
  EXPECT_THAT(judge("sriov", R"("plugins": ["sriov"])", config), HasSubstr("fallback.type"));
  EXPECT_EQ("", judge("sriov", R"("plugins": ["sriov", "bridge"])", config));
}

TEST_F(Judged, AFallbackTakesItsAddressesFromTheWhole) {
  const std::string config = R"({"pf": "ens1f0", "ipam": {"type": "host-local", "subnet": "10.9.0.0/16"},
                                 "fallback": {"type": "bridge", "bridge": "b"}})";
  EXPECT_THAT(judge("sriov", R"("addresses": ["10.8.0.0/16"])", config), HasSubstr("ipam.subnet"));
}

TEST_F(Judged, AnIpamPluginIsJudgedWithItsCaller) {
  const std::string config = R"({"ipam": {"type": "host-local", "subnet": "10.9.0.0/16", "dataDir": "/etc/cron.d"}})";
  EXPECT_THAT(judge("bridge", R"("dataDirs": ["/var/lib/cni/**"])", config), HasSubstr("ipam.dataDir"));
  EXPECT_THAT(judge("bridge", R"("plugins": ["bridge", "static"])", config), HasSubstr("host-local"));
  EXPECT_EQ("", judge("bridge", R"("addresses": ["10.0.0.0/8"])", config));
}

TEST_F(Judged, FlannelsDelegateIsJudged) {
  const std::string file = directory_.write(
      "subnet.env", "FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_SUBNET=10.9.1.0/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n");
  const std::string config = R"({"subnetFile": ")" + file + R"(", "delegate": {"bridge": "br-evil"}})";
  EXPECT_THAT(judge("flannel", R"("bridges": ["cni0"])", config), HasSubstr("delegate.bridge"));
  EXPECT_THAT(judge("flannel", R"("addresses": ["10.8.0.0/16"])", config), HasSubstr("10.9.1"));
}

TEST_F(Judged, EverySourceOfAMacAddressCounts) {
  const std::string allow = R"("macs": ["02:00:00:00:00:01"])", config = R"({"mac": "02:00:00:00:00:01"})";
  EXPECT_EQ("", judge("macvlan", allow, config));
  EXPECT_THAT(judge("macvlan", allow, config, "MAC=02:00:00:00:00:02"), HasSubstr("CNI_ARGS MAC"));
}

TEST_F(Judged, KeysAreFoundInAnyCaseAsPluginsFindThem) {
  EXPECT_NE("", judge("sriov", R"("trust": false)", R"({"pf": "ens1f0", "TRUST": "on"})"));
  EXPECT_NE("", judge("bridge", R"("masquerade": false)", R"({"ipmasq": true})"));
}

TEST_F(Judged, TheNamespaceIsTheRuntimes) {
  directory_.write("policy.json",
                   R"({"unmatched": "allow", "rules": [{"namespaces": ["tenant-*"], "others": "refuse"}]})");
  cni::Request request;
  request.conf = cni::NetConf::parse(R"({"name": "blue", "args": {"cni": {"K8S_POD_NAMESPACE": "kube-system"}}})");
  request.args = cni::Args::parse("IgnoreUnknown=1;K8S_POD_NAMESPACE=tenant-a");
  EXPECT_THROW(cni::require_permitted(*table_.find("dummy"), request, node_), Error);
  request.args = cni::Args::parse("IgnoreUnknown=1;K8S_POD_NAMESPACE=kube-system");
  EXPECT_NO_THROW(cni::require_permitted(*table_.find("dummy"), request, node_));
}

TEST_F(Judged, OnlyAddIsRefusedAndTheLogStaysOutOfTheFile) {
  directory_.write("policy.json", R"({"rules": [{"others": "refuse"}]})");
  const std::string log = directory_.path() + "/log";
  const std::string config =
      R"({"cniVersion": "1.1.0", "name": "blue", "type": "dummy", "logLevel": "debug", "logFile": ")" + log + R"("})";
  static int deleted = 0;
  const cni::Plugin plugin{.name = "dummy", .about = "", .del = [](const cni::Request&, Node&) { ++deleted; }};
  const auto call = [&](const char* command) {
    const cni::Environment environment{.command = command,
                                       .container_id = "pod1",
                                       .netns = "/nowhere",
                                       .ifname = "net1",
                                       .path = "/nowhere",
                                       .args = "",
                                       .netns_override = ""};
    return cni::run(command == std::string("ADD") ? *table_.find("dummy") : plugin, environment, config, node_);
  };
  EXPECT_THAT(call("ADD").output, HasSubstr("\"code\":109"));
  EXPECT_EQ(0, call("DEL").exit_status);
  EXPECT_EQ(1, deleted);
  EXPECT_EQ(0, call("CHECK").exit_status);
  EXPECT_EQ(0, call("GC").exit_status);
  EXPECT_FALSE(fs::exists(log));
  directory_.write("policy.json", "rubbish");
  EXPECT_THAT(call("ADD").output, HasSubstr("\"code\":109"));
  EXPECT_EQ(0, call("DEL").exit_status);
  EXPECT_FALSE(fs::exists(log));
}

TEST_F(Judged, APluginWithoutAGuardIsNotCalledUnderAPolicy) {
  directory_.write("policy.json", R"({"unmatched": "allow"})");
  const cni::Plugin stranger{.name = "stranger", .about = ""};
  cni::Request request;
  request.conf = cni::NetConf::parse(R"({"name": "blue"})");
  EXPECT_THROW(cni::require_permitted(stranger, request, node_), Error);
}

}  // namespace
}  // namespace barewire
