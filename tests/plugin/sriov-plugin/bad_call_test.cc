// SPDX-License-Identifier: Apache-2.0
/// sriov and host-device, the programs: whatever is wrong in the call is refused with the right
/// code, a message that names it, and nothing touched.
#include <array>
#include <tuple>
#include <vector>

#include "tests/plugin/sriov-plugin/host_device_fixture.h"
#include "tests/support/bad_input.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

struct Plugin {
  const char* name;
  const char* good;  ///< members of a configuration that names a device
};
const std::vector<Plugin> kPlugins = {{"sriov", R"("deviceID":"0000:01:10.0")"}, {"host-device", R"("device":"v0")"}};

class BadCallTest : public HostDeviceTest {
 protected:
  static std::string text(const Plugin& plugin, const std::string& members = {}) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"{}",{}{}{}}})", plugin.name, plugin.good,
                       members.empty() ? "" : ",", members);
  }
  static void expect_error(const PluginResult& result, const std::string& input, int code, const std::string& named) {
    EXPECT_EQ(1, result.exit_status) << input << "\n" << result;
    EXPECT_EQ(code, result.code()) << input << "\n" << result;
    const auto* details = result.json.is_object() ? result.json.get_object().if_contains("details") : nullptr;
    const std::string all = result.msg() + (details != nullptr ? "\n" + boost::json::serialize(*details) : "");
    EXPECT_THAT(all, HasSubstr(named)) << input;
  }
};

TEST_F(BadCallTest, BytesThatAreNoConfiguration) {
  const auto before = NodeSnapshot::take();
  for (const Plugin& plugin : kPlugins)
    for (const char* bytes : {"", " ", "{", "[]", "null", "\"x\"", "{\"cniVersion\":\"1.1.0\",}", "{} {}", "\xff\xfe",
                              "{\"name\":\"\xc3\x28\"}"})
      for (const char* verb : {"ADD", "CHECK", "DEL"})
        expect_error(runner_.call(verb, plugin.name, bytes), bytes, 6, "network config");
  const std::string deep = "{\"a\":" + std::string(10000, '[');
  expect_error(runner_.add("sriov", deep), "10000 brackets", 6, "network config");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(BadCallTest, PrevResultIsLookedAtByCheck) {
  must_add(device());
  const auto before = NodeSnapshot::take();
  constexpr std::array kRows = {
      BadInput{R"("prevResult":"x")", 7, "prevResult"},
      BadInput{R"("prevResult":{"cniVersion":"1.1.0","interfaces":"x"})", 7, "prevResult.interfaces"},
      BadInput{R"("prevResult":{"cniVersion":"1.1.0","ips":[{"address":"x"}]})", 7, "prevResult.ips[0].address"},
      BadInput{R"("prevResult":{"cniVersion":"1.1.0","ips":[{}]})", 7, "prevResult.ips[0].address"},
      BadInput{R"("prevResult":{"cniVersion":"1.1.0","routes":[{"dst":"x"}]})", 7, "prevResult.routes[0].dst"}};
  for (const Plugin& plugin : kPlugins)
    for (const BadInput& row : kRows)
      expect_error(runner_.check(plugin.name, text(plugin, row.members)), row.members, row.code, row.named);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(BadCallTest, ListOfValidAttachmentsIsLookedAtByGc) {
  must_add(device());
  const auto before = NodeSnapshot::take();
  for (const Plugin& plugin : kPlugins)
    for (const char* list :
         {"\"x\"", "5", "[5]", "[{}]", R"([{"containerID":"pod1"}])", R"([{"containerID":5,"ifname":"eth0"}])"})
      expect_error(runner_.gc(plugin.name, text(plugin, std::string("\"cni.dev/valid-attachments\":") + list)), list, 7,
                   "valid-attachments");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(BadCallTest, VersionsThatDoNotHaveTheVerb) {
  const auto before = NodeSnapshot::take();
  for (const Plugin& plugin : kPlugins) {
    expect_error(runner_.check(plugin.name, text(plugin, R"("cniVersion":"0.3.1")")), "CHECK", 1, "CHECK");
    expect_error(runner_.gc(plugin.name, text(plugin, R"("cniVersion":"1.0.0")")), "GC", 1, "GC");
    expect_error(runner_.status(plugin.name, text(plugin, R"("cniVersion":"1.0.0")")), "STATUS", 1, "STATUS");
  }
  EXPECT_NODE_UNCHANGED(before);
}

/// One variable of a call put wrong.
struct BadVariable {
  const char* name;
  const char* value;  ///< nullptr: not set
  int code;
  const char* named;
};
constexpr std::array kBadVariables = {
    BadVariable{"CNI_COMMAND", "ATTACH", 4, "CNI_COMMAND: ATTACH"},
    BadVariable{"CNI_COMMAND", "add", 4, "CNI_COMMAND: add"},
    BadVariable{"CNI_CONTAINERID", nullptr, 4, "CNI_CONTAINERID"},
    BadVariable{"CNI_CONTAINERID", "", 4, "CNI_CONTAINERID"},
    BadVariable{"CNI_CONTAINERID", "a/b", 4, "containerID"},
    BadVariable{"CNI_CONTAINERID", "../../etc", 4, "containerID"},
    BadVariable{"CNI_CONTAINERID", "-a", 4, "containerID"},
    BadVariable{"CNI_CONTAINERID", "a b", 4, "containerID"},
    BadVariable{"CNI_NETNS", nullptr, 4, "CNI_NETNS"},
    BadVariable{"CNI_NETNS", "/run/netns/nowhere", 5, "/run/netns/nowhere"},
    BadVariable{"CNI_NETNS", "/etc/passwd", 8, "/etc/passwd"},
    BadVariable{"CNI_NETNS", "/run", 8, "/run"},
    BadVariable{"CNI_NETNS", "/proc/self/ns/net", 8, "CNI_NETNS"},
    BadVariable{"CNI_NETNS", "/proc/self/ns/mnt", 8, "/proc/self/ns/mnt"},
    BadVariable{"CNI_IFNAME", nullptr, 4, "CNI_IFNAME"},
    BadVariable{"CNI_IFNAME", "sixteen-letters-", 4, "sixteen-letters-"},
    BadVariable{"CNI_IFNAME", ".", 4, "interface name"},
    BadVariable{"CNI_IFNAME", "..", 4, "interface name"},
    BadVariable{"CNI_IFNAME", "a/b", 4, "interface name"},
    BadVariable{"CNI_IFNAME", "a:1", 4, "interface name"},
    BadVariable{"CNI_IFNAME", "a b", 4, "interface name"},
    BadVariable{"CNI_PATH", nullptr, 4, "CNI_PATH"},
    BadVariable{"CNI_ARGS", "MAC", 4, "CNI_ARGS"},
    BadVariable{"CNI_ARGS", "A=B=C", 4, "CNI_ARGS"},
};

TEST_F(BadCallTest, EveryVariableOfTheCall) {
  const auto before = NodeSnapshot::take();
  for (const Plugin& plugin : kPlugins)
    for (const BadVariable& row : kBadVariables) {
      Command command = runner_.command("ADD", plugin.name, text(plugin));
      command.environment.erase(row.name);
      if (row.value != nullptr) command.environment[row.name] = row.value;
      const std::string input = fmt::format("{}: {}={}", plugin.name, row.name, row.value == nullptr ? "" : row.value);
      expect_error(PluginRunner::result_of(run(command)), input, row.code, row.named);
      ASSERT_EQ("", lasting_difference(before)) << input;
    }
}

TEST_F(BadCallTest, CniArgsThatSriovDoesNotKnowOrThatAreNoAddress) {
  const auto before = NodeSnapshot::take();
  for (const auto& [args, code, named] : std::vector<std::tuple<const char*, int, const char*>>{
           {"COLOUR=blue", 4, "COLOUR"}, {"MAC=hello", 4, "hello"}, {"IgnoreUnknown=maybe;COLOUR=blue", 4, ""}}) {
    CniCall call;
    call.args = args;
    expect_error(runner_.add("sriov", text(kPlugins[0]), call), args, code, named);
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(BadCallTest, DevicesThatAreNotThere) {
  const auto before = NodeSnapshot::take();
  expect_error(runner_.add("sriov", text(kPlugins[0])), "no such VF", 101, "0000:01:10.0 is not a VF");
  expect_error(runner_.add("sriov", R"({"cniVersion":"1.1.0","name":"lan","type":"sriov","pf":"ens1f0"})"), "no PF", 11,
               "there is no PF ens1f0");
  for (const char* name : {"nowhere", "a-name-that-is-longer-than-any-interface-has", "white space", "v0:1", "."})
    expect_error(runner_.add("host-device", device({}, name)), name, 101, name);
  for (const char* members : {R"(,"hwaddr":"02:00:00:00:ff:ff")", R"(,"pciBusID":"0000:77:00.1")",
                              R"(,"runtimeConfig":{"deviceID":"mlx5_core.sf.9"})", R"(,"kernelpath":"/sys/devices/x")"})
    expect_error(runner_.add("host-device", config(members)), members, 101, "");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(BadCallTest, DevicesThatHostDeviceMustLeaveWhereTheyAre) {
  must_run("ip link add br7 type bridge && ip link set v1 master br7");
  expect_refused(device({}, "lo"), 101, "loopback");
  expect_refused(device({}, "v1"), 102, "bridge");
  must_run_in(pod_, "ip link add eth0 type veth peer name other");
  expect_refused(device(), 102, "eth0");
}

}  // namespace
}  // namespace barewire::test
