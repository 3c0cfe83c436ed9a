// SPDX-License-Identifier: Apache-2.0
/// Reading the configurations of sriov and host-device: what each key means, and that what is wrong is named.
#include "sriov-plugin/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sriov-plugin/host_device_config.h"
#include "tests/support/bad_input.h"

namespace barewire {
namespace {

using ::testing::HasSubstr;

cni::Request request(const std::string& type, const std::string& members, const std::string& args = {}) {
  const cni::Environment environment{.command = "ADD",
                                     .container_id = "pod1",
                                     .netns = "/run/netns/pod1",
                                     .ifname = "net1",
                                     .path = "/opt/cni/bin",
                                     .args = args,
                                     .netns_override = ""};
  return cni::Request::parse(environment,
                             R"({"cniVersion":"1.1.0","name":"lan","type":")" + type + "\"," + members + "}",
                             cni::Version{0, 1, 0});
}
sriov::Config sriov_config(const std::string& members, const std::string& args = {}) {
  return sriov::Config::parse(request("sriov", R"("deviceID":"0000:01:10.0",)" + members, args));
}
host_device::DeviceQuery device_query(const std::string& members) {
  return host_device::DeviceQuery::parse(request("host-device", members));
}

template <typename Rows, typename Parse>
void expect_all_refused(const Rows& rows, const Parse& parse) {
  for (const test::BadInput& row : rows) {
    try {
      parse(row.members);
      ADD_FAILURE() << row.members << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(row.code, error.code()) << row.members << ": " << error.what();
      EXPECT_THAT(std::string(error.what()) + "\n" + error.hint(), HasSubstr(row.named)) << row.members;
    }
  }
}

TEST(SriovConfig, RefusesWhatIsWrongByName) {
  expect_all_refused(test::kBadCommon, [](const char* members) { sriov_config(members); });
  expect_all_refused(test::kBadSriov, [](const char* members) { sriov_config(members); });
}

TEST(SriovConfig, TakesEveryKey) {
  const auto config = sriov_config(
      R"("vlan":100,"vlanQoS":3,"vlanProto":"802.1AD","mac":"02:00:00:00:00:0A","spoofchk":"on","trust":"off",)"
      R"("link_state":"enable","min_tx_rate":5,"max_tx_rate":4294967295,"mtu":1400,"promisc":true,"allmulti":false,)"
      R"("runtimeConfig":{"CNIDeviceInfoFile":"/run/info.json"})");
  EXPECT_EQ("0000:01:10.0", config.device);
  const vf::Settings& settings = config.settings;
  EXPECT_EQ((kernel::VfChange::Vlan{100, 3, kernel::VlanProto::dot1ad}), settings.vlan);
  EXPECT_EQ("02:00:00:00:00:0a", settings.mac->text());
  EXPECT_EQ(true, settings.spoof_check);
  EXPECT_EQ(false, settings.trust);
  EXPECT_EQ(kernel::VfLinkState::enable, settings.link_state);
  EXPECT_EQ(5U, settings.min_tx_rate);
  EXPECT_EQ(4294967295U, settings.max_tx_rate);
  EXPECT_EQ(1400U, settings.mtu);
  EXPECT_EQ(true, settings.promisc);
  EXPECT_EQ(false, settings.allmulti);
  EXPECT_EQ("/run/info.json", config.device_info_file);
}

TEST(SriovConfig, AbsentNullAndEmptyLeaveTheVfUntouched) {
  for (const char* members :
       {R"("x":1)", R"("vlan":null,"vlanQoS":null,"mac":null,"min_tx_rate":null,"promisc":null,"runtimeConfig":null)",
        R"("mac":"","spoofchk":"","trust":"","link_state":"","mtu":0,"pciBusID":"")"}) {
    const vf::Settings settings = sriov_config(members).settings;
    EXPECT_FALSE(settings.vlan || settings.mac || settings.spoof_check || settings.trust || settings.link_state ||
                 settings.min_tx_rate || settings.max_tx_rate || settings.mtu || settings.promisc || settings.allmulti)
        << members;
  }
}

TEST(SriovConfig, ZeroIsNotAbsent) {
  const vf::Settings settings = sriov_config(R"("vlan":0,"min_tx_rate":0,"max_tx_rate":0)").settings;
  EXPECT_EQ((kernel::VfChange::Vlan{0, 0, kernel::VlanProto::dot1q}), settings.vlan);
  EXPECT_EQ(0U, settings.min_tx_rate);
  EXPECT_EQ(0U, settings.max_tx_rate);
}

TEST(SriovConfig, MatchesKeysInAnyCaseAndTheLastOfTwoCounts) {
  const auto config = sriov_config(R"("VLAN":5,"Vlan":6,"spoofChk":"on","DEVICEID":"0000:01:10.4")");
  EXPECT_EQ(6, config.settings.vlan->id);
  EXPECT_EQ(true, config.settings.spoof_check);
}

TEST(SriovConfig, AnyOtherWordForASwitchIsOff) {
  EXPECT_EQ(false, sriov_config(R"("spoofchk":"yes")").settings.spoof_check);
}

TEST(SriovConfig, MacOfTheRuntimeComesFirst) {
  const std::string all =
      R"("mac":"02:00:00:00:00:01","args":{"cni":{"mac":"02:00:00:00:00:02"}},"runtimeConfig":{"mac":"02:00:00:00:00:03"})";
  EXPECT_EQ("02:00:00:00:00:03", sriov_config(all, "MAC=02:00:00:00:00:04").settings.mac->text());
  EXPECT_EQ("02:00:00:00:00:04",
            sriov_config(R"("mac":"02:00:00:00:00:01")", "MAC=02:00:00:00:00:04").settings.mac->text());
}

TEST(SriovConfig, TakesTheDeviceFromEachKeyThatNamesIt) {
  const auto device = [](const std::string& members) {
    return sriov::Config::parse(request("sriov", members)).device.value_or("");
  };
  EXPECT_EQ("0000:01:10.0", device(R"("deviceID":"0000:01:10.0")"));
  EXPECT_EQ("0000:01:10.0", device(R"("pciBusID":"01:10.0")"));
  EXPECT_EQ("0000:01:10.0", device(R"("runtimeConfig":{"deviceID":"0000:01:10.0"},"pciBusID":"0000:01:10.0")"));
}

TEST(SriovConfig, TakesAPoolInEachForm) {
  for (const char* members : {R"("pf":"ens1f0#0-3,7")", R"("pool":"ens1f0#0-3,7")", R"("pool":["ens1f0#0-3,7"])"})
    EXPECT_EQ(1U, sriov::Config::parse(request("sriov", members)).pool.size()) << members;
  EXPECT_EQ(2U, sriov::Config::parse(request("sriov", R"("pool":["ens1f0","0000:03:00.1#2"])")).pool.size());
}

TEST(HostDeviceConfig, RefusesWhatIsWrongByName) {
  const auto parse = [](const char* members) { device_query(std::string(R"("device":"v0",)") + members); };
  expect_all_refused(test::kBadCommon, parse);
  expect_all_refused(test::kBadHostDevice, parse);
}

TEST(HostDeviceConfig, TakesEveryKey) {
  const auto query = device_query(
      R"("device":"ens1f0","hwaddr":"02:00:00:00:00:0A","kernelpath":"/sys/devices/x/y//","pciBusID":"3b:02.1")");
  EXPECT_EQ("ens1f0", query.name);
  EXPECT_EQ("02:00:00:00:00:0a", query.mac->text());
  EXPECT_EQ("/sys/devices/x/y", query.kernel_path);
  EXPECT_EQ("0000:3b:02.1", query.bus_address);
  EXPECT_EQ("mlx5_core.sf.2",
            device_query(R"("pciBusID":"3b:02.1","runtimeConfig":{"deviceID":"mlx5_core.sf.2"})").bus_address);
}

TEST(HostDeviceConfig, ForDelWrongKeysCountAsAbsent) {
  const auto query = host_device::DeviceQuery::parse_leniently(request(
      "host-device", R"("device":5,"hwaddr":"x","kernelpath":"/","pciBusID":"y","runtimeConfig":{"deviceID":7})"));
  EXPECT_TRUE(query.empty());
}

}  // namespace
}  // namespace barewire
