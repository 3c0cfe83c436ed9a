// SPDX-License-Identifier: Apache-2.0
/// The daemon before a kubelet: registration, lists, allocation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <atomic>

#include "core/fd.h"
#include "core/journal.h"
#include "core/state/allocation.h"
#include "core/unix_socket.h"
#include "tests/plugin/device-manager/kubelet_fixture.h"

namespace barewire::test {
namespace {

constexpr const char* kScrape =
    "exec 3<>/dev/tcp/127.0.0.1/9808 && printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: "
    "close\\r\\n\\r\\n' >&3 && cat <&3";

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_F(KubeletTest, KubeletThatWatchesFindsThePoolAndItsDevices) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  EXPECT_THAT(kubelet_->devices(kResource), Contains(Pair(vf(3), "Healthy")));
  EXPECT_THAT(kubelet_->nodes(kResource)[vf(0)], ElementsAre(1));
  EXPECT_EQ(kubelet_->socket_of(kResource), directory_ / "kubelet/plugins_registry/example.com_dpdk.sock");
}

TEST_F(KubeletTest, KubeletThatDoesNotWatchIsToldAndToldAgainAfterItsRestart) {
  start_kubelet(false);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  EXPECT_EQ(kubelet_->registrations(kResource), 1);
  kubelet_->stop();
  kubelet_->start();
  EXPECT_TRUE(within(kLong, [&] { return kubelet_->registrations(kResource) == 2; }));
  EXPECT_TRUE(is_listed(4));
}

TEST_F(KubeletTest, AKubeletThatComesAfterTheDaemonIsServed) {
  start_daemon();
  kubelet_.emplace(directory_ / "kubelet", true);
  kubelet_->start();
  EXPECT_TRUE(is_listed(4));
}

TEST_F(KubeletTest, ADaemonWhoseConnectionKubeletDropsIsRegisteredAgain) {
  for (const bool with_watcher : {true, false}) {
    start_kubelet(with_watcher);
    start_daemon({"--registration", with_watcher ? "watcher" : "socket"});
    ASSERT_TRUE(is_listed(4));
    for (int i = 2; i < 4; ++i) {
      kubelet_->drop(kResource);
      ASSERT_TRUE(is_listed(4));
      EXPECT_EQ(kubelet_->registrations(kResource), i);
    }
    kill_daemon();
    kubelet_.reset();
  }
}

TEST_F(KubeletTest, AllocateGivesWhatThePeerGives) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  const Allocated allocated = kubelet_->allocate(kResource, {vf(1), vf(2)}, "web-0");
  EXPECT_THAT(allocated.environment,
              UnorderedElementsAre(Pair("PCIDEVICE_EXAMPLE_COM_DPDK", "0000:01:10.1,0000:01:10.2"),
                                   Pair("PCIDEVICE_EXAMPLE_COM_DPDK_INFO",
                                        R"({"0000:01:10.1":{"generic":{"deviceID":"0000:01:10.1"},)"
                                        R"("vfio":{"dev-mount":"/dev/vfio/41","mount":"/dev/vfio/vfio"}},)"
                                        R"("0000:01:10.2":{"generic":{"deviceID":"0000:01:10.2"},)"
                                        R"("vfio":{"dev-mount":"/dev/vfio/42","mount":"/dev/vfio/vfio"}}})")));
  EXPECT_THAT(allocated.nodes, ElementsAre(inventory::DeviceNode{"/dev/vfio/vfio", "/dev/vfio/vfio"},
                                           inventory::DeviceNode{"/dev/vfio/41", "/dev/vfio/41"},
                                           inventory::DeviceNode{"/dev/vfio/42", "/dev/vfio/42"}));
  EXPECT_EQ(read_file("/run/k8s.cni.cncf.io/devinfo/dp/example.com-dpdk-0000:01:10.1-device.json"),
            R"({"type":"pci","version":"1.1.0","pci":{"pci-address":"0000:01:10.1"}})");
  EXPECT_TRUE(promise(1) && promise(2));
  EXPECT_FALSE(promise(0));
}

TEST_F(KubeletTest, WhatItAsksForIsInTheJournalAndCounted) {
  start_kubelet(true);
  start_daemon({"--metrics-listen", "127.0.0.1:9808"});
  ASSERT_TRUE(is_listed(4));
  kubelet_->allocate(kResource, {vf(1), vf(2)}, "web-0");
  EXPECT_NE(refusal({"0000:01:10.7"}), "");
  const auto events = journal::read("/var/lib/cni/barewire/journal").events;
  ASSERT_EQ(events.size(), 2U);
  for (const journal::Event& event : events) {
    EXPECT_EQ(event.kind, journal::Kind::rpc);
    EXPECT_EQ(event.cause, "kubelet");
    EXPECT_EQ(event.command, "Allocate");
    EXPECT_TRUE(event.took);
  }
  EXPECT_EQ(events[0].device, vf(1));
  EXPECT_EQ(events[0].what, "example.com/dpdk: 0000:01:10.1, 0000:01:10.2");
  EXPECT_EQ(events[0].code, 0);
  EXPECT_NE(events[1].code, 0);
  EXPECT_THAT(events[1].what, HasSubstr("0000:01:10.7"));
  EXPECT_THAT(barewire({"metrics"}).out,
              HasSubstr("barewire_grpc_call_duration_seconds_count{method=\"Allocate\",code=\"0\"} 1\n"));
  bind(3, "igbvf");  // is another's now
  ASSERT_TRUE(becomes(3, "Unhealthy"));
  const std::string page = run(command_of("bash", {"-c", kScrape})).out;
  EXPECT_THAT(page, HasSubstr("barewire_pool_devices_unhealthy{resource=\"example.com/dpdk\"} 1\n"));
}

TEST_F(KubeletTest, FromRegistrationToFreeAgainThePodIsKnownByName) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  kubelet_->allocate(kResource, {vf(1)}, "web-0");
  ASSERT_TRUE(within(kLong, [] { return promise(1) && promise(1)->pod.name == "web-0"; }));
  EXPECT_THAT(barewire({"list"}).out, HasSubstr("default/web-0"));
  EXPECT_THAT(barewire({"show", "default/web-0"}).out, HasSubstr(vf(1)));
  EXPECT_EQ(barewire({"show", "default/web-1"}).exit_status, 4);

  make_netns("web-0");
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.1"})";
  const PluginResult added = runner_.add("sriov", config, call("web-0"));
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_THAT(barewire({"list"}).out, HasSubstr("in pod"));
  EXPECT_EQ(kubelet_->devices(kResource)[vf(1)], "Healthy");

  kubelet_->forget("web-0");
  EXPECT_TRUE(runner_.del("sriov", config, call("web-0")).ok());
  EXPECT_TRUE(within(kLong, [] { return !promise(1); }));
  EXPECT_FALSE(read_file("/run/k8s.cni.cncf.io/devinfo/dp/example.com-dpdk-0000:01:10.1-device.json"));
}

TEST_F(KubeletTest, AVfInAnotherPodThanKubeletsIsFlagged) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  kubelet_->allocate(kResource, {vf(1)}, "web-0");
  ASSERT_TRUE(within(kLong, [] { return promise(1) && promise(1)->pod.name == "web-0"; }));
  make_netns("db-0");
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","deviceID":"0000:01:10.1"})";
  ASSERT_TRUE(runner_.add("sriov", config, call("db-0")).ok());
  EXPECT_THAT(barewire({"list"}).out, HasSubstr("kubelet gave it to pod default/web-0"));
}

TEST_F(KubeletTest, APoolOfANetworkNeverGivesAPromisedVf) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  kubelet_->allocate(kResource, {vf(0), vf(1), vf(2)}, "web-0");
  make_netns("db-0");
  const std::string config =
      R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","pool":"0000:01:00.0","driver":"vfio-pci"})";
  const PluginResult added = runner_.add("sriov", config, call("db-0"));
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_THAT(added.out, HasSubstr(vf(3)));
  EXPECT_TRUE(becomes(3, "Unhealthy"));
  make_netns("db-1");
  const PluginResult refused = runner_.add("sriov", config, call("db-1"));
  EXPECT_EQ(refused.code(), 11) << refused;
  EXPECT_THAT(refused.out, HasSubstr("resource example.com/dpdk promises it"));
  EXPECT_THAT(refusal({vf(3)}), HasSubstr("lan/cid-db-0/net1 of pod default/db-0 holds it"));
  EXPECT_TRUE(runner_.del("sriov", config, call("db-0")).ok());
  EXPECT_TRUE(becomes(3, "Healthy"));
}

TEST_F(KubeletTest, AKernelPodGetsNoVfOfAUserSpaceDriver) {
  make_netns("web-0");
  const std::string config = R"({"cniVersion":"1.0.0","name":"lan","type":"sriov","pool":"0000:01:00.0"})";
  const PluginResult refused = runner_.add("sriov", config, call("web-0"));
  EXPECT_EQ(refused.code(), 11) << refused;
  EXPECT_THAT(refused.out, HasSubstr("is on vfio-pci"));
}

TEST_F(KubeletTest, ChangesOfTheNodeReachKubelet) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  bind(2, "igbvf");
  EXPECT_TRUE(becomes(2, "Unhealthy"));
  EXPECT_THAT(refusal({vf(2)}), HasSubstr("is bound to \"igbvf\""));
  bind(2, "vfio-pci");
  EXPECT_TRUE(becomes(2, "Healthy"));
  EXPECT_EQ(barewire({"reserve", vf(1), "--reason", "virtual machine"}).exit_status, 0);
  EXPECT_TRUE(becomes(1, "Unhealthy"));
  EXPECT_THAT(refusal({vf(0), vf(1)}), HasSubstr("virtual machine"));
  EXPECT_FALSE(promise(0)) << "the first of a refused request is given back";
  EXPECT_EQ(barewire({"unreserve", vf(1)}).exit_status, 0);
  EXPECT_TRUE(becomes(1, "Healthy"));
  EXPECT_THAT(refusal({"0000:09:00.0"}), HasSubstr("is not a device of example.com/dpdk"));
}

TEST_F(KubeletTest, PodsFromBeforeTheDaemonKeepTheirDevicesInTheCapacity) {
  start_kubelet(true);
  kubelet_->remember(kResource, {vf(2)}, "old-0");
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  EXPECT_TRUE(within(kLong, [] { return promise(2) && promise(2)->pod.name == "old-0"; }));
  kill_daemon();
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  EXPECT_EQ(kubelet_->devices(kResource)[vf(2)], "Healthy");
}

TEST_F(KubeletTest, HostileCallersAreRefusedAndTheDaemonLives) {
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  const std::string socket = kubelet_->socket_of(kResource);
  EXPECT_THROW(kubelet::rpc_call(socket, "/v1beta1.DevicePlugin/NoSuch", "", kLong), Error);
  EXPECT_THROW(kubelet::rpc_call(socket, "/v1beta1.DevicePlugin/Allocate", "\xff\xff\xff", kLong), Error);
  EXPECT_THROW(kubelet::rpc_call(socket, "/v1beta1.DevicePlugin/Allocate", std::string(2 << 20, 'x'), kLong), Error);
  std::vector<Fd> connections;
  const sockaddr_un address = unix_address(socket);
  for (int i = 0; i < 1000; ++i) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) break;
    if (i % 2 == 0) ::shutdown(fd.get(), SHUT_WR);
    connections.push_back(std::move(fd));
  }
  EXPECT_GT(connections.size(), 100U);
  connections.clear();
  EXPECT_FALSE(kubelet_->allocate(kResource, {vf(0)}, "web-0").environment.empty());
}

TEST_F(KubeletTest, AWrongPoolIsSaidAndTheOthersAreServed) {
  write_pools(R"({"resourceList":[
    {"resourceName":"odd","resourcePrefix":"example.com","selectors":{"vendor":["8086"]}},
    {"resourceName":"dpdk","resourcePrefix":"example.com","selectors":[{"vendors":["8086"],"devices":["10ca"],"drivers":["vfio-pci"]}]},
    {"resourceName":"twin","resourcePrefix":"example.com","selectors":{"rootDevices":["0000:01:00.0#2-3"]}}]})");
  start_kubelet(true);
  start_daemon();
  ASSERT_TRUE(is_listed(4));
  EXPECT_THAT(kubelet_->devices("example.com/twin"), IsEmpty());
  EXPECT_EQ(kubelet_->registrations("example.com/odd"), 0);
  daemon_->signal(SIGTERM);
  const CommandResult result = daemon_->wait(kLong);
  daemon_.reset();
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("selectors.vendor"));
  EXPECT_THAT(result.err, HasSubstr("matches example.com/dpdk and example.com/twin; example.com/dpdk has it"));
}

}  // namespace
}  // namespace barewire::test
