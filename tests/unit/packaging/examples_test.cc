// SPDX-License-Identifier: Apache-2.0
/// The configurations that are installed for users to start from.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/cni/conflist.h"
#include "core/cni/known_keys.h"
#include "core/fd.h"
#include "packaging/plugin_table.h"

namespace barewire {
namespace {

namespace fs = std::filesystem;

const fs::path kDocs = fs::path(BAREWIRE_SOURCE_DIR) / "docs";

std::vector<std::string> examples() {
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(kDocs / "examples"))
    if (file.path().extension() == ".conflist") names.push_back(file.path().stem());
  return names;
}

class Example : public ::testing::TestWithParam<std::string> {
 protected:
  cni::ConfList list() const { return cni::ConfList::load_file(kDocs / "examples" / (GetParam() + ".conflist")); }
};

/// Keys that every plugin has.
bool is_common(const std::string& key) {
  return key == "type" || key == "capabilities" || key == "ipam" || key == "when";
}

void expect_documented(const boost::json::object& config) {
  const std::string type(config.at("type").as_string());
  EXPECT_NE(nullptr, plugin_table().find(type)) << type;
  const std::string page = read_file(kDocs / "configuration" / (type + ".md")).value_or("");
  for (const auto& member : config) {
    const std::string key(member.key());
    const bool known = is_common(key) || page.find('`' + key + '`') != std::string::npos ||
                       page.find("`ipam." + key + '`') != std::string::npos;
    EXPECT_TRUE(known) << key << " of " << type;
  }
}

TEST_P(Example, HasOnlyPluginsAndKeysThatTheSuiteHas) {
  for (const boost::json::object& plugin : list().plugins) {
    expect_documented(plugin);
    for (const char* nested : {"ipam", "fallback"})
      if (const auto* config = plugin.if_contains(nested)) expect_documented(config->as_object());
  }
}

TEST_P(Example, IsInTheListForReaders) {
  const std::string readme = read_file(kDocs / "examples" / "README.md").value_or("");
  EXPECT_NE(std::string::npos, readme.find('`' + GetParam() + ".conflist`"));
}

/// Every key that a page has in a table's first column, as `key`; those of runtimeConfig and args.cni are not the
/// plugin's own.
std::set<std::string> keys_of_page(const std::string& plugin) {
  std::set<std::string> keys;
  std::istringstream lines(read_file(kDocs / "configuration" / (plugin + ".md")).value_or(""));
  const std::regex key("`(?:ipam\\.)?([A-Za-z_]+)`");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string cell = line.substr(1, line.find('|', 1) - 1);
    for (std::sregex_iterator found(cell.begin(), cell.end(), key), end; found != end; ++found)
      keys.insert((*found)[1]);
  }
  return keys;
}

TEST(KnownKeys, OfEachPluginAreInItsPage) {
  for (const cni::Plugin& plugin : plugin_table().all()) {
    const std::string name(plugin.name);
    const std::string page = read_file(kDocs / "configuration" / (name + ".md")).value_or("") +
                             read_file(kDocs / "configuration.md").value_or("");
    std::istringstream words{std::string(cni::known_keys(plugin.name))};
    for (std::string key; words >> key;)
      EXPECT_NE(std::string::npos, page.find(key + "`")) << key << " of " << name << " is in no page";
  }
}

TEST(KnownKeys, HaveEveryKeyOfThePages) {
  for (const char* name : {"bandwidth", "bond", "bridge", "firewall", "host-device", "ipvlan", "macvlan", "portmap",
                           "ptp", "sbr", "sriov", "tap", "tuning", "vlan", "vrf"}) {
    std::istringstream words{std::string(cni::known_keys(name)) + " ipam fallback"};
    const std::set<std::string> known{std::istream_iterator<std::string>(words), {}};
    for (const std::string& key : keys_of_page(name)) EXPECT_TRUE(known.contains(key)) << key << " of " << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Installed, Example, ::testing::ValuesIn(examples()), [](const auto& example) {
  std::string name = example.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace barewire
