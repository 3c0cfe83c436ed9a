// SPDX-License-Identifier: Apache-2.0
#include "core/cni/called_name.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace barewire::cni {
namespace {

namespace fs = std::filesystem;

const std::array<Plugin, 4> kPlugins = {{{.name = "bridge", .about = ""},
                                         {.name = "flannel", .about = ""},
                                         {.name = "ovs", .about = ""},
                                         {.name = "ovs-mirror-producer", .about = ""}}};

std::string meant_by(const std::string& called) {
  const Plugin* plugin = find_called(PluginTable(kPlugins), called);
  return plugin == nullptr ? "" : std::string(plugin->name);
}

class CalledName : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-called-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(directory_); }
  std::string link(const std::string& name, const std::string& target) const {
    fs::create_symlink(target, directory_ + "/" + name);
    return directory_ + "/" + name;
  }
  std::string directory_;
};

TEST_F(CalledName, IsAPluginsOwnName) {
  EXPECT_EQ("bridge", meant_by("bridge"));
  EXPECT_EQ("ovs-mirror-producer", meant_by("/opt/cni/bin/ovs-mirror-producer"));
}

TEST_F(CalledName, FollowsLinksUntilOneIsNamedAfterAPlugin) {
  link("bridge", "barewire-cni");
  EXPECT_EQ("bridge", meant_by(link("lan", "bridge")));
  EXPECT_EQ("bridge", meant_by(link("lan2", "lan")));
  EXPECT_EQ("ovs", meant_by(link("flannel-wg", directory_ + "/ovs"))) << "a link says more than a name does";
  EXPECT_EQ("", meant_by(link("round", "round"))) << "a link to itself ends somewhere";
}

TEST_F(CalledName, TakesACopyForThePluginItsNameEndsOrBeginsWith) {
  EXPECT_EQ("bridge", meant_by("/opt/cni/bin/cnv-bridge"));
  EXPECT_EQ("bridge", meant_by("buildkit-cni-bridge"));
  EXPECT_EQ("flannel", meant_by("flannel-wg"));
  EXPECT_EQ("ovs-mirror-producer", meant_by("my-ovs-mirror-producer"));
  EXPECT_EQ("ovs", meant_by("ovs-mirror-other"));
  EXPECT_EQ("", meant_by("mybridge"));
  EXPECT_EQ("", meant_by("-"));
  EXPECT_EQ("", meant_by(""));
}

}  // namespace
}  // namespace barewire::cni
