// SPDX-License-Identifier: Apache-2.0
/// The configurations that are installed for users to start from.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/cni/conflist.h"
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

INSTANTIATE_TEST_SUITE_P(Installed, Example, ::testing::ValuesIn(examples()), [](const auto& example) {
  std::string name = example.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace barewire
