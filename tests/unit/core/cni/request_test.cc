// SPDX-License-Identifier: Apache-2.0
#include "core/cni/request.h"

#include <gmock/gmock.h>

#include "core/cni/zero_values.h"

namespace barewire::cni {
namespace {

using ::testing::HasSubstr;

Environment environment(const std::string& command = "ADD") {
  return {.command = command,
          .container_id = "pod-1",
          .netns = "/run/netns/a",
          .ifname = "net1",
          .path = "/opt/cni/bin:/usr/lib/cni",
          .args = "",
          .netns_override = ""};
}

constexpr const char* kConfig = R"({"cniVersion":"1.1.0","name":"lan","type":"sriov"})";

struct Failure {
  int code = 0;
  std::string message, hint;
};

Failure failure(const Environment& env, const std::string& config, Version oldest = {0, 1, 0}) {
  try {
    Request::parse(env, config, oldest);
  } catch (const Error& error) {
    return {error.code(), error.what(), error.hint()};
  }
  return {};
}

TEST(Request, HoldsWhatTheRuntimeSaid) {
  Environment env = environment();
  env.args = "IgnoreUnknown=1;K8S_POD_NAME=web";
  const Request request = Request::parse(env, kConfig, {0, 1, 0});
  EXPECT_EQ(request.container_id, "pod-1");
  EXPECT_EQ(request.path, (std::vector<std::string>{"/opt/cni/bin", "/usr/lib/cni"}));
  EXPECT_EQ(request.args.find("K8S_POD_NAME"), "web");
  EXPECT_EQ(request.stdin_bytes, kConfig);
}

TEST(Request, NamesEveryMissingVariable) {
  EXPECT_EQ(failure({.command = "ADD",
                     .container_id = "",
                     .netns = "",
                     .ifname = "",
                     .path = "",
                     .args = "",
                     .netns_override = ""},
                    kConfig)
                .message,
            "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
  Environment env = environment("DEL");
  env.netns = "";
  EXPECT_EQ(failure(env, kConfig).code, 0) << "DEL needs no netns";
  env.ifname = "";
  EXPECT_EQ(failure(env, kConfig).code, 4);
  EXPECT_EQ(failure({.command = "GC",
                     .container_id = "",
                     .netns = "",
                     .ifname = "",
                     .path = "/x",
                     .args = "",
                     .netns_override = ""},
                    kConfig)
                .code,
            0);
  EXPECT_EQ(failure({.command = "STATUS",
                     .container_id = "",
                     .netns = "",
                     .ifname = "",
                     .path = "",
                     .args = "",
                     .netns_override = ""},
                    kConfig)
                .message,
            "required env variables [CNI_PATH] missing");
}

TEST(Request, RefusesAnUnknownCommand) {
  const Failure unknown = failure(environment("FROB"), kConfig);
  EXPECT_EQ(unknown.code, 4);
  EXPECT_EQ(unknown.message, "unknown CNI_COMMAND: FROB");
}

TEST(Request, RefusesBadContainerIds) {
  for (const char* id : {"-pod", "a b", "a/b", "_x", "pöd", ".."}) {
    Environment env = environment();
    env.container_id = id;
    EXPECT_EQ(failure(env, kConfig).code, 4) << id;
    EXPECT_EQ(failure(env, kConfig).message, "invalid characters in containerID") << id;
  }
}

TEST(Request, RefusesBadInterfaceNames) {
  for (const char* name : {"sixteen-chars-xx", ".", "..", "a/b", "a:b", "a b", "a\tb"}) {
    Environment env = environment();
    env.ifname = name;
    EXPECT_EQ(failure(env, kConfig).code, 4) << name;
    EXPECT_THAT(failure(env, kConfig).message, HasSubstr("interface name")) << name;
  }
}

TEST(Request, RefusesBadNetworkNames) {
  EXPECT_EQ(failure(environment(), R"({"cniVersion":"1.0.0"})").message, "missing network name");
  const Failure bad = failure(environment(), R"({"cniVersion":"1.0.0","name":"a/b"})");
  EXPECT_EQ(bad.code, 7);
  EXPECT_EQ(bad.message, "invalid characters found in network name");
}

TEST(Request, JudgesVersions) {
  const Failure incompatible = failure(environment(), R"({"cniVersion":"9.8.7","name":"lan"})");
  EXPECT_EQ(incompatible.code, 1);
  EXPECT_EQ(incompatible.message, "incompatible CNI versions");
  EXPECT_THAT(incompatible.hint, HasSubstr("config is \"9.8.7\", plugin supports [\"0.1.0\""));
  EXPECT_EQ(failure(environment("CHECK"), R"({"cniVersion":"0.3.1","name":"lan"})").message,
            "config version does not allow CHECK");
  EXPECT_EQ(failure(environment("GC"), R"({"cniVersion":"1.0.0","name":"lan"})").code, 1);
  EXPECT_EQ(failure(environment("STATUS"), R"({"cniVersion":"1.0.0","name":"lan"})").message,
            "config version does not allow STATUS");
  EXPECT_EQ(failure(environment(), R"({"name":"lan"})").code, 0) << "absent means 0.1.0";
  EXPECT_EQ(failure(environment(), R"({"name":"lan"})", {0, 3, 1}).code, 1);
  EXPECT_EQ(failure(environment(), R"({"name":"lan","cniVersion":"one"})").code, 6);
}

TEST(Request, RefusesWhatIsNoObject) {
  for (const char* text : {"", "[]", "7", "\"x\"", "null", "{"})
    EXPECT_EQ(failure(environment(), text).code, 6) << text;
}

TEST(Request, NamesTheCommonKeyThatHasAWrongType) {
  for (const auto& [text, key] : std::vector<std::pair<std::string, std::string>>{
           {R"({"name":5})", "name"},
           {R"({"name":"n","type":[]})", "type"},
           {R"({"name":"n","cniVersion":1})", "cniVersion"},
           {R"({"name":"n","ipam":{"type":1}})", "ipam.type"},
           {R"({"name":"n","ipam":[]})", "ipam"},
           {R"({"name":"n","dns":{"search":1}})", "dns.search"},
           {R"({"name":"n","prevResult":{"ips":1},"cniVersion":"1.0.0"})", "prevResult.ips"},
           {R"({"name":"n","cni.dev/valid-attachments":[{"containerID":1}]})",
            "cni.dev/valid-attachments[0].containerID"}}) {
    const Failure bad = failure(environment(), text);
    EXPECT_EQ(bad.code, 7) << text;
    EXPECT_THAT(bad.message, HasSubstr("config key \"" + key + "\"")) << text;
  }
}

TEST(Request, LetsNothingTheRuntimeCachedStopADel) {
  Environment env = environment("DEL");
  env.args = "broken";
  EXPECT_EQ(failure(env, R"({"name":"n","prevResult":{"ips":1},"cniVersion":"1.0.0"})").code, 0);
  EXPECT_EQ(failure(environment("ADD"), kConfig).code, 0);
  env.command = "ADD";
  EXPECT_EQ(failure(env, kConfig).code, 4);
}

TEST(Request, ReadsTheListOfValidAttachments) {
  const Environment env{
      .command = "GC", .container_id = "", .netns = "", .ifname = "", .path = "/x", .args = "", .netns_override = ""};
  const Request some = Request::parse(
      env, R"({"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]})",
      {0, 1, 0});
  EXPECT_TRUE(some.conf.has_valid_attachments);
  EXPECT_EQ(some.conf.valid_attachments, (std::vector<ValidAttachment>{{"a", "eth0"}}));
  const Request none = Request::parse(env, kConfig, {0, 1, 0});
  EXPECT_FALSE(none.conf.has_valid_attachments);
}

TEST(Request, TakesNullAndTheOlderNameOfValidAttachmentsAsLibcniWritesThem) {
  const Environment env{
      .command = "GC", .container_id = "", .netns = "", .ifname = "", .path = "/x", .args = "", .netns_override = ""};
  const Request null =
      Request::parse(env, R"({"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":null})", {0, 1, 0});
  EXPECT_TRUE(null.conf.has_valid_attachments);
  EXPECT_TRUE(null.conf.valid_attachments.empty());
  const Request older = Request::parse(
      env, R"({"cniVersion":"1.1.0","name":"n","cni.dev/attachments":[{"containerID":"a","ifname":"eth0"}]})",
      {0, 1, 0});
  EXPECT_EQ(older.conf.valid_attachments, (std::vector<ValidAttachment>{{"a", "eth0"}}));
}

TEST(RequestedMac, PrefersRuntimeConfigThenArgsThenCniArgsThenConfig) {
  Environment env = environment();
  env.args = "MAC=02:00:00:00:00:03";
  const auto mac = [&](const std::string& config) {
    const auto found = requested_mac(Request::parse(env, config, {0, 1, 0}));
    return found ? found->text() : "none";
  };
  EXPECT_EQ(mac(R"({"name":"n","mac":"02:00:00:00:00:04","args":{"cni":{"mac":"02:00:00:00:00:02"}},
                    "runtimeConfig":{"mac":"02:00:00:00:00:01"}})"),
            "02:00:00:00:00:01");
  EXPECT_EQ(mac(R"({"name":"n","mac":"02:00:00:00:00:04","args":{"cni":{"mac":"02:00:00:00:00:02"}}})"),
            "02:00:00:00:00:02");
  EXPECT_EQ(mac(R"({"name":"n","mac":"02:00:00:00:00:04"})"), "02:00:00:00:00:03");
  env.args = "";
  EXPECT_EQ(mac(R"({"name":"n","MAC":"02:00:00:00:00:04"})"), "02:00:00:00:00:04");
  EXPECT_EQ(mac(R"({"name":"n"})"), "none");
}

TEST(RequestedMac, RefusesWhatIsNoUnicastAddress) {
  for (const char* bad :
       {"00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "nonsense", "02:00:00:00:00"}) {
    const Request request = Request::parse(environment(), fmt::format(R"({{"name":"n","mac":"{}"}})", bad), {0, 1, 0});
    try {
      requested_mac(request);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), 7);
      EXPECT_THAT(error.what(), HasSubstr("config key \"mac\" is \"" + std::string(bad))) << bad;
    }
  }
}

TEST(Args, RefusesWhatIsNoPair) {
  for (const char* bad : {"a", "=b", "a=b=c", "a=b;c", "a=b;;c=d"}) EXPECT_THROW(Args::parse(bad), Error) << bad;
  EXPECT_EQ(Args::parse("a=;b=1").find("a"), "");
}

TEST(Args, KnowsWhichKeysAPluginExpects) {
  EXPECT_NO_THROW(Args::parse("MAC=x;K8S_POD_NAME=y").require_known({"MAC"}));
  EXPECT_THROW(Args::parse("MCA=x").require_known({"MAC"}), Error);
  EXPECT_NO_THROW(Args::parse("MCA=x;IgnoreUnknown=true").require_known({"MAC"}));
  EXPECT_EQ(Args::parse("mac=1").find("MAC"), "1");
}

TEST(Request, RefusesANameThatTheKernelWouldNumber) {
  Environment env = environment();
  env.ifname = "net%d";
  EXPECT_THAT(failure(env, kConfig).message, HasSubstr("contains %"));
  env.command = "DEL";
  EXPECT_EQ(failure(env, kConfig).code, 0);
}

TEST(Request, OnlyLoopbackDoesWithoutArgumentsThatCanBeRead) {
  Environment env = environment();
  env.args = "a;b";
  EXPECT_EQ(failure(env, kConfig).code, 4);
  EXPECT_EQ(failure(env, R"({"cniVersion":"1.0.0","name":"lo","type":"loopback"})").code, 0);
}

TEST(Request, TakesAnAbsentNullOrEmptyVersionForTheOldest) {
  for (const char* version : {"", R"("cniVersion":"",)", R"("cniVersion":null,)", R"("CNIVersion":"",)"})
    for (const char* command : {"ADD", "DEL"}) {
      const auto request = Request::parse(environment(command), fmt::format(R"({{{}"name":"n"}})", version), {0, 1, 0});
      EXPECT_EQ(request.conf.cni_version, (Version{0, 1, 0})) << version;
    }
  EXPECT_EQ(failure(environment("CHECK"), R"({"cniVersion":"","name":"n"})").code, 1) << "0.1.0 knows no CHECK";
}

TEST(Request, DnsTakesThePlaceOfIpamsWhenAListIsThereBeItEmpty) {
  const auto overrides = [](const char* dns) {
    return overrides_dns(Request::parse(environment(), fmt::format(R"({{"name":"n","dns":{}}})", dns), {0, 1, 0}));
  };
  EXPECT_TRUE(overrides(R"({"nameservers":[]})"));
  EXPECT_TRUE(overrides(R"({"domain":"example.org"})"));
  EXPECT_FALSE(overrides(R"({"nameservers":null,"domain":"","search":null})"));
  EXPECT_FALSE(overrides("{}"));
  EXPECT_FALSE(overrides("null"));
}

}  // namespace
}  // namespace barewire::cni
