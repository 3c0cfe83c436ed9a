// SPDX-License-Identifier: Apache-2.0
/// The node's policy in the built program: refused before anything is touched, and never in the way of DEL.
#include <sys/stat.h>

#include <filesystem>

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kPolicy = "/etc/barewire/policy.json";

class PolicyOfNode : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    make_private_directory("/etc/barewire");
    runner_.install("static", built_program("barewire-cni"));
  }
  static CniCall of_namespace(const std::string& pod_namespace) {
    CniCall call;
    call.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=" + pod_namespace;
    return call;
  }
  static void write_policy(const std::string& text) {
    write_text(kPolicy, text);
    std::filesystem::permissions(kPolicy, std::filesystem::perms(0644));
  }
};

constexpr const char* kBridge =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"bridge","bridge":"mynet0","isGateway":true,"ipMasq":true,"logFile":"/run/tenant.log","logLevel":"debug","ipam":{"type":"host-local","subnet":"10.22.0.0/16","dataDir":"/run/tenant-data"}})";

TEST_F(PolicyOfNode, RefusesATenantBeforeAnythingIsTouchedAndLetsOthersPass) {
  write_policy(R"({"rules": [
    {"name": "tenants", "namespaces": ["tenant-*"], "others": "allow", "allow": {"masquerade": false, "logFiles": []}},
    {"namespaces": ["kube-system"], "others": "allow"}]})");
  const NodeSnapshot before = NodeSnapshot::take({"/run/barewire", "/run/tenant-data", "/var/lib/cni"});
  const PluginResult refused = runner_.add("bridge", kBridge, of_namespace("tenant-a"));
  EXPECT_EQ(109, refused.code()) << refused;
  EXPECT_THAT(refused.msg(), AllOf(HasSubstr(kPolicy), HasSubstr("line 2"), HasSubstr("rule 1 \"tenants\"")));
  EXPECT_TRUE(runner_.del("bridge", kBridge, of_namespace("tenant-a")).ok());
  EXPECT_EQ("", before.difference(NodeSnapshot::take({"/run/barewire", "/run/tenant-data", "/var/lib/cni"})));
  EXPECT_FALSE(std::filesystem::exists("/run/tenant.log"));
  const PluginResult unmatched = runner_.add("bridge", kBridge);
  EXPECT_EQ(109, unmatched.code()) << unmatched;

  const PluginResult added = runner_.add("bridge", kBridge, of_namespace("kube-system"));
  EXPECT_TRUE(added.ok()) << added;
  EXPECT_TRUE(std::filesystem::exists("/run/tenant.log"));
  write_policy("{}");  // from now on nothing is allowed, and what was made still goes
  EXPECT_TRUE(runner_.del("bridge", kBridge, of_namespace("kube-system")).ok());
  must_run("ip link del mynet0");
}

TEST_F(PolicyOfNode, ThatCannotBeReadRefusesEveryAddAndNothingElse) {
  constexpr const char* kPlain =
      R"({"cniVersion":"1.1.0","name":"mynet","type":"bridge","bridge":"mynet0","ipam":{"type":"static","addresses":[{"address":"10.1.2.3/24"}]}})";
  ASSERT_TRUE(runner_.add("bridge", kPlain).ok());
  write_policy("{\"rulez\": []}");
  CniCall second;
  second.ifname = "net2";
  const PluginResult refused = runner_.add("bridge", kPlain, second);
  EXPECT_EQ(109, refused.code()) << refused;
  EXPECT_THAT(refused.msg(), AllOf(HasSubstr(kPolicy), HasSubstr("rulez")));
  write_policy("{\"unmatched\": \"allow\"}");
  EXPECT_TRUE(runner_.add("bridge", kPlain, second).ok());
  ASSERT_EQ(0, ::chmod(kPolicy, 0666));
  EXPECT_EQ(109, runner_.add("bridge", kPlain, second).code());
  EXPECT_TRUE(runner_.status("bridge", kPlain).ok());
  EXPECT_TRUE(runner_.del("bridge", kPlain, second).ok());
  EXPECT_TRUE(runner_.gc("bridge", kPlain).ok());
  EXPECT_TRUE(runner_.del("bridge", kPlain).ok());
}

}  // namespace
}  // namespace barewire::test
