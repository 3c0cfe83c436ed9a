// SPDX-License-Identifier: Apache-2.0
#include "device-manager/snapshot_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <set>

#include "core/fd.h"
#include "tests/unit/device-manager/sample.h"

namespace barewire::manager {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

void collect_keys(const json::value& value, std::set<std::string>& keys) {
  if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) {
      keys.emplace(member.key());
      collect_keys(member.value(), keys);
    }
  }
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) collect_keys(element, keys);
  }
}

TEST(SnapshotJson, TellsWhoHoldsAVfAndHowItIsSet) {
  const json::value document = to_json(sample::snapshot());
  const json::value& vf = document.at("pfs").at(0).at("vfs").at(1);
  EXPECT_EQ(vf.at("state"), "in_pod");
  EXPECT_EQ(vf.at("attributes").at("vlan"), 100);
  EXPECT_EQ(vf.at("attributes").at("maxTxRate"), 500);
  EXPECT_EQ(vf.at("attributes").at("adminMac"), "52:54:00:00:00:01");
  EXPECT_EQ(vf.at("attributes").at("linkState"), json::value(nullptr));
  EXPECT_EQ(vf.at("holder").at("network"), "blue");
  EXPECT_EQ(vf.at("holder").at("containerID"), "3f2a9c1d5e7b8a90");
  EXPECT_EQ(vf.at("holder").at("netns"), "/run/netns/3f2a9c1d5e7b8a90");
  EXPECT_EQ(vf.at("holder").at("pod").at("name"), "web-0");
}

TEST(SnapshotJson, UnknownIsNullAndNotAbsent) {
  const json::value document = to_json(sample::snapshot());
  const json::value& pf = document.at("pfs").at(0);
  EXPECT_EQ(pf.at("numaNode"), json::value(nullptr));
  EXPECT_EQ(pf.at("eswitch"), json::value(nullptr));
  const json::value& unbound = pf.at("vfs").at(4);
  EXPECT_EQ(unbound.at("driver"), json::value(nullptr));
  EXPECT_EQ(unbound.at("holder"), json::value(nullptr));
  EXPECT_EQ(pf.at("vfs").at(2).at("holder").at("pod"), json::value(nullptr));
  VfEntry silent = sample::vf(0, VfState::free);
  silent.vf.info.reset();
  const json::object without = to_json(silent);
  const json::object with = to_json(sample::vf(0, VfState::free));
  EXPECT_EQ(without.at("attributes").as_object().size(), with.at("attributes").as_object().size());
}

TEST(SnapshotJson, EveryKeyStandsInTheDocumentation) {
  Snapshot snapshot = sample::snapshot();
  snapshot.unreadable = {{"/run/barewire/x.json", "damaged"}};
  std::set<std::string> keys;
  collect_keys(to_json(snapshot), keys);
  const std::string text = read_file(BAREWIRE_DOCS "/admin.md").value();
  for (const std::string& key : keys) EXPECT_THAT(text, HasSubstr("`" + key + "`")) << key;
}

TEST(Pretty, IndentsAndReadsBackTheSame) {
  const json::value value = {{"a", {1, 2}}, {"b", json::object()}, {"c", json::array()}, {"d", {{"e\n", nullptr}}}};
  EXPECT_EQ(pretty(value),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": {\n    \"e\\n\": null\n  }\n}\n");
  EXPECT_EQ(json::parse(pretty(value)), value);
}

}  // namespace
}  // namespace barewire::manager
