// SPDX-License-Identifier: Apache-2.0
/// Every plugin of the suite, every documented key of it, and the node's policy: none may be forgotten.
#include "core/cni/guard.h"

#include <gmock/gmock.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/cni/plugin.h"
#include "core/fd.h"
#include "packaging/plugin_table.h"
#include "tests/support/fake_sysfs.h"
#include "tests/unit/packaging/guard_examples.h"

namespace barewire {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using cni::GuardedKey;
using policy::Kind;
using policy::Subject;
using ::testing::HasSubstr;

const fs::path kSource = BAREWIRE_SOURCE_DIR;
constexpr const char* kVf = "0000:01:10.0";
constexpr const char* kNic = "0000:02:00.0";

std::string page_of(std::string_view plugin) {
  std::string name(plugin);
  if (name.starts_with("ovs-mirror")) name = "ovs-mirror";
  return read_file(kSource / "docs/configuration" / (name + ".md")).value_or("");
}

/// The words in backticks of the first column of every table whose first heading is "key".
std::vector<std::string> documented_keys(const std::string& page) {
  std::vector<std::string> keys;
  std::istringstream lines(page);
  bool in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("|")) in_table = false;
    if (line.starts_with("| key ")) in_table = true;
    if (!in_table) continue;
    const std::string cell = line.substr(1, line.find('|', 1) - 1);
    const std::regex word("(CNI_ARGS`? )?`([^`]+)`( in CNI_ARGS)?");
    for (std::sregex_iterator it(cell.begin(), cell.end(), word), end; it != end; ++it) {
      const std::string key = (*it)[2];
      if (key != "CNI_ARGS") keys.push_back(key);
    }
  }
  return keys;
}

/// "ipam.dataDir" is documented as that, as ".dataDir" and as "dataDir".
bool is_documented_as(std::string_view path, std::string_view word) {
  if (word.starts_with('.')) word.remove_prefix(1);
  std::string plain(path);
  const auto brackets = std::regex("\\[\\]");
  plain = std::regex_replace(plain, brackets, "");
  const std::string wanted = std::regex_replace(std::string(word), brackets, "");
  return plain == wanted || plain.ends_with("." + wanted) || plain.ends_with(" " + wanted);
}

bool is_guarded(std::span<const GuardedKey> keys, std::string_view word) {
  return std::any_of(keys.begin(), keys.end(), [&](const GuardedKey& key) { return is_documented_as(key.path, word); });
}

class Guards : public ::testing::TestWithParam<std::string> {
 protected:
  const cni::Plugin& plugin() const { return *table_.find(GetParam()); }
  cni::PluginTable table_ = plugin_table();
};

TEST_P(Guards, KnowEveryDocumentedKey) {
  ASSERT_NE(nullptr, plugin().guard);
  const std::string page = page_of(GetParam());
  ASSERT_NE("", page);
  for (const std::string& key : documented_keys(page))
    EXPECT_TRUE(is_guarded(plugin().guard->keys, key) || is_guarded(cni::common_keys(), key))
        << GetParam() << ": docs/configuration has the key \"" << key
        << "\"; its guard has to say what it asks of the node, or why nothing";
}

TEST_P(Guards, SayWhyAKeyIsHarmless) {
  for (const GuardedKey& key : plugin().guard->keys) {
    const bool says_why = key.reading != GuardedKey::Reading::harmless || !key.note.empty();
    EXPECT_TRUE(says_why) << key.path;
  }
}

/// What makes a call of the plugin that asks for little.
json::object base_of(std::string_view plugin) {
  static const std::map<std::string_view, const char*> kBases{
      {"sriov", R"({"pf": "none0"})"},
      {"host-device", R"({"device": "none0"})"},
      {"bond", R"({"linksInContainer": true})"},
      {"ovs", R"({"bridge": "br0"})"},
      {"ovs-mirror-producer", R"({"bridge": "br0"})"},
      {"ovs-mirror-consumer", R"({"bridge": "br0"})"},
      {"userspace", R"({"host": {"engine": "ovs-dpdk", "iftype": "vhostuser"}})"},
      {"flannel", R"({"subnetFile": "/nowhere"})"}};
  const auto found = kBases.find(plugin);
  return found == kBases.end() ? json::object() : json::parse(found->second).as_object();
}

const char* find_example(const std::string& name) {
  for (const auto& [key, config] : kExamples)
    if (key == name) return config;
  return nullptr;
}

json::value value_for(const GuardedKey& key) {
  switch (policy::info_of(key.subject).kind) {
    case Kind::flag:
      return true;
    case Kind::patterns:
    case Kind::vfs:
      return "sample";
    case Kind::paths:
      return "/sample";
    case Kind::numbers:
      return 7;
    case Kind::macs:
      return "02:00:00:00:00:01";
    case Kind::prefixes:
      return "10.9.8.7";
    case Kind::limit:
      return 1 + 8 * key.per_unit;
  }
  return nullptr;
}

/// `value` at "a.b[].c".
json::value nested(std::string_view path, json::value value) {
  const auto dot = path.find('.');
  std::string name(path.substr(0, dot));
  json::value inner = dot == std::string_view::npos ? std::move(value) : nested(path.substr(dot + 1), std::move(value));
  if (name.ends_with("[]")) {
    name.resize(name.size() - 2);
    inner = json::array{inner};
  }
  return json::object{{name, inner}};
}

class Sweep : public Guards {
 protected:
  void SetUp() override {
    sysfs_.add({.address = "0000:01:00.0", .driver = "ice", .netdev = "ens1f0", .total_vfs = 8});
    sysfs_.add({.address = kVf, .driver = "iavf", .netdev = "ens1f0v0"});
    sysfs_.join("0000:01:00.0", 0, kVf);
    sysfs_.add({.address = kNic, .driver = "igb", .netdev = "eth7"});
    node_ = {.plugins = &table_, .sysfs = sysfs_.root(), .policy_file = directory_.path() + "/policy.json"};
    subnet_ = directory_.write("subnet.env",
                               "FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_SUBNET=10.9.1.0/24\nFLANNEL_MTU=1450\n"
                               "FLANNEL_IPMASQ=true\n");
  }

  cni::Request request_for(const GuardedKey& key) const {
    cni::Request request;
    request.command = cni::Command::add;
    request.container_id = "pod1";
    request.ifname = "net1";
    json::object config = base_of(GetParam());
    if (key.path.starts_with("CNI_ARGS ")) {
      const std::string name(key.path.substr(9));
      const json::value value = value_for(key);
      request.args = cni::Args::parse(name + "=" + std::string(value.as_string()));
    } else {
      std::string example = example_of(key);
      if (const auto at = example.find("SUBNET"); at != std::string::npos) example.replace(at, 6, subnet_);
      const json::value parsed = json::parse(example);
      for (const auto& [name, value] : parsed.as_object()) config[name] = value;
    }
    if (config.contains("pool")) config.erase("pf");  // one of them names the VFs
    config["name"] = "blue";
    if (!config.contains("cniVersion")) config["cniVersion"] = "1.1.0";
    request.conf = cni::NetConf::parse(json::serialize(config));
    if (const auto previous = request.conf.root().find("prevResult"))
      request.conf.previous = cni::Result::parse(*previous, request.conf.cni_version);
    return request;
  }

  std::string example_of(const GuardedKey& key) const {
    const std::string path(key.path);
    const bool is_by_guard = key.reading == GuardedKey::Reading::by_guard;
    for (const std::string& name : {GetParam() + " " + path, path})
      if (const char* found = find_example(name); found != nullptr && is_by_guard) return found;
    return json::serialize(nested(key.path, value_for(key)));
  }

  /// The policy allows all but `subject`.
  void write_policy_without(Subject subject) {
    const policy::SubjectInfo& info = policy::info_of(subject);
    const char* nothing = info.kind == Kind::flag ? "false" : info.kind == Kind::limit ? "0" : "[]";
    directory_.write("policy.json",
                     fmt::format(R"({{"rules": [{{"others": "allow", "allow": {{"{}": {}}}}}]}})", info.name, nothing));
  }

  void expect_refused(const GuardedKey& key) {
    write_policy_without(key.subject);
    const std::string subject(policy::info_of(key.subject).name);
    try {
      cni::require_permitted(plugin(), request_for(key), node_);
      ADD_FAILURE() << GetParam() << ": \"" << key.path << "\" passes a policy without " << subject;
    } catch (const Error& error) {
      EXPECT_TRUE(error.is(Error::Code::policy)) << GetParam() << " " << key.path << ": " << error.what();
      EXPECT_THAT(error.what(), HasSubstr("(" + subject + ")")) << GetParam() << " " << key.path;
    }
  }

  test::FakeSysfs sysfs_;
  test::PrivateDirectory directory_;
  std::string subnet_;
  Node node_;
};

TEST_P(Sweep, EveryKeyThatAsksIsRefusedWhereThePolicyHasNotGotItsSubject) {
  for (const auto& keys : {plugin().guard->keys, cni::common_keys()})
    for (const GuardedKey& key : keys)
      if (key.reading != GuardedKey::Reading::harmless && key.path != "type") expect_refused(key);
}

TEST_P(Sweep, ThePluginItselfHasToBeAllowed) {
  expect_refused({.path = "type", .reading = GuardedKey::Reading::value, .subject = Subject::plugins});
}

TEST_P(Sweep, NothingIsAskedForWithoutAPolicy) {
  fs::remove(node_.policy_file);
  EXPECT_NO_THROW(cni::require_permitted(plugin(), request_for({.path = "name"}), node_));
}

std::vector<std::string> plugin_names() {
  std::vector<std::string> names;
  for (const cni::Plugin& plugin : plugin_table().all()) names.emplace_back(plugin.name);
  return names;
}
std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  return std::regex_replace(info.param, std::regex("-"), "_");
}
INSTANTIATE_TEST_SUITE_P(All, Guards, ::testing::ValuesIn(plugin_names()), test_name);
INSTANTIATE_TEST_SUITE_P(All, Sweep, ::testing::ValuesIn(plugin_names()), test_name);

TEST(Documents, NameEveryKeyOfAllPlugins) {
  const std::string page = read_file(kSource / "docs/configuration.md").value_or("");
  for (const std::string& key : documented_keys(page)) EXPECT_TRUE(is_guarded(cni::common_keys(), key)) << key;
}

TEST(Documents, ExplainEverySubjectAndOnlyThose) {
  const std::string page = read_file(kSource / "docs/configuration/policy.md").value_or("");
  const std::string schema = read_file(kSource / "packaging/policy.schema.json").value_or("");
  const json::value parsed = json::parse(schema);
  const auto& allow = parsed.at("$defs").at("allow").at("properties").as_object();
  std::set<std::string> described;
  for (const auto& member : allow) described.insert(std::string(member.key()));
  for (const policy::SubjectInfo& subject : policy::all_subjects()) {
    EXPECT_THAT(page, HasSubstr(fmt::format("| `{}` |", subject.name)));
    EXPECT_EQ(1U, described.erase(std::string(subject.name))) << "policy.schema.json has no " << subject.name;
  }
  EXPECT_THAT(described, ::testing::IsEmpty()) << "policy.schema.json has what is no subject";
}

TEST(Documents, ShowPoliciesThatAreUnderstood) {
  const std::string page = read_file(kSource / "docs/configuration/policy.md").value_or("");
  int shown = 0;
  for (std::size_t at = page.find("```json\n"); at != std::string::npos; at = page.find("```json\n", at + 1)) {
    std::string text = page.substr(at + 8, page.find("```", at + 8) - at - 8);
    if (text.find("\"rules\"") == std::string::npos) text = R"({"rules": [)" + text + "]}";
    policy::Policy policy;
    EXPECT_NO_THROW(policy.add_file("policy.md", text)) << text;
    ++shown;
  }
  EXPECT_GE(shown, 4);
}

TEST(Subjects, AreAskedForBySomePlugin) {
  std::set<Subject> asked;
  const cni::PluginTable table = plugin_table();
  for (const cni::Plugin& plugin : table.all())
    for (const GuardedKey& key : plugin.guard->keys)
      if (key.reading != GuardedKey::Reading::harmless) asked.insert(key.subject);
  for (const GuardedKey& key : cni::common_keys())
    if (key.reading != GuardedKey::Reading::harmless) asked.insert(key.subject);
  asked.insert(Subject::drivers);  // of whatever device is asked for: below
  for (const policy::SubjectInfo& subject : policy::all_subjects())
    EXPECT_TRUE(asked.contains(subject.subject)) << subject.name;
}

}  // namespace
}  // namespace barewire
