// SPDX-License-Identifier: Apache-2.0
#include "device-manager/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "device-manager/plugin_call.h"
#include "tests/unit/device-manager/sample.h"

namespace barewire::manager {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

state::Attachment recorded(const std::string& config) {
  state::Attachment attachment = sample::attachment("blue", "a", "");
  attachment.config = config;
  attachment.data["result"] = {{"cniVersion", "1.1.0"}, {"interfaces", json::array()}};
  return attachment;
}

std::string config_of(const std::string& text) {
  const state::Attachment attachment = recorded(text);
  return check_config(attachment, attachment.data.at("result"));
}

TEST(CheckConfig, BringsTheResultOfAddInTheShapeOfItsVersion) {
  const json::value config = json::parse(config_of(R"({"cniVersion":"0.2.0","name":"blue","type":"sriov","x":1})"));
  EXPECT_EQ(config.at("cniVersion"), "1.1.0");
  EXPECT_EQ(config.at("prevResult").at("cniVersion"), "1.1.0");
  EXPECT_EQ(config.at("x"), 1);
}

TEST(CheckConfig, AnotherSpellingOfAKeyDoesNotCompete) {
  const json::value config =
      json::parse(config_of(R"({"CNIVERSION":"0.3.1","prevresult":{"a":1},"name":"blue","type":"sriov"})"));
  EXPECT_FALSE(config.as_object().contains("CNIVERSION"));
  EXPECT_FALSE(config.as_object().contains("prevresult"));
  EXPECT_EQ(config.at("cniVersion"), "1.1.0");
}

TEST(CheckConfig, ADamagedConfigurationIsNamed) {
  EXPECT_THROW(config_of("{"), Error);
  EXPECT_THROW(config_of("[]"), Error);
}

// Plugins of a table of the test's own, run in a child as the reaper and the checker do.

void drifts(const cni::Request& request, Node&) {
  throw Error(Error::Code::drift, "vlan of " + request.ifname + " is 300", "ADD set 100");
}
void contents(const cni::Request&, Node&) {}
void dies(const cni::Request&, Node&) {
  ::abort();
}
void hangs(const cni::Request&, Node&) {
  while (true) ::pause();
}

constexpr std::array<cni::Plugin, 4> kPlugins = {{
    {.name = "drifts", .about = "", .check = drifts},
    {.name = "content", .about = "", .check = contents},
    {.name = "dies", .about = "", .check = dies},
    {.name = "hangs", .about = "", .check = hangs},
}};

class PluginCall : public ::testing::Test {
 protected:
  CheckOutcome check_with(const std::string& plugin) {
    state::Attachment attachment = recorded(R"({"cniVersion":"1.0.0","name":"blue","type":"x"})");
    attachment.id.plugin = plugin;
    attachment.netns = "/proc/1/ns/net-that-is-not-there";
    attachment.cni_path = "/proc/nonexistent";
    return check({.plugins = &table_}, attachment);
  }

  const cni::PluginTable table_{kPlugins};
};

TEST_F(PluginCall, AContentCheckIsNoError) {
  EXPECT_FALSE(check_with("content").error);
}

TEST_F(PluginCall, KeepsThePluginsCodeWordsAndHint) {
  const CheckOutcome outcome = check_with("drifts");
  ASSERT_TRUE(outcome.error);
  EXPECT_TRUE(outcome.error->is(Error::Code::drift));
  EXPECT_STREQ(outcome.error->what(), "vlan of net1 is 300");
  EXPECT_EQ(outcome.error->hint(), "ADD set 100");
}

TEST_F(PluginCall, APluginThatDiesTakesNothingAlong) {
  const CheckOutcome outcome = check_with("dies");
  ASSERT_TRUE(outcome.error);
  EXPECT_TRUE(outcome.error->is(Error::Code::delegate));
  EXPECT_THAT(outcome.error->what(), HasSubstr("plugin dies died of signal 6"));
}

TEST_F(PluginCall, APluginThatIsInNoTableIsLookedForOnItsCniPath) {
  const CheckOutcome outcome = check_with("elsewhere");
  ASSERT_TRUE(outcome.error);
  EXPECT_THAT(outcome.error->what(), HasSubstr("/proc/nonexistent"));
}

TEST_F(PluginCall, APluginThatHangsIsStopped) {
  const cni::Environment environment{.command = "CHECK",
                                     .container_id = "a",
                                     .netns = "/proc/nonexistent",
                                     .ifname = "eth0",
                                     .path = "/proc/nonexistent",
                                     .args = "",
                                     .netns_override = ""};
  const auto before = std::chrono::steady_clock::now();
  try {
    call_in_child({.plugins = &table_}, "hangs", environment,
                  R"({"cniVersion":"1.0.0","name":"n","type":"hangs","prevResult":{"cniVersion":"1.0.0"}})",
                  std::chrono::milliseconds(200));
    ADD_FAILURE() << "it came back";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("took longer than 200 ms"));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
}

}  // namespace
}  // namespace barewire::manager
