// SPDX-License-Identifier: Apache-2.0
#include "core/cni/plugin.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/cni/delegate.h"

namespace barewire::cni {
namespace {

using ::testing::HasSubstr;

Result add_addressless(const Request& request, Node&) {
  Result result;
  result.interfaces = {
      {.name = request.ifname, .mac = "", .mtu = 0, .sandbox = request.netns, .socket_path = "", .pci_id = ""}};
  return result;
}
Result add_with_ipam(const Request& request, Node& node) {
  return ipam_add(request, node);
}
Result add_failing(const Request&, Node&) {
  throw Error(Error::Code::try_again, "no VF is free", "wait");
}
Result add_throwing(const Request&, Node&) {
  throw std::runtime_error("surprise");
}
void del_failing(const Request&, Node&) {
  throw Error(Error::Code::kernel, "refused");
}

const std::array<Plugin, 4> kPlugins = {{
    {.name = "plain", .about = "does nothing", .add = add_addressless},
    {.name = "failing", .about = "fails", .add = add_failing, .del = del_failing},
    {.name = "throwing", .about = "throws", .add = add_throwing},
    {.name = "with-ipam", .about = "delegates", .add = add_with_ipam},
}};

Environment environment(const std::string& command = "ADD") {
  return {.command = command,
          .container_id = "pod",
          .netns = "/nowhere/netns",
          .ifname = "net1",
          .path = "/nowhere",
          .args = "",
          .netns_override = ""};
}

Outcome call(std::string_view plugin, const Environment& env, const std::string& config) {
  const PluginTable table(kPlugins);
  Node node{.plugins = &table};
  return run(*table.find(plugin), env, config, node);
}

TEST(Run, PrintsTheResultInTheVersionAskedFor) {
  const Outcome outcome = call("plain", environment(), R"({"cniVersion":"0.4.0","name":"n"})");
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.output,
            R"({"cniVersion":"0.4.0","interfaces":[{"name":"net1","sandbox":"/nowhere/netns"}],"dns":{}})");
}

TEST(Run, PrintsAnErrorWithCodeMessageAndDetails) {
  const Outcome outcome = call("failing", environment(), R"({"cniVersion":"1.0.0","name":"n"})");
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_EQ(outcome.output, R"({"cniVersion":"1.0.0","code":11,"msg":"no VF is free","details":"wait"})");
  EXPECT_THAT(call("throwing", environment(), R"({"name":"n"})").output,
              HasSubstr("\"code\":999,\"msg\":\"surprise\""));
}

TEST(Run, TreatsAnOperationAPluginLacksAsSuccess) {
  for (const char* command : {"DEL", "CHECK", "GC", "STATUS"}) {
    const Outcome outcome = call("plain", environment(command), R"({"cniVersion":"1.1.0","name":"n"})");
    EXPECT_EQ(outcome.exit_status, 0) << command << outcome.output;
    EXPECT_EQ(outcome.output, "");
  }
}

TEST(Run, WhatLogKeysHoldDecidesOverNoCall) {
  for (const char* keys : {R"("args":5)", R"("args":{"cni":""})", R"("args":{"cni":{"debug":1}})", R"("logLevel":4)",
                           R"("logLevel":"trace")", R"("logFile":[])", R"("debug":"yes")"})
    for (const char* command : {"ADD", "DEL"})
      EXPECT_EQ(0, call("plain", environment(command), fmt::format(R"({{"cniVersion":"1.0.0","name":"n",{}}})", keys))
                       .exit_status)
          << command << keys;
}

TEST(Run, AnswersVersionWithoutReadingAConfiguration) {
  const Outcome outcome = call("plain", environment("VERSION"), "");
  EXPECT_EQ(outcome.output,
            R"({"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]})");
}

TEST(Run, RefusesThePluginsOwnNetns) {
  Environment env = environment();
  env.netns = "/proc/self/ns/net";
  const Outcome refused = call("plain", env, R"({"name":"n","cniVersion":"1.0.0"})");
  EXPECT_THAT(refused.output, HasSubstr("\"code\":8"));
  env.netns_override = "1";
  EXPECT_EQ(call("plain", env, R"({"name":"n","cniVersion":"1.0.0"})").exit_status, 0);
  env.command = "DEL";
  env.netns_override = "";
  EXPECT_THAT(call("failing", env, R"({"name":"n","cniVersion":"1.0.0"})").output, HasSubstr("refused"))
      << "DEL does its work before it says that the netns is wrong";
}

/// A directory of CNI_PATH holding a shell script as an IPAM plugin that logs its calls.
class Delegation : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-delegate-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void install(const std::string& body) {
    const std::string path = directory_ + "/ipam-script";
    std::ofstream(path) << "#!/bin/sh\necho \"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_ARGS\" >> " << directory_
                        << "/calls\ncat > " << directory_ << "/stdin.$CNI_COMMAND\n"
                        << body << "\n";
    ::chmod(path.c_str(), 0755);
  }
  std::string content(const std::string& name) {
    std::ifstream file(directory_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Outcome add(const std::string& config) {
    Environment env = environment();
    env.path = "/nowhere:" + directory_;
    env.args = "K=V";
    return call("with-ipam", env, config);
  }
  static constexpr const char* kConfig =
      "{ \"cniVersion\":\"1.0.0\",\n \"name\":\"n\", \"ipam\":{\"type\":\"ipam-script\"}, \"x\":1.50 }";
  std::string directory_;
};

TEST_F(Delegation, PassesStdinByteForByteAndTheEnvironment) {
  install(R"(echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/8"}]}')");
  const Outcome outcome = add(kConfig);
  EXPECT_EQ(outcome.exit_status, 0) << outcome.output;
  EXPECT_EQ(content("stdin.ADD"), kConfig);
  EXPECT_EQ(content("calls"), "ADD pod net1 K=V\n");
}

TEST_F(Delegation, CallsDelAfterAFailedAddAndKeepsItsError) {
  install(
      R"([ "$CNI_COMMAND" = DEL ] || { echo '{"cniVersion":"1.0.0","code":123,"msg":"range full","details":"d"}'; exit 1; })");
  EXPECT_EQ(add(kConfig).output, R"({"cniVersion":"1.0.0","code":123,"msg":"range full","details":"d"})");
  EXPECT_EQ(content("calls"), "ADD pod net1 K=V\nDEL pod net1 K=V\n");
}

TEST_F(Delegation, RefusesAResultWithoutAddresses) {
  install(R"(echo '{"cniVersion":"1.0.0"}')");
  EXPECT_THAT(add(kConfig).output, HasSubstr("returned missing IP config"));
  EXPECT_THAT(content("calls"), HasSubstr("DEL pod"));
}

TEST_F(Delegation, SaysWhereItLookedForAMissingPlugin) {
  const Outcome outcome = add(R"({"cniVersion":"1.0.0","name":"n","ipam":{"type":"absent"}})");
  EXPECT_THAT(outcome.output, HasSubstr("failed to find plugin \\\"absent\\\" in path [/nowhere:"));
  EXPECT_THAT(add(R"({"cniVersion":"1.0.0","name":"n","ipam":{"type":"../sh"}})").output,
              HasSubstr("invalid plugin name"));
}

TEST_F(Delegation, ReportsADelegateThatDiesOrBabbles) {
  install("kill -9 $$");
  EXPECT_THAT(add(kConfig).output, HasSubstr("killed by signal 9"));
  install("echo oops; exit 3");
  EXPECT_THAT(add(kConfig).output, HasSubstr("failed with exit status 3 and no CNI error"));
  install("echo not json");
  EXPECT_THAT(add(kConfig).output, HasSubstr("the result of IPAM plugin ipam-script is not valid JSON"));
}

}  // namespace
}  // namespace barewire::cni
