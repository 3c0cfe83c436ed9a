// SPDX-License-Identifier: Apache-2.0
#include "core/policy/policy.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/policy/file.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::policy {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kFile = "/etc/barewire/policy.json";

Policy policy_of(const std::string& text) {
  Policy policy;
  policy.add_file(kFile, text);
  return policy;
}

/// Of one rule for all that allows `allow` and nothing else.
Policy allowing(const std::string& allow) {
  return policy_of(R"({"rules": [{"others": "refuse", "allow": {)" + allow + "}}]}");
}

const Subscriber kTenant{"blue", "tenant-a"};

bool allows(const std::string& allow, const Ask& ask) {
  try {
    allowing(allow).require_allowed(kTenant, {ask});
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::policy)) << error.what();
    return false;
  }
}

std::string refusal_of(const std::string& text) {
  try {
    policy_of(text);
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::policy)) << error.code();
    return error.what();
  }
  return "";
}

TEST(Bound, OfNumbersHoldsAllThatIsAskedOrNothing) {
  const std::string allow = R"("vlans": [7, "100-149", "150-199"])";
  EXPECT_TRUE(allows(allow, ask_number(Subject::vlans, "vlan", 7)));
  EXPECT_TRUE(allows(allow, ask_range(Subject::vlans, "trunk", {100, 199})));  // across entries that meet
  EXPECT_FALSE(allows(allow, ask_number(Subject::vlans, "vlan", 8)));
  EXPECT_FALSE(allows(allow, ask_range(Subject::vlans, "trunk", {99, 120})));
  EXPECT_FALSE(allows(allow, ask_range(Subject::vlans, "vlan", {0, 4095})));
  EXPECT_TRUE(allows(R"("vlans": ["0-4095"])", ask_range(Subject::vlans, "vlan", {0, 4095})));
}

TEST(Bound, OfALimitIsTheLargestNumberThatPasses) {
  EXPECT_TRUE(allows(R"("maxMbps": 1000)", ask_number(Subject::rate, "max_tx_rate", 1000)));
  EXPECT_FALSE(allows(R"("maxMbps": 1000)", ask_number(Subject::rate, "max_tx_rate", 1001)));
  EXPECT_FALSE(allows(R"("maxMbps": 1000)", ask_number(Subject::rate, "max_tx_rate", kUnlimited)));
}

TEST(Bound, OfPatternsExcludesByEveryNameOfAThing) {
  Ask ask = ask_name(Subject::devices, "device", "enp1s0");
  EXPECT_TRUE(allows(R"("devices": ["*", "!eth0"])", ask));
  ask.names.push_back("eth0");  // the same device by another name
  EXPECT_FALSE(allows(R"("devices": ["*", "!eth0"])", ask));
  EXPECT_TRUE(allows(R"("devices": ["eth?"])", ask));
  EXPECT_FALSE(allows(R"("devices": ["eth"])", ask));
}

TEST(Bound, OfPathsIsNotLedOutOfADirectory) {
  const auto path = [](const char* text) { return ask_name(Subject::data_dirs, "dataDir", text); };
  EXPECT_TRUE(allows(R"("dataDirs": ["/var/lib/cni/*"])", path("/var/lib/cni/blue")));
  EXPECT_FALSE(allows(R"("dataDirs": ["/var/lib/cni/*"])", path("/var/lib/cni/blue/deeper")));
  EXPECT_TRUE(allows(R"("dataDirs": ["/var/lib/cni/**"])", path("/var/lib/cni/blue/deeper")));
  EXPECT_TRUE(allows(R"("dataDirs": ["/a/**/b*"])", path("/a/x/y/bc")));
  EXPECT_FALSE(allows(R"("dataDirs": ["/a/**/b*"])", path("/a/x/y/bc/d")));
  for (const char* devious :
       {"/var/lib/cni/../../etc/cron.d", "/var/lib/cni/..", "/var/lib/cni//x", "/var/lib/cni/./x"})
    EXPECT_FALSE(allows(R"("dataDirs": ["/var/lib/cni/**"])", path(devious))) << devious;
  EXPECT_FALSE(allows(R"("dataDirs": ["/var/lib/cni/*"])", path("/var/lib/cni")));
}

TEST(Bound, OfAddressesHoldsWholeRanges) {
  const std::string allow = R"("addresses": ["10.56.0.0/16", "2001:db8::/64"])";
  const auto ask = [](const char* text) { return ask_address(Subject::addresses, "ipam.addresses", text); };
  EXPECT_TRUE(allows(allow, ask("10.56.7.1/24")));  // an address with its length, not all of its network
  EXPECT_TRUE(allows(allow, ask("2001:db8::1")));
  EXPECT_TRUE(allows(allow, ask("10.56.0.0/17")));
  EXPECT_FALSE(allows(allow, ask("10.57.0.1")));
  EXPECT_FALSE(allows(allow, ask("10.0.0.0/8")));
  EXPECT_FALSE(allows(allow, ask("no address")));
  EXPECT_FALSE(allows(R"("addresses": ["0.0.0.0/0", "::/0"])", ask("no address")));
}

TEST(Bound, OfMacAddressesIsARange) {
  const std::string allow = R"("macs": ["02:00:00:00:00:00-02:00:00:00:00:ff"])";
  EXPECT_TRUE(allows(allow, ask_mac("mac", "02-00-00-00-00-ff")));
  EXPECT_FALSE(allows(allow, ask_mac("mac", "02:00:00:00:01:00")));
  EXPECT_FALSE(allows(allow, ask_mac("mac", "rubbish")));
}

TEST(Bound, OfVfsCountsByPfAndNumber) {
  Ask ask{
      .subject = Subject::pfs, .key = "pool", .shown = "", .names = {"ens1f0", "0000:01:00.0"}, .numbers = {{2, 3}}};
  EXPECT_TRUE(allows(R"("pfs": ["ens1f0#0-1,2,3"])", ask));
  EXPECT_TRUE(allows(R"("pfs": ["ens2*", "0000:01:00.0"])", ask));
  EXPECT_FALSE(allows(R"("pfs": ["ens1f0#0-2"])", ask));
  EXPECT_FALSE(allows(R"("pfs": ["ens1f1"])", ask));
  ask.numbers = {{0, UINT16_MAX}};  // all of them
  EXPECT_FALSE(allows(R"("pfs": ["ens1f0#0-3"])", ask));
}

TEST(Bound, TakesAPatternOfManyStarsInBoundedTime) {
  const std::string name(4000, 'a');
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(fits({pattern + "b"}, {name}));
  EXPECT_TRUE(fits({pattern}, {name}));
}

TEST(Bound, AllowsNothingThatCouldNotBeUnderstood) {
  for (const SubjectInfo& subject : all_subjects()) {
    if (subject.kind == Kind::flag) continue;
    Rule everything;
    const char* all = subject.kind == Kind::limit      ? "999999999"
                      : subject.kind == Kind::macs     ? R"(["00:00:00:00:00:00-ff:ff:ff:ff:ff:ff"])"
                      : subject.kind == Kind::numbers  ? R"(["0-4294967295"])"
                      : subject.kind == Kind::prefixes ? R"(["0.0.0.0/0", "::/0"])"
                                                       : R"(["**"])";
    EXPECT_FALSE(allows(fmt::format("\"{}\": {}", subject.name, all), {subject.subject, "key", "?"})) << subject.name;
  }
}

TEST(Policy, TakesTheFirstRuleForNetworkAndNamespace) {
  const Policy policy = policy_of(R"({"unmatched": "allow", "rules": [
    {"name": "one", "networks": ["blue-*"], "namespaces": ["tenant-?"], "others": "allow"},
    {"name": "two", "namespaces": ["tenant-*", "!tenant-z"], "others": "allow"},
    {"name": "three", "networks": ["mgmt"], "others": "allow"}]})");
  const auto name = [&](const char* network, const char* pod_namespace) {
    const Rule* rule = policy.find_rule({network, pod_namespace});
    return rule == nullptr ? "none" : rule->name;
  };
  EXPECT_EQ("one", name("blue-1", "tenant-a"));
  EXPECT_EQ("two", name("blue-1", "tenant-aa"));
  EXPECT_EQ("three", name("mgmt", "tenant-z"));
  EXPECT_EQ("three", name("mgmt", ""));  // a rule for namespaces is for no pod without one
  EXPECT_EQ("none", name("red", "tenant-z"));
}

TEST(Policy, NamesFileLineRuleAndKey) {
  const Policy policy = policy_of(
      "{\"comment\": \"{ \\\" [\",\n \"rules\": [\n  {\"others\": \"allow\", \"networks\": [\"x\"]},\n"
      "  {\"name\": \"tenants\",\n   \"others\": \"refuse\", \"allow\": {\"vlans\": [\"100-199\"]}}]}");
  try {
    policy.require_allowed(kTenant, {ask_number(Subject::vlans, "vlan", 300)});
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::policy));
    EXPECT_STREQ(
        "key \"vlan\" asks for 300 (vlans), which the node's policy refuses: /etc/barewire/policy.json, line 4: rule 2 "
        "\"tenants\" allows \"vlans\": [\"100-199\"]",
        error.what());
  }
  try {
    policy.require_allowed(kTenant, {ask_flag(Subject::trust, "trust")});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rule 2 \"tenants\" does not mention \"trust\""));
  }
}

TEST(Policy, SaysWhatBecomesOfWhatNoRuleIsFor) {
  const std::string rules = R"("rules": [{"networks": ["red"], "others": "allow"}])";
  EXPECT_NO_THROW(policy_of("{\"unmatched\": \"allow\", " + rules + "}").require_allowed(kTenant, {}));
  for (const std::string& text : {"{\"unmatched\": \"refuse\", " + rules + "}", "{" + rules + "}", std::string("{}")})
    EXPECT_THROW(policy_of(text).require_allowed(kTenant, {}), Error) << text;
}

TEST(Policy, RefusesWhatItDoesNotUnderstand) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not valid JSON"},
      {"[]", "expected an object"},
      {"{} x", "not valid JSON"},
      {R"({"rulez": []})", "\"rulez\" is unknown"},
      {R"({"Rules": []})", "\"Rules\" is unknown"},
      {R"({"unmatched": "maybe"})", "\"unmatched\""},
      {R"({"rules": {}})", "\"rules\""},
      {R"({"rules": [{}]})", "\"others\""},
      {R"({"rules": [{"others": "no"}]})", "rules[0].others"},
      {R"({"rules": [{"others": "allow", "namespace": ["x"]}]})", "\"rules[0].namespace\" is unknown"},
      {R"({"rules": [{"others": "allow", "networks": []}]})", "rules[0].networks"},
      {R"({"rules": [{"others": "allow", "networks": "x"}]})", "rules[0].networks"},
      {R"({"rules": [{"others": "allow", "allow": {"vlan": [1]}}]})", "\"rules[0].allow.vlan\" is unknown"},
      {R"({"rules": [{"others": "allow", "allow": {"Trust": true}}]})", "\"rules[0].allow.Trust\" is unknown"},
      {R"({"rules": [{"others": "allow", "allow": {"trust": "on"}}]})", "rules[0].allow.trust"},
      {R"({"rules": [{"others": "allow", "allow": {"vlans": ["9-1"]}}]})", "rules[0].allow.vlans[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"vlans": 9}}]})", "rules[0].allow.vlans"},
      {R"({"rules": [{"others": "allow", "allow": {"vlans": [1.5]}}]})", "rules[0].allow.vlans[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"macs": ["02"]}}]})", "rules[0].allow.macs[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"addresses": ["10.0.0.1/8"]}}]})", "rules[0].allow.addresses[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"pfs": ["#1"]}}]})", "rules[0].allow.pfs[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"pfs": ["a#"]}}]})", "rules[0].allow.pfs[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"dataDirs": ["/a/../b"]}}]})", "rules[0].allow.dataDirs[0]"},
      {R"({"rules": [{"others": "allow", "allow": {"maxMtu": -1}}]})", "rules[0].allow.maxMtu"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(refusal_of(text), AllOf(HasSubstr(kFile), HasSubstr(expected)));
}

TEST(Policy, TakesEveryByteStringOrRefusesIt) {
  const std::string good = R"({"rules": [{"others": "refuse", "networks": ["a\"[{"], "allow": {"vlans": ["1-9"]}}]})";
  EXPECT_EQ("", refusal_of(good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    EXPECT_NE("", refusal_of(good.substr(0, at))) << at;
    std::string changed = good;
    changed[at] = '\x80';
    EXPECT_NE("", refusal_of(changed)) << at;  // no byte of it is without meaning
  }
}

TEST(LinesOfRules, AreNotConfusedByStringsOrNesting) {
  EXPECT_THAT(lines_of_rules("{\"rules\": [\n{\"a\": \"\\\"{[\"},\n\n{\"b\": {\"c\": [{}]}}]}"), ElementsAre(2, 4));
  EXPECT_THAT(lines_of_rules("]]}}"), ElementsAre());
  EXPECT_THAT(lines_of_rules("{\"comment\": [{\"by\": \"us\"}],\n\"rules\": [\n{}]}"), ElementsAre(3));
  EXPECT_THAT(lines_of_rules("{\"\\u0072ules\": [\n{}], \"comment\": [{}]}"), ElementsAre(2));
}

class File : public ::testing::Test {
 protected:
  void SetUp() override { ::umask(022); }
  std::string write(const std::string& name, const std::string& text) const { return directory_.write(name, text); }
  std::string policy() const { return directory_.path() + "/policy.json"; }
  /// The sentence of the refusal; empty: it is read.
  std::string refusal() const {
    try {
      read_policy(policy());
      return "";
    } catch (const Error& error) {
      EXPECT_TRUE(error.is(Error::Code::policy)) << error.code();
      return error.what();
    }
  }

  test::PrivateDirectory directory_;
};

TEST_F(File, NeedNotBeThere) {
  EXPECT_FALSE(read_policy(policy()));
  write("policy.d/10.json", "not looked at");
  EXPECT_FALSE(read_policy(policy()));
}

TEST_F(File, IsFollowedByThoseOfTheDirectoryInOrder) {
  write("policy.json", R"({"unmatched": "refuse", "rules": [{"name": "0", "others": "allow"}]})");
  write("policy.d/20.json", R"({"rules": [{"name": "20", "others": "allow"}]})");
  write("policy.d/10.json", R"({"rules": [{"name": "10", "others": "allow"}]})");
  write("policy.d/10.json.orig", "no policy");
  write("policy.d/.hidden.json", "no policy");
  const auto read = read_policy(policy());
  std::vector<std::string> names;
  for (const Rule& rule : read->rules()) names.push_back(rule.name);
  EXPECT_THAT(names, ElementsAre("0", "10", "20"));
}

TEST_F(File, ThatOthersCouldWriteIsRefused) {
  write("policy.json", "{}");
  EXPECT_EQ("", refusal());
  for (const mode_t mode : {0664U, 0646U}) {
    ::chmod(policy().c_str(), mode);
    EXPECT_THAT(refusal(), AllOf(HasSubstr(policy()), HasSubstr("may write")));
  }
  ::chmod(policy().c_str(), 0644);
  ::chmod(directory_.path().c_str(), 0777);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(directory_.path()), HasSubstr("may write")));
  ::chmod(directory_.path().c_str(), 0755);
  write("policy.d/10.json", "{}");
  EXPECT_EQ("", refusal());
  ::chmod((directory_.path() + "/policy.d").c_str(), 0775);
  EXPECT_THAT(refusal(), HasSubstr("policy.d"));
  ::chmod((directory_.path() + "/policy.d").c_str(), 0755);
  ::chmod((directory_.path() + "/policy.d/10.json").c_str(), 0666);
  EXPECT_THAT(refusal(), HasSubstr("10.json"));
}

TEST_F(File, OfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  write("policy.json", "{}");
  ASSERT_EQ(0, ::chown(policy().c_str(), 65534, 65534));
  EXPECT_THAT(refusal(), HasSubstr("owned by user 65534"));
}

TEST_F(File, ThatIsNoFileIsRefusedAtOnce) {
  ASSERT_EQ(0, ::mkfifo(policy().c_str(), 0644));
  EXPECT_THAT(refusal(), HasSubstr("another kind"));
  std::filesystem::remove(policy());
  std::filesystem::create_directory(policy());
  EXPECT_THAT(refusal(), HasSubstr("another kind"));
  std::filesystem::remove(policy());
  directory_.link("policy.json", "/dev/null");
  EXPECT_THAT(refusal(), HasSubstr(policy()));
  std::filesystem::remove(policy());
  directory_.link("policy.json", "nowhere");  // "there is none" would be a guess
  EXPECT_THAT(refusal(), HasSubstr(policy()));
}

TEST_F(File, ThatIsTooLargeIsRefused) {
  write("policy.json", "{}" + std::string(1 << 20, ' '));
  EXPECT_THAT(refusal(), HasSubstr("larger"));
}

}  // namespace
}  // namespace barewire::policy
