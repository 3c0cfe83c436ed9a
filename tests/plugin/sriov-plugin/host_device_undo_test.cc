// SPDX-License-Identifier: Apache-2.0
/// DEL of host-device whatever became of device, pod and configuration meanwhile; and ADD that fails on its way.
#include "core/fd.h"
#include "tests/plugin/sriov-plugin/host_device_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

using HostDeviceDel = HostDeviceTest;

TEST_F(HostDeviceDel, FindsTheLinkThatThePodHasRenamedAndChanged) {
  const auto before = NodeSnapshot::take();
  must_add(device());
  must_run_in(pod_,
              "ip link set eth0 down && ip link set eth0 name lan7 address 02:00:00:00:0a:99 mtu 1300 "
              "txqueuelen 5 alias mine promisc on allmulticast on && ip link property add dev lan7 altname v0 "
              "altname other && ip link set lan7 up");
  must_del(device());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceDel, TakesDownWhatThePodStoodOnItsLinkAndNothingElse) {
  must_add(device());
  const std::string index = must_run_in(pod_, "ip -o link show eth0 | cut -d: -f1");
  must_run_in(pod_,
              "ip link set eth0 up && ip link add link eth0 name mv1 type macvlan mode private && "
              "ip link add link eth0 name mv0 type macvlan mode private");
  // A macvlan of another network, whose parent on the host has the number that the link has in the pod.
  must_run(
      fmt::format("ip link add name parent index {} type veth peer name parent-end && "
                  "ip link add link parent name net2 netns pod1 type macvlan mode bridge",
                  index.substr(0, index.find('\n'))));
  must_del(device());
  EXPECT_FALSE(exists(pod_, "mv1"));
  EXPECT_FALSE(exists(pod_, "mv0"));
  EXPECT_TRUE(exists(pod_, "net2"));
}

/// One of the same kind, MAC and name as the pod's own, which is gone.
TEST_F(HostDeviceDel, LeavesTheTwinOfItsLinkToTheOtherPodThatHasIt) {
  make_netns("pod2");
  must_add(device());
  must_run_in(pod_, "ip link del eth0");
  make_link("w0", kMac);
  must_add(device("", "w0"), pod("pod2"));
  must_del(device());
  EXPECT_TRUE(exists("/run/netns/pod2", "eth0"));
  EXPECT_FALSE(exists("", "v0"));
  must_del(device("", "w0"), pod("pod2"));
  EXPECT_EQ(kMac, attribute("", "w0", "address"));
}

TEST_F(HostDeviceDel, SucceedsTwiceAndWithoutAdd) {
  const auto before = NodeSnapshot::take();
  must_del(device(kHostLocal));
  must_add(device(kHostLocal));
  must_del(device(kHostLocal));
  must_del(device(kHostLocal));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceDel, LeavesAnInterfaceOfThePodAloneThatItDidNotAdd) {
  must_run_in(pod_, "ip link add eth0 type veth peer name other");
  must_del(device());
  EXPECT_TRUE(exists(pod_, "eth0"));
}

TEST_F(HostDeviceDel, WithoutNetnsInTheCallBringsTheLinkHome) {
  const auto before = NodeSnapshot::take();
  must_add(device(kHostLocal));
  CniCall call;
  call.netns = "";
  must_del(device(kHostLocal), call);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceDel, OfAVirtualLinkThatDiedWithItsNetnsReleasesTheAddress) {
  must_add(device(kHostLocal));
  delete_netns("pod1");
  must_del(device(kHostLocal));
  EXPECT_TRUE(no_reservation_is_left());
  EXPECT_TRUE(NodeSnapshot::take_files({"/run/barewire"}).items().empty()) << NodeSnapshot::take_files();
  must_del(device(kHostLocal));
}

TEST_F(HostDeviceDel, FindsAVirtualLinkThatThePodMovedOnIntoANetnsOfItsOwn) {
  const auto before = NodeSnapshot::take();
  for (const char* under : {"eth0", "lan7"}) {
    must_add(device());
    const std::string inner = make_netns("inner");
    must_run_in(pod_, fmt::format("ip link set eth0 netns /run/netns/inner name {}", under));
    must_del(device());
    EXPECT_TRUE(exists("", "v0")) << under;
    EXPECT_FALSE(exists(inner, under));
    delete_netns("inner");
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceDel, FindsANetnsThatLivesOnWithoutItsPath) {
  const auto before = NodeSnapshot::take();
  must_add(device(kHostLocal));
  Command sleeper;
  sleeper.program = "sleep";
  sleeper.arguments = {"60"};
  sleeper.netns = pod_;
  const ChildProcess holds_it(sleeper);
  // The child enters the netns after its fork.
  for (int i = 0;
       i < 100 && run_shell(fmt::format("ip netns identify {} | grep -q pod1", holds_it.pid())).ok() == false; ++i)
    must_run("sleep 0.05");
  delete_netns("pod1");
  must_del(device(kHostLocal));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceDel, OfADeviceThatVanishedFromThePodSucceeds) {
  must_add(device(kHostLocal));
  must_run_in(pod_, "ip link del eth0");
  must_del(device(kHostLocal));
  EXPECT_TRUE(no_reservation_is_left());
  EXPECT_TRUE(NodeSnapshot::take_files({"/run/barewire"}).items().empty()) << NodeSnapshot::take_files();
}

TEST_F(HostDeviceDel, GivesAFreeNameWhereAnotherLinkHasTakenItsOwn) {
  must_add(device(kHostLocal));
  make_link("u0", "02:00:00:00:0e:01");
  must_run("ip link set u0 name v0 && ip link set v0 mtu 1280 promisc on");
  const std::string taker = must_run("ip -d -j link show v0");
  must_del(device(kHostLocal));
  EXPECT_EQ(taker, must_run("ip -d -j link show v0")) << "the other link is not ours to change";
  EXPECT_EQ(kMac, attribute("", "dev0", "address"));
  EXPECT_EQ("1450", attribute("", "dev0", "mtu"));
  EXPECT_FALSE(exists(pod_, "eth0"));
  EXPECT_TRUE(no_reservation_is_left());
}

TEST_F(HostDeviceDel, LeavesALinkAloneThatWasMadeUnderTheNameOfTheOneThatDied) {
  must_add(device());
  delete_netns("pod1");
  must_run("while ip link show v1; do sleep 0.02; done 2>&1");  // the kernel ends links some time after their netns
  make_link("v0", "02:00:00:00:0e:01");
  must_run("ip link set v0 mtu 1280 promisc on");
  const std::string other = must_run("ip -d -j link show v0");
  must_del(device());
  EXPECT_EQ(other, must_run("ip -d -j link show v0"));
  EXPECT_TRUE(NodeSnapshot::take_files({"/run/barewire"}).items().empty()) << NodeSnapshot::take_files();
}

TEST_F(HostDeviceDel, TrustsItsRecordAndNotTheConfiguration) {
  const auto before = NodeSnapshot::take();
  for (const char* members :
       {"", R"(,"device":"nowhere")", R"(,"hwaddr":"nonsense")", R"(,"pciBusID":"0000:77:00.1")", R"(,"device":5)",
        R"(,"device":"v1")", R"(,"ipam":{"type":"static","addresses":[{"address":"10.9.9.9/24"}]})"}) {
    must_add(device(kHostLocal));
    must_del(config(members));
    EXPECT_EQ("", lasting_difference(before)) << members;
  }
}

TEST_F(HostDeviceDel, KeepsADamagedRecordAndSaysSo) {
  must_add(device(kHostLocal));
  std::string record;
  for (const auto& entry : fs::recursive_directory_iterator("/run/barewire"))
    if (entry.is_regular_file() && entry.path().extension() == ".json") record = entry.path();
  ASSERT_FALSE(record.empty());
  const std::string whole = read_file(record).value();
  write_text(record, whole.substr(0, whole.size() / 2));
  const PluginResult result = runner_.del("host-device", device(kHostLocal));
  EXPECT_EQ(107, result.code()) << result;
  EXPECT_TRUE(fs::exists(record));
  write_text(record, whole);
  must_del(device(kHostLocal));
  EXPECT_TRUE(exists("", "v0"));
}

using HostDeviceAdd = HostDeviceTest;

TEST_F(HostDeviceAdd, ThatFailsAfterIpamReleasesTheAddressAndBringsTheLinkHome) {
  must_run("ip link set v0 up");
  const std::string unreachable =
      R"(,"ipam":{"type":"host-local","subnet":"10.40.0.0/24","routes":[{"dst":"10.50.0.0/16","gw":"172.31.0.1"}]})";
  expect_refused(device(unreachable), 100, "172.31.0.1");
  EXPECT_TRUE(no_reservation_is_left());
}

TEST_F(HostDeviceAdd, ThatFailsInIpamBringsTheLinkHome) {
  must_run("ip link set v0 up");
  expect_refused(device(R"(,"ipam":{"type":"host-local","subnet":"10.40.0.0/33"})"), 7, "subnet");
  expect_refused(device(R"(,"ipam":{"type":"no-such-ipam"})"), 106, "no-such-ipam");
  expect_refused(device(R"(,"ipam":{"type":"static","addresses":[{"address":"nonsense"}]})"), 7, "nonsense");
}

TEST_F(HostDeviceAdd, OfTheSameAttachmentTwiceIsRefusedAndChangesNothing) {
  must_add(device(kHostLocal));
  const std::string in_pod = must_run_in(pod_, "ip -o addr show eth0 && ip route");
  expect_refused(device(kHostLocal), 102, "lan/pod1/eth0");
  EXPECT_EQ(in_pod, must_run_in(pod_, "ip -o addr show eth0 && ip route"));
}

TEST_F(HostDeviceAdd, OfADeviceInAnotherPodSaysWhoHoldsIt) {
  make_netns("pod2");
  must_add(device());
  expect_refused(device(), 102, "lan/pod1/eth0", pod("pod2"));
  expect_refused(config(R"(,"hwaddr":"02:00:00:00:0a:01")"), 102, "lan/pod1/eth0");
}

TEST_F(HostDeviceAdd, TakesADeviceWhoseFormerPodDiedWithoutDel) {
  FakeSysfs sysfs;
  sysfs.add({.address = "0000:3b:02.2", .driver = "vfio-pci", .netdev = ""});
  show_as_sysfs(sysfs);
  const std::string text = config(R"(,"pciBusID":"0000:3b:02.2")" + std::string(kHostLocal));
  make_netns("pod2");
  must_add(text, pod("pod2"));
  expect_refused(text, 102, "lan/pod2/eth0");
  delete_netns("pod2");
  must_add(text);
  EXPECT_FALSE(fs::exists("/var/lib/cni/networks/lan/10.40.0.2")) << "the dead pod's address was released";
}

}  // namespace
}  // namespace barewire::test
