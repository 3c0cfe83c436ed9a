// SPDX-License-Identifier: Apache-2.0
/// The daemon as a DRA driver, between a kubelet and an API server of the tests' own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <thread>

#include "tests/plugin/device-manager/dra_fixture.h"
#include "tests/support/fault.h"
#include "tests/support/kubelet.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(DraTest, FromSliceToPodAndBack) {
  start_daemon();
  ASSERT_TRUE(is_served());
  ASSERT_TRUE(slice_has(4));
  const auto published = slice();
  const auto& attributes = published.at("spec").at("devices").at(1).at("attributes");
  EXPECT_EQ(std::string_view(attributes.at("k8s.cni.cncf.io/deviceID").at("string").as_string()), vf(1));
  EXPECT_EQ(attributes.at("k8s.cni.cncf.io/resourceName").at("string"), "example.com/dpdk");

  const TestClaim claim{.devices = {{"main", device(1)}}};
  put(claim);
  const auto answer = kubelet_->prepare({ref(claim)});
  ASSERT_EQ(answer.at(claim.uid).error, "");
  ASSERT_THAT(answer.at(claim.uid).devices, SizeIs(1));
  EXPECT_EQ(answer.at(claim.uid).devices[0].pool, "n1/0000-01-00.0");
  EXPECT_THAT(answer.at(claim.uid).devices[0].cdi_ids, ElementsAre("barewire.io/claim-11111111-aaaa=0000:01:10.1"));
  EXPECT_EQ(read_file(cdi_path(claim)),
            R"({"cdiVersion":"0.3.0","kind":"barewire.io/claim-11111111-aaaa","devices":[{"name":"0000:01:10.1",)"
            R"("containerEdits":{"env":["BAREWIRE_DEVICE_MAIN=0000:01:10.1"],"deviceNodes":[)"
            R"({"path":"/dev/vfio/vfio","permissions":"rw"},{"path":"/dev/vfio/41","permissions":"rw"}]}}]})");
  EXPECT_THAT(*read_file(device_info(1)), HasSubstr(vf(1)));
  EXPECT_THAT(barewire({"list"}).out, HasSubstr("default/web-0"));

  make_netns("web-0");
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.1"})";
  const PluginResult added = runner_.add("sriov", config, call("web-0"));
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_THAT(barewire({"list"}).out, HasSubstr("in pod"));
  EXPECT_TRUE(runner_.del("sriov", config, call("web-0")).ok());

  EXPECT_EQ(unprepare(claim), "");
  EXPECT_FALSE(promise(1));
  EXPECT_FALSE(read_file(cdi_path(claim)));
  EXPECT_FALSE(read_file(device_info(1)));
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(unprepare(claim), "") << "what is gone is no failure";
}

TEST_F(DraTest, TheOlderVersionIsServedToo) {
  server_->set(R"({"versions":["v1beta1"]})");
  start_daemon();
  ASSERT_TRUE(is_served("v1beta1"));
  ASSERT_TRUE(slice_has(4));
  const TestClaim claim{.devices = {{"main", device(1)}}};
  put(claim);
  EXPECT_EQ(prepare(claim), "");
}

TEST_F(DraTest, WhatAClaimAsksReachesTheAddThatFollows) {
  start_daemon();
  ASSERT_TRUE(is_served());
  const TestClaim claim{.devices = {{"main", device(1)}},
                        .configs = TestClaim::config("FromClaim", "", R"("vlan":100,"ifname":"net1")")};
  put(claim);
  ASSERT_EQ(prepare(claim), "");
  make_netns("web-0");
  const auto add = [&](const std::string& keys, const std::string& ifname) {
    CniCall made = call("web-0");
    made.ifname = ifname;
    return runner_.add(
        "sriov", R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.1")" + keys + "}", made);
  };
  EXPECT_THAT(add(R"(,"vlan":7)", "net1").out, HasSubstr("the resource claim asks for"));
  EXPECT_THAT(add("", "net2").out, HasSubstr("the call is for net2"));
  // Without a netdev the PF can set no VLAN: that it was asked to is what is seen here. A VF that nothing is set of is
  // attached.
  EXPECT_THAT(add("", "net1").out, HasSubstr("its VFs cannot be set"));
}

TEST_F(DraTest, TheClaimsStatusSaysWhereItsDeviceIsAndLeavesTheEntriesOfOthers) {
  start_daemon();
  ASSERT_TRUE(is_served());
  const TestClaim claim{.devices = {{"main", device(1)}}};
  auto json = boost::json::parse(claim.json());
  json.at("status").as_object()["devices"] =
      boost::json::parse(R"([{"driver":"gpu.io","pool":"p","device":"gpu0","data":{"a":1}}])");
  server_->put(claim.path(), boost::json::serialize(json));
  ASSERT_EQ(prepare(claim), "");
  make_netns("web-0");
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.1"})";
  const PluginResult added = runner_.add("sriov", config, call("web-0"));
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_TRUE(within(kLong, [&] {
    const auto now = server_->find(claim.path());
    const auto& entries = now->at("status").at("devices").as_array();
    return entries.size() == 2 && entries[0].at("driver") == "gpu.io" &&
           entries[1].as_object().contains("networkData") &&
           entries[1].at("networkData").at("interfaceName") == "net1" &&
           entries[1].at("conditions").at(0).at("status") == "True";
  }));
  server_->take_log();
  EXPECT_TRUE(runner_.del("sriov", config, call("web-0")).ok());
  EXPECT_TRUE(within(kLong, [&] {
    const auto now = server_->find(claim.path());
    return now->at("status").at("devices").at(1).at("conditions").at(0).at("status") == "False";
  }));
  EXPECT_THAT(server_->take_writes(), ElementsAre(HasSubstr("PATCH " + claim.path() + "/status")));
}

TEST_F(DraTest, APodIsToldThatItsDeviceWentBadAndThatItIsWellAgain) {
  start_daemon();
  ASSERT_TRUE(is_served());
  const TestClaim claim{.devices = {{"main", device(2)}}};
  put(claim);
  ASSERT_EQ(prepare(claim), "");
  const std::string at = sysfs_.root() + "/bus/pci/devices/" + vf(2);
  const auto events = [&](const std::string& reason) {
    std::size_t count = 0;
    for (const auto& event : server_->list("/api/v1/namespaces/default/events"))
      if (event.at("reason") == reason.c_str() && event.at("involvedObject").at("uid") == "uid-web-0") ++count;
    return count;
  };
  bind(2, "igbvf");
  EXPECT_TRUE(within(kLong, [&] { return events("DeviceUnhealthy") == 1; }));
  EXPECT_TRUE(within(kLong, [&] { return kubelet_->health()[device(2)].find("igbvf") != std::string::npos; }));
  bind(2, "vfio-pci");
  EXPECT_TRUE(within(kLong, [&] { return events("DeviceHealthy") == 1; }));
  EXPECT_TRUE(within(kLong, [&] { return kubelet_->health()[device(2)].empty(); }));
  EXPECT_EQ(events("DeviceUnhealthy"), 1U);
  std::filesystem::rename(at, at + ".gone");
  must_run("ip link add wake type veth peer name wake1; ip link del wake");
  EXPECT_TRUE(within(kLong, [&] { return events("DeviceUnhealthy") == 2; })) << "it left the node";
  EXPECT_TRUE(
      within(kLong, [&] { return kubelet_->health()[device(2)].find("not on this node") != std::string::npos; }));
}

TEST_F(DraTest, SeveralClaimsOfAPodAreEachTheirOwn) {
  start_daemon();
  ASSERT_TRUE(is_served());
  const TestClaim one{.name = "one", .uid = "1", .devices = {{"main", device(0)}}};
  const TestClaim two{.name = "two", .uid = "2", .devices = {{"main", device(1)}, {"main", device(2)}}};
  put(one);
  put(two);
  const auto answers = kubelet_->prepare({ref(one), ref(two)});
  EXPECT_EQ(answers.at("1").error + answers.at("2").error, "");
  EXPECT_THAT(*read_file(cdi_path(two)), HasSubstr("BAREWIRE_DEVICE_MAIN_2=0000:01:10.2"));
  EXPECT_EQ(unprepare(one), "");
  EXPECT_TRUE(promise(1) && promise(2));
  EXPECT_TRUE(read_file(cdi_path(two)));
  EXPECT_EQ(unprepare(two), "");
  EXPECT_FALSE(promise(1) || promise(2));
}

TEST_F(DraTest, ASecondVfThatIsTakenLeavesTheFirstAsItWas) {
  start_daemon();
  ASSERT_TRUE(is_served());
  ASSERT_EQ(barewire({"reserve", vf(2), "--reason", "virtual machine"}).exit_status, 0);
  const TestClaim claim{.devices = {{"main", device(1)}, {"main", device(2)}}};
  put(claim);
  EXPECT_THAT(prepare(claim), HasSubstr("virtual machine"));
  EXPECT_FALSE(promise(1));
  EXPECT_EQ(promise(2)->owner, "virtual machine");
  EXPECT_FALSE(read_file(cdi_path(claim)));
  EXPECT_THAT(records(), IsEmpty());
  const auto is_tainted = [&] {
    const auto now = slice();
    const auto& at = now.at("spec").at("devices").at(2).as_object();
    return at.contains("taints") && at.at("taints").at(0).at("key") == "barewire.io/taken";
  };
  EXPECT_TRUE(within(kLong, is_tainted)) << "the scheduler chooses it no more";
  ASSERT_EQ(barewire({"unreserve", vf(2)}).exit_status, 0);
  EXPECT_EQ(prepare(claim), "");
  EXPECT_TRUE(within(kLong, [&] { return !is_tainted(); }));
}

TEST_F(DraTest, NoVfIsPromisedTwiceWhicheverWayItIsAskedFor) {
  TestKubelet plain(directory_ / "kubelet", true);
  plain.start();
  start_daemon();
  ASSERT_TRUE(is_served());
  ASSERT_TRUE(within(kLong, [&] {
    plain.look_for_plugins();
    return plain.devices("example.com/dpdk").size() == 4;
  }));
  plain.allocate("example.com/dpdk", {vf(0)}, "web-1");
  const TestClaim claim{.devices = {{"main", device(0)}}};
  put(claim);
  EXPECT_THAT(prepare(claim), HasSubstr("resource example.com/dpdk promises it"));
  EXPECT_TRUE(read_file(device_info(0))) << "of the other";
  const TestClaim other{.uid = "2", .devices = {{"main", device(1)}}};
  put(other);
  EXPECT_EQ(prepare(other), "");
  EXPECT_THROW(plain.allocate("example.com/dpdk", {vf(1)}, "web-2"), Error);
  const TestClaim third{.uid = "3", .devices = {{"main", device(1)}}};
  put(third);
  EXPECT_THAT(prepare(third), HasSubstr("claim 2 promises it to pod default/web-0"));
}

TEST_F(DraTest, WhatAVfCannotBeIsRefusedInWords) {
  start_daemon();
  ASSERT_TRUE(is_served());
  TestClaim claim{.devices = {{"main", device(1)}}, .pods = {"web-0", "web-1"}};
  put(claim);
  EXPECT_THAT(prepare(claim), HasSubstr("is shared by 2 pods"));
  claim = {.devices = {{"main", device(1)}}, .result_extra = R"(,"adminAccess":true)"};
  put(claim);
  EXPECT_THAT(prepare(claim), HasSubstr("admin access"));
  claim = {.devices = {{"main", device(1)}}, .configs = TestClaim::config("FromClaim", "", R"("driver":"netdev")")};
  put(claim);
  EXPECT_THAT(prepare(claim), HasSubstr("is bound to \"vfio-pci\", the claim asks for \"netdev\""));
  claim = {.devices = {{"main", "0000-09-00-0"}}};
  put(claim);
  EXPECT_THAT(prepare(claim), HasSubstr("there is no device 0000-09-00-0"));
  EXPECT_THAT(kubelet_->prepare({{"default", "../../etc/passwd", "net"}}).at("../../etc/passwd").error,
              HasSubstr("is not the UID of a claim"));
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_FALSE(promise(1));
}

TEST_F(DraTest, PreparedClaimsNeedNoApiServerAndSurviveTheDaemonAndTheNode) {
  start_daemon();
  ASSERT_TRUE(is_served());
  const TestClaim claim{.devices = {{"main", device(1)}}};
  put(claim);
  ASSERT_EQ(prepare(claim), "");
  const auto before = read_file(cdi_path(claim));
  kill_daemon();
  remove_file(cdi_path(claim));  // as a reboot does
  remove_file(device_info(1));
  server_->answer(R"([{"prefix":"/apis/","status":500,"times":1000000}])");
  start_daemon();
  EXPECT_TRUE(within(kLong, [&] { return read_file(cdi_path(claim)) == before; })) << "nobody has asked for it";
  EXPECT_TRUE(read_file(device_info(1)));
  ASSERT_TRUE(is_served());
  EXPECT_EQ(prepare(claim), "");
  const TestClaim unknown{.name = "new", .uid = "2", .devices = {{"main", device(2)}}};
  EXPECT_THAT(prepare(unknown), HasSubstr("500"));
  EXPECT_EQ(unprepare(claim), "");
}

TEST_F(DraTest, AClaimThatWasDeletedWhileNobodyLookedIsTakenBack) {
  start_daemon();
  ASSERT_TRUE(is_served());
  const TestClaim claim{.devices = {{"main", device(1)}}};
  put(claim);
  ASSERT_EQ(prepare(claim), "");
  server_->answer(R"([{"prefix":"/apis/resource.k8s.io/v1/namespaces","status":503,"times":3}])");
  server_->remove(claim.path());
  EXPECT_TRUE(within(kLong, [&] { return !promise(1); }));
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_FALSE(read_file(cdi_path(claim)));
}

TEST_F(DraTest, SlicesThatKubeletRemovesAfterItRegisteredUsComeBack) {
  // No look of the daemon's own comes to help.
  start_daemon("3600");
  ASSERT_TRUE(is_served());
  ASSERT_TRUE(slice_has(4));
  const std::string path = std::string(kSlices) + "/n1-barewire.io-0000-01-00.0-0";
  server_->remove(path);
  EXPECT_TRUE(slice_has(4));
  server_->remove(path);
  EXPECT_TRUE(slice_has(4));
}

TEST_F(DraTest, SlicesFollowTheNodeAndAreThereAgainWhenTheyWereWiped) {
  start_daemon();
  ASSERT_TRUE(is_served());
  ASSERT_TRUE(slice_has(4));
  server_->take_log();
  bind(2, "igbvf");
  EXPECT_TRUE(within(kLong, [&] {
    const auto now = slice();
    return now.at("spec").at("devices").at(2).as_object().contains("taints");
  }));
  EXPECT_THAT(server_->take_writes(), ElementsAre(HasSubstr("PUT ")));
  EXPECT_TRUE(within(kLong, [&] { return kubelet_->health()[device(2)].find("igbvf") != std::string::npos; }));
  EXPECT_EQ(kubelet_->health()[device(1)], "");
  server_->remove(std::string(kSlices) + "/n1-barewire.io-0000-01-00.0-0");
  EXPECT_TRUE(slice_has(4));
}

TEST_F(DraTest, KilledAtAnyMomentOfPrepareNothingIsPromisedTwiceOrForEver) {
  for (const int delay : {0, 2, 5, 10, 20}) {
    start_daemon();
    ASSERT_TRUE(is_served());
    const TestClaim claim{.uid = fmt::format("{}", delay), .devices = {{"main", device(0)}, {"main", device(1)}}};
    put(claim);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay));
      daemon_->signal(SIGKILL);
    });
    try {
      prepare(claim);
    } catch (const Error&) {  // it died before the answer
    }
    killer.join();
    daemon_->wait(kLong);
    start_daemon();
    ASSERT_TRUE(is_served());
    EXPECT_EQ(prepare(claim), "") << delay;
    EXPECT_EQ(unprepare(claim), "") << delay;
    EXPECT_FALSE(promise(0) || promise(1)) << delay;
    kill_daemon();
  }
}

TEST_F(DraTest, KilledAtAnyMomentOfUnprepareTheClaimIsTakenBackByTheNext) {
  const std::vector<int> delays = {0, 2, 5, 10};
  for (const int delay : sampled(delays)) {
    start_daemon();
    ASSERT_TRUE(is_served());
    const TestClaim claim{.uid = fmt::format("{}", delay), .devices = {{"main", device(0)}, {"main", device(1)}}};
    put(claim);
    ASSERT_EQ(prepare(claim), "");
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay));
      daemon_->signal(SIGKILL);
    });
    try {
      unprepare(claim);
    } catch (const Error&) {  // it died before the answer
    }
    killer.join();
    daemon_->wait(kLong);
    start_daemon();
    ASSERT_TRUE(is_served());
    EXPECT_EQ(unprepare(claim), "") << delay;
    EXPECT_FALSE(promise(0) || promise(1)) << delay;
    EXPECT_FALSE(read_file(cdi_path(claim)) || read_file(device_info(0)) || read_file(device_info(1))) << delay;
    EXPECT_THAT(records(), IsEmpty()) << delay;
    kill_daemon();
  }
}

}  // namespace
}  // namespace barewire::test
