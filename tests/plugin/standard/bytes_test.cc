// SPDX-License-Identifier: Apache-2.0
/// Bytes that are no UTF-8 text, from the runtime and from an IPAM: refused before anything is made, or escaped; what a
/// plugin prints is JSON, and what it writes can be read.
#include <sys/stat.h>

#include <boost/json/parse.hpp>

#include "tests/plugin/standard/every_plugin.h"

namespace barewire::test {
namespace {

class Bytes : public OthersTest {
 protected:
  static void expect_json(const PluginResult& result, const std::string& what) {
    boost::json::error_code failed;
    boost::json::parse(result.out, failed);
    EXPECT_FALSE(failed) << what << ": " << result;
  }
  std::vector<CniCall> bad_calls() const {
    std::vector<CniCall> calls(4, pod("pod1", "net5"));
    calls[0].args = "K8S_POD_NAME=\xff\xfe";
    calls[1].ifname = "e\xff";
    calls[2].netns_override = "\xc3";
    calls[3].container_id = "c\xed\xa0\x80";  // half of a surrogate pair
    return calls;
  }
};

TEST_F(Bytes, OfTheRuntimeAreRefusedByEveryPlugin) {
  const State before = state();
  for (const EveryPlugin& plugin : swept_plugins()) {
    for (const CniCall& call : bad_calls()) {
      const PluginResult refused = runner_.add(plugin.name, config(plugin), call);
      EXPECT_EQ(4, refused.code()) << plugin.name << refused;
      expect_json(refused, plugin.name);
      const PluginResult gone = runner_.del(plugin.name, config(plugin), call);
      if (!gone.ok()) expect_json(gone, plugin.name);
    }
    EXPECT_TRUE(runner_.del(plugin.name, config(plugin), bad_calls()[0]).ok()) << plugin.name;
    if (plugin.name == "loopback") must_run_in("/run/netns/pod1", "ip link set lo up");  // DEL of its pod's ends it
    expect_unchanged(before, plugin.name);
  }
}

TEST_F(Bytes, OfAnIpamAreEscapedInTheErrorAndLeaveNothing) {
  const std::string ipam = runner_.directory() + "/raw-ipam";
  for (const std::string& answer :
       {std::string("\\377\\376 says \\001"), std::string("{\"code\":7,\"msg\":\"\\377\"}"),
        std::string(
            "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.22.9.7/24\"}],\"dns\":{\"domain\":\"\\377\"}}")})
    for (const bool fails : {false, true}) {
      write_text(ipam, "#!/bin/sh\ncat >/dev/null\n[ \"$CNI_COMMAND\" = ADD ] || exit 0\nprintf '" + answer +
                           "'\nexit " + (fails ? "1" : "0") + "\n");
      ASSERT_EQ(0, ::chmod(ipam.c_str(), 0755));
      const State before = state();
      for (const EveryPlugin& plugin : swept_plugins()) {
        if (plugin.is_chained || !plugin.works_here || plugin.name == "loopback" || plugin.name == "flannel") continue;
        std::string conf = config(plugin);
        conf.replace(conf.find("host-local"), 10, "raw-ipam");
        const PluginResult refused = runner_.add(plugin.name, conf, pod("pod1", "net5"));
        EXPECT_FALSE(refused.ok()) << plugin.name << refused;
        expect_json(refused, plugin.name);
        EXPECT_TRUE(runner_.del(plugin.name, conf, pod("pod1", "net5")).ok()) << plugin.name;
      }
      remove_bridges();
      expect_unchanged(before, answer);
    }
}

TEST_F(Bytes, OfALinksNameNeverComeIntoARecord) {
  const std::string name = "d\xff";
  must_run("ip link add dev9 type veth peer name dev8 && ip link set dev9 name '" + name + "'");
  const State before = state();
  EveryPlugin device{.name = "host-device"};
  device.keys = R"("hwaddr":")" + must_run("ip -br link show '" + name + "' | awk '{printf $3}'") + "\",";
  const PluginResult refused = runner_.add("host-device", config(device), pod("pod1", "net5"));
  EXPECT_FALSE(refused.ok()) << refused;
  expect_json(refused, "host-device");
  EXPECT_TRUE(runner_.del("host-device", config(device), pod("pod1", "net5")).ok());
  expect_unchanged(before, "a device whose name is no text");
}

}  // namespace
}  // namespace barewire::test
