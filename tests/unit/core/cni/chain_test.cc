// SPDX-License-Identifier: Apache-2.0
#include "core/cni/chain.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>

#include "core/json_view.h"
#include "core/temporary_file.h"

namespace barewire::cni {
namespace {

using ::testing::HasSubstr;

/// A directory with configurations, shell scripts as plugins that log what they were asked, and a result cache.
class Chain : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-chain-XXXXXX";
    directory_ = ::mkdtemp(name);
    std::filesystem::create_directories(directory_ + "/net.d/lan");
    std::filesystem::create_directories(directory_ + "/bin");
    for (const char* plugin : {"first", "second", "third"}) install(plugin, "");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void install(const std::string& plugin, const std::string& body) {
    const std::string path = directory_ + "/bin/" + plugin;
    std::ofstream(path)
        << "#!/bin/sh\necho \"$CNI_COMMAND " << plugin << "\" >> " << directory_ << "/calls\ncat > " << directory_
        << "/stdin." << plugin << ".$CNI_COMMAND\n"
        << body << "\n[ \"$CNI_COMMAND\" != ADD ] || echo '{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\""
        << plugin << "\"}]}'\n";
    ::chmod(path.c_str(), 0755);
  }
  void configure(const std::string& file, const std::string& text) {
    std::ofstream(directory_ + "/net.d/" + file) << text;
  }
  std::string content(const std::string& file) const {
    std::ifstream stream(directory_ + "/" + file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  boost::json::value stdin_of(const std::string& plugin, const std::string& command) const {
    return parse_json(content("stdin." + plugin + "." + command), plugin);
  }
  ConfList find(const std::string& name = "lan") const { return find_conflist(directory_ + "/net.d", name); }
  Attach attach(const std::string& container = "pod") const {
    return {.container_id = container,
            .netns = "/run/netns/a",
            .ifname = "eth0",
            .args = "K=V;L=W",
            .path = directory_ + "/bin",
            .capability_args = parse_json(R"({"mac":"02:00:00:00:00:01","ips":["10.0.0.1/8"]})", "x").get_object()};
  }
  ResultCache cache() const { return ResultCache(directory_ + "/results"); }
  static std::string message(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what() + (error.hint().empty() ? "" : "; " + error.hint());
    }
    return "";
  }

  static constexpr const char* kList = R"({"cniVersion":"1.1.0","name":"lan","plugins":[
      {"type":"first","capabilities":{"mac":true,"ips":false}},{"type":"second","x":1}]})";
  std::string directory_;
  Node node_;
};

TEST_F(Chain, HandsEachResultToTheNextAndReversesOnDel) {
  configure("10-lan.conflist", kList);
  const auto result = add(find(), attach(), cache(), node_);
  EXPECT_EQ(boost::json::serialize(result.at("interfaces")), R"([{"name":"second"}])");
  EXPECT_EQ(stdin_of("second", "ADD").at("prevResult").at("interfaces").at(0).at("name"), "first");
  EXPECT_FALSE(stdin_of("first", "ADD").as_object().contains("prevResult"));
  check(find(), attach(), cache(), node_);
  EXPECT_EQ(stdin_of("first", "CHECK").at("prevResult").at("interfaces").at(0).at("name"), "second");
  del(find(), attach(), cache(), node_);
  EXPECT_EQ(stdin_of("first", "DEL").at("prevResult").at("interfaces").at(0).at("name"), "second");
  EXPECT_EQ(content("calls"), "ADD first\nADD second\nCHECK first\nCHECK second\nDEL second\nDEL first\n");
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/results"));
  del(find(), attach(), cache(), node_);
}

TEST_F(Chain, InjectsNameVersionAndTheCapabilitiesTaken) {
  configure("10-lan.conflist", kList);
  add(find(), attach(), cache(), node_);
  const auto first = stdin_of("first", "ADD").as_object();
  EXPECT_EQ(first.at("name"), "lan");
  EXPECT_EQ(first.at("cniVersion"), "1.1.0");
  EXPECT_EQ(boost::json::serialize(first.at("runtimeConfig")), R"({"mac":"02:00:00:00:00:01"})");
  EXPECT_FALSE(first.contains("capabilities"));
  EXPECT_FALSE(stdin_of("second", "ADD").as_object().contains("runtimeConfig"));
}

TEST_F(Chain, RemembersResultsInTheReferenceFormat) {
  configure("10-lan.conflist", R"({"name":"lan","cniVersion":"1.0.0","plugins":[{"type":"first"}]})");
  add(find(), attach(), cache(), node_);
  const auto entry = parse_json(content("results/lan-pod-eth0"), "entry");
  EXPECT_EQ(entry.at("kind"), "cniCacheV1");
  EXPECT_EQ(entry.at("containerId"), "pod");
  EXPECT_EQ(entry.at("networkName"), "lan");
  EXPECT_EQ(boost::json::serialize(entry.at("cniArgs")), R"([["K","V"],["L","W"]])");
  EXPECT_EQ(entry.at("config"),
            "eyJuYW1lIjoibGFuIiwiY25pVmVyc2lvbiI6IjEuMC4wIiwicGx1Z2lucyI6W3sidHlwZSI6ImZpcnN0In1dfQ==");
  const auto listed = cache().list("lan");
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].args, "K=V;L=W");
}

TEST_F(Chain, WhatAKilledWriterOfAResultLeftIsNoAttachmentAndGoesWithDel) {
  configure("10-lan.conflist", R"({"name":"lan","cniVersion":"1.0.0","plugins":[{"type":"first"}]})");
  add(find(), attach(), cache(), node_);
  const std::filesystem::path result = *std::filesystem::directory_iterator(directory_ + "/results");
  std::filesystem::copy_file(result, temporary_of(result));
  EXPECT_EQ(cache().list("lan").size(), 1U);
  del(find(), attach(), cache(), node_);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/results"));
}

TEST_F(Chain, StopsAtAFailureAndKeepsWhatDelNeeds) {
  configure("10-lan.conflist", kList);
  add(find(), attach(), cache(), node_);
  install("second", R"([ "$CNI_COMMAND" != DEL ] || { echo '{"code":11,"msg":"busy"}'; exit 1; })");
  EXPECT_EQ(message([&] { del(find(), attach(), cache(), node_); }), "busy");
  EXPECT_TRUE(cache().find("lan", attach()));
}

TEST_F(Chain, CollectsWhatIsNoLongerValid) {
  configure("10-lan.conflist", kList);
  add(find(), attach("a"), cache(), node_);
  add(find(), attach("b"), cache(), node_);
  gc(find(), directory_ + "/bin", {{"a", "eth0"}}, cache(), node_);
  EXPECT_THAT(content("calls"), HasSubstr("DEL second\nDEL first\nGC first\nGC second\n"));
  EXPECT_EQ(boost::json::serialize(stdin_of("first", "GC").at("cni.dev/valid-attachments")),
            R"([{"containerID":"a","ifname":"eth0"}])");
  EXPECT_TRUE(cache().find("lan", attach("a")));
  EXPECT_FALSE(cache().find("lan", attach("b")));
}

TEST_F(Chain, AsksStatusOfEveryPlugin) {
  configure("10-lan.conflist", kList);
  status(find(), directory_ + "/bin", node_);
  EXPECT_EQ(content("calls"), "STATUS first\nSTATUS second\n");
}

TEST_F(Chain, HonoursTheListsSwitches) {
  configure(
      "10-lan.conflist",
      R"({"cniVersion":"1.1.0","name":"lan","disableCheck":true,"disableGC":"true","plugins":[{"type":"first"}]})");
  check(find(), attach(), cache(), node_);
  gc(find(), directory_ + "/bin", {}, cache(), node_);
  EXPECT_EQ(content("calls"), "");
}

TEST_F(Chain, ChecksOnlyWhatWasAddedAndOnlyFromFourthShape) {
  configure("10-lan.conflist", kList);
  EXPECT_THAT(message([&] { check(find(), attach(), cache(), node_); }),
              HasSubstr("no result of an ADD is remembered"));
  configure("10-lan.conflist", R"({"cniVersion":"0.3.1","name":"lan","plugins":[{"type":"first"}]})");
  EXPECT_THAT(message([&] { check(find(), attach(), cache(), node_); }), HasSubstr("does not support CHECK"));
}

TEST_F(Chain, ReadsPluginsFromTheNetworksFolder) {
  configure("10-lan.conflist", R"({"cniVersion":"1.1.0","name":"lan","plugins":[{"type":"first"}]})");
  configure("lan/20-b.conf", R"({"type":"third"})");
  configure("lan/10-a.conf", R"({"type":"second"})");
  EXPECT_EQ(find().plugins.size(), 3u);
  EXPECT_EQ(find().plugins[1].at("type"), "second");
  configure("10-lan.conflist", R"({"name":"lan","loadOnlyInlinedPlugins":true,"plugins":[{"type":"first"}]})");
  EXPECT_EQ(find().plugins.size(), 1u);
  configure("10-lan.conflist", R"({"name":"lan"})");
  EXPECT_EQ(find().plugins.size(), 2u) << "from the folder alone";
}

TEST_F(Chain, TakesASinglePluginsConfigurationAndPrefersLists) {
  configure("05-lan.conf", R"({"cniVersion":"0.3.1","name":"lan","type":"second"})");
  EXPECT_EQ(find().plugins.at(0).at("type"), "second");
  configure("10-lan.conflist", R"({"name":"lan","plugins":[{"type":"first"}]})");
  EXPECT_EQ(find().plugins.at(0).at("type"), "first");
  configure("20-wan.json", R"({"name":"wan","type":"third"})");
  EXPECT_EQ(find("wan").plugins.at(0).at("type"), "third");
}

TEST_F(Chain, ChoosesTheNewestVersionWeSpeak) {
  configure(
      "10-lan.conflist",
      R"({"name":"lan","cniVersion":"0.4.0","cniVersions":["0.3.1","1.0.0","7.0.0"],"plugins":[{"type":"first"}]})");
  EXPECT_EQ(find().cni_version, (Version{1, 0, 0}));
}

TEST_F(Chain, PassesOverFilesOfOthersThatItCannotRead) {
  configure("00-loopback.conf", R"({"cniVersion":"0.3.1","type":"loopback"})");
  configure("01-empty.conf", "");
  configure("02-torn.conflist", "{");
  configure("10-lan.conf", R"({"cniVersion":"1.0.0","name":"lan","type":"first"})");
  EXPECT_EQ(find().plugins.at(0).at("type"), "first");
  EXPECT_THAT(message([&] { find("wan"); }), HasSubstr("00-loopback.conf: key \"name\" is missing"));
  EXPECT_THAT(message([&] { find("wan"); }), HasSubstr("01-empty.conf: the file is empty"));
}

TEST_F(Chain, SaysThatANameIsThereTwiceAndTakesTheFirst) {
  configure("10-lan.conf", R"({"cniVersion":"1.0.0","name":"lan","type":"first"})");
  configure("20-lan.conf", R"({"cniVersion":"1.0.0","name":"lan","type":"second"})");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(find().plugins.at(0).at("type"), "first");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("20-lan.conf: the first counts"));
}

TEST_F(Chain, ADamagedResultDoesNotKeepDelFromItsWork) {
  configure("10-lan.conflist", kList);
  add(find(), attach(), cache(), node_);
  std::ofstream(directory_ + "/results/lan-pod-eth0") << "";
  del(find(), attach(), cache(), node_);
  EXPECT_THAT(content("calls"), HasSubstr("DEL second\nDEL first\n"));
}

TEST_F(Chain, TakesAnEmptyVersionForTheOldest) {
  configure("10-lan.conflist", R"({"cniVersion":"","name":"lan","plugins":[{"type":"first"}]})");
  EXPECT_EQ(find().cni_version, (Version{0, 1, 0}));
}

TEST_F(Chain, NamesWhatIsWrongWithAFile) {
  EXPECT_THAT(message([&] { find("wan"); }), HasSubstr("no network configuration with name \"wan\""));
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"{", "10-lan.conflist is not valid JSON"},
           {R"({"plugins":[{"type":"x"}]})", "key \"name\" is missing"},
           {R"({"name":"lan","plugins":[{}]})", "key \"plugins[0].type\" is missing"},
           {R"({"name":"lan","plugins":[]})", "names no plugin"},
           {R"({"name":"lan","plugins":{}})", "key \"plugins\" is {}; expected an array"},
           {R"({"name":"lan","disableGC":"maybe","plugins":[{"type":"x"}]})", "key \"disableGC\" is \"maybe\""}}) {
    configure("10-lan.conflist", text);
    EXPECT_THAT(message([&] { find(); }), HasSubstr(words)) << text;
  }
}

}  // namespace
}  // namespace barewire::cni
