// SPDX-License-Identifier: Apache-2.0
#include "device-manager/validate/validate.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "packaging/plugin_table.h"

namespace barewire::manager {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> lines(const std::string& config) {
  const cni::PluginTable plugins = plugin_table();
  std::vector<std::string> lines;
  for (const Finding& finding : validate({"", "", config}, plugins).findings)
    lines.push_back((finding.severity == Finding::Severity::error ? "E " : "W ") + finding.where + ": " + finding.what);
  return lines;
}

TEST(Validate, SaysNothingOfWhatIsRight) {
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,
                        "ipam":{"type":"host-local","subnet":"10.1.0.0/24"}},
                        {"type":"portmap","capabilities":{"portMappings":true}}]})"),
              IsEmpty());
}

TEST(Validate, FindsEveryWrongKeyOfEveryPluginAtOnce) {
  const auto found = lines(R"({"cniVersion":"1.0.0","name":"blue","plugins":[
      {"type":"bridge","vlan":5000,"mtu":"big","isGatway":true,"ipam":{"type":"host-local","subnet":"10.1.0.0/240"}},
      {"type":"tuning","sysctl":{"net.core.somaxconn":7,"kernel.hostname":"a"}},{"type":"portmap","backend":"ebpf"}]})");
  EXPECT_THAT(found, ::testing::Contains(AllOf(HasSubstr("E plugin 1 (bridge)"), HasSubstr("\"vlan\""))));
  EXPECT_THAT(found, ::testing::Contains(AllOf(HasSubstr("E plugin 1 (bridge)"), HasSubstr("\"mtu\""))));
  EXPECT_THAT(found, ::testing::Contains(AllOf(HasSubstr("W plugin 1 (bridge)"), HasSubstr("\"isGateway\" meant"))));
  EXPECT_THAT(found, ::testing::Contains(AllOf(HasSubstr("ipam (host-local)"), HasSubstr("ipam.ranges"))));
  EXPECT_THAT(found, ::testing::Contains(AllOf(HasSubstr("plugin 2 (tuning)"), HasSubstr("net.core.somaxconn"))));
  EXPECT_THAT(found, ::testing::Contains(AllOf(HasSubstr("plugin 3 (portmap)"), HasSubstr("backend"))));
}

TEST(Validate, NamesAPluginThatIsNotItsOwn) {
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"brigde"})"),
              ElementsAre(AllOf(HasSubstr("W brigde"), HasSubstr("is \"bridge\" meant?"))));
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"calico"})"), ElementsAre(HasSubstr("W calico")));
}

TEST(Validate, LeavesToTheRuntimeWhatItWillGive) {
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"sriov","vlan":10})"), IsEmpty());
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"host-device"})"), IsEmpty());
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"sriov","vlan":10,"vlanQoS":9})"),
              ElementsAre(AllOf(HasSubstr("E sriov"), HasSubstr("vlanQoS"))));
}

TEST(Validate, LeavesTheBridgeToTheDeviceOfTheRuntime) {
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"ovs","vlan":10})"), IsEmpty());
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","type":"ovs","vlan":5000})"),
              ElementsAre(AllOf(HasSubstr("E ovs"), HasSubstr("vlan"))));
}

TEST(Validate, EveryPluginReadsItsKeysWithoutAPod) {
  for (const cni::Plugin& plugin : plugin_table().all())
    EXPECT_TRUE(plugin.validate != nullptr || plugin.name == "loopback") << plugin.name;
}

TEST(Validate, SaysWhatIsNoConfigurationAtAll) {
  EXPECT_THAT(lines("{"), ElementsAre(HasSubstr("not valid JSON")));
  EXPECT_THAT(lines("[]"), ElementsAre(HasSubstr("E ")));
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue"})"), ElementsAre(HasSubstr("\"type\"")));
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","plugins":[]})"), ElementsAre(HasSubstr("plugins")));
  EXPECT_THAT(lines(R"({"cniVersion":"1.0.0","name":"blue","plugins":[7]})"), ElementsAre(HasSubstr("plugins[0]")));
}

constexpr const char* kManifest = R"(apiVersion: v1
kind: Namespace
metadata: {name: tenant}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: blue, namespace: tenant}
spec:
  config: |
    {"cniVersion": "1.0.0", "type": "macvlan", "mode": "brigde"}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: red}
)";

TEST(SplitDocuments, TakesTheNetworksOfAManifest) {
  const std::vector<Document> documents = split_documents(kManifest, "networks.yaml");
  ASSERT_EQ(2U, documents.size());
  EXPECT_EQ("NetworkAttachmentDefinition tenant/blue", documents[0].where);
  const cni::PluginTable plugins = plugin_table();
  const Verdict blue = validate(documents[0], plugins);
  EXPECT_EQ("blue", blue.network) << "as Multus names it";
  ASSERT_EQ(1U, blue.findings.size());
  EXPECT_THAT(blue.findings[0].what, HasSubstr("\"mode\""));
  const Verdict red = validate(documents[1], plugins);
  EXPECT_TRUE(red.is_valid());
  EXPECT_THAT(red.findings.at(0).hint, HasSubstr("\"red\""));
}

TEST(SplitDocuments, TakesAListAsKubectlPrintsIt) {
  const auto documents = split_documents(R"({"kind":"List","items":[{"kind":"NetworkAttachmentDefinition",
    "metadata":{"name":"a","namespace":"b"},"spec":{"config":"{}"}},{"kind":"Pod"}]})",
                                         "-");
  ASSERT_EQ(1U, documents.size());
  EXPECT_EQ("{}", documents[0].config);
}

TEST(SplitDocuments, RefusesWhatHoldsNone) {
  EXPECT_THROW(split_documents(" \n", "a"), Error);
  EXPECT_THROW(split_documents("kind: Pod\nmetadata: {name: a}\n", "a"), Error);
  EXPECT_THROW(split_documents("a: [1", "a"), Error);
  EXPECT_THROW(split_documents(R"({"kind":"Pod"})", "a"), Error);
}

}  // namespace
}  // namespace barewire::manager
