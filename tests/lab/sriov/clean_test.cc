// SPDX-License-Identifier: Apache-2.0
/// A VF that a pod with CAP_NET_ADMIN had goes to the next one as if it had never been there.
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "core/fd.h"
#include "core/kernel/link.h"
#include "tests/lab/sriov/sriov_lab.h"

namespace barewire::test {
namespace {

using Clean = SriovLab;

constexpr const char* kSettings = R"(,"mac":"02:00:00:00:01:0a","vlan":300,"trust":"on","mtu":1400)";

/// What ethtool and sysfs tell of VF `number`'s netdev on the host.
std::string driver_settings(const std::string& netdev) {
  return must_run(
      fmt::format("for q in k c g a; do ethtool -$q {0} 2>&1; done; cat /sys/class/net/{0}/threaded "
                  "/sys/class/net/{0}/gro_flush_timeout /sys/class/net/{0}/queues/*/rps_cpus",
                  netdev));
}

TEST_F(Clean, DelTakesOffWhatThePodLeftInKernelAndDriver) {
  const auto before = NodeSnapshot::take();
  const std::string settings = driver_settings(vf(0).netdev);
  must_add(config(0, kSettings), pod("a"));
  must_run_in(netns("a"),
              "ip link set net1 arp off group 77 gso_max_size 30000 multicast off;"
              "ethtool -K net1 gro off tx off; ethtool -C net1 rx-usecs 100; ethtool -G net1 rx 512;"
              "mount -t sysfs sysfs /sys; echo 1 > /sys/class/net/net1/threaded;"
              "echo 5000 > /sys/class/net/net1/gro_flush_timeout; echo 1 > /sys/class/net/net1/queues/rx-0/rps_cpus;"
              "tc qdisc add dev net1 clsact; tc filter add dev net1 ingress matchall action drop; umount /sys");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_EQ(settings, driver_settings(vf(0).netdev));
}

/// In the guest: a program that lets everything pass, on net1 of pod `a`.
Fd attach_xdp(bool by_link) {
  bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 2 /* XDP_PASS */},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_XDP;
  load.insns = reinterpret_cast<std::uintptr_t>(code);
  load.insn_cnt = 2;
  load.license = reinterpret_cast<std::uintptr_t>("GPL");
  Fd program(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
  EXPECT_TRUE(program) << std::strerror(errno);
  const auto pod = kernel::NetNs::open("/run/netns/a");
  kernel::NlSocket socket = kernel::NlSocket::in(pod);
  const int index = kernel::get_link(socket, "net1").index;
  if (!by_link) {
    ifinfomsg header{};
    header.ifi_index = index;
    kernel::NlMessage message(RTM_NEWLINK, 0);
    message.header(header).nest(IFLA_XDP, [&](kernel::NlMessage& xdp) {
      xdp.put_u32(IFLA_XDP_FD, static_cast<std::uint32_t>(program.get()));
      xdp.put_u32(IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE);
    });
    socket.request(std::move(message), "attaching a program");
    return program;
  }
  Fd link;
  pod.run([&] {
    bpf_attr create{};
    create.link_create.prog_fd = static_cast<std::uint32_t>(program.get());
    create.link_create.target_ifindex = static_cast<std::uint32_t>(index);
    create.link_create.attach_type = BPF_XDP;
    create.link_create.flags = XDP_FLAGS_SKB_MODE;
    link = Fd(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof create)));
  });
  EXPECT_TRUE(link) << std::strerror(errno);
  return link;
}

TEST_F(Clean, DelTakesTheProgramOfAPodOff) {
  const auto before = NodeSnapshot::take();
  for (const bool by_link : {false, true}) {
    must_add(config(0, kSettings), pod("a"));
    const Fd held = attach_xdp(by_link);
    EXPECT_THAT(must_run_in(netns("a"), "ip link show net1"), ::testing::HasSubstr("xdp"));
    must_del(config(0, kSettings), pod("a"));
    const std::string difference = lasting_difference(before);
    // A process holds the one by link, so the driver was bound afresh, and drew another permanent MAC than the one that
    // the netdev had and has again.
    if (by_link) {
      EXPECT_THAT(difference, ::testing::MatchesRegex("(\\+ link [a-z0-9]+\\.permaddr = \"[0-9a-f:]*\"\n)?"));
    } else {
      EXPECT_EQ("", difference);
    }
  }
}

TEST_F(Clean, DelRemovesWhatThePodStackedOnItsVfWhereverItIs) {
  const auto before = NodeSnapshot::take();
  make_netns("elsewhere");
  must_run("modprobe -a 8021q macvlan");
  must_add(config(0, kSettings), pod("a"));
  must_run_in(netns("a"),
              "ip link add link net1 name net1.7 type vlan id 7; ip link set net1.7 up;"
              "ip link add link net1.7 name upper type macvlan;"
              "ip link add link net1 name mv0 type macvlan mode bridge; ip link set mv0 netns elsewhere up");
  must_del(config(0, kSettings), pod("a"));
  for (const char* name : {"net1.7", "upper"}) EXPECT_FALSE(link_exists("a", name)) << name;
  EXPECT_FALSE(link_exists("elsewhere", "mv0"));
  delete_netns("elsewhere");
  // A netdev that is down counts the promiscuity for a macvlan's address until it is opened next. Source:
  // net/core/dev.c
  // __dev_set_rx_mode.
  must_run(fmt::format("ip link set {0} up && ip link set {0} down", vf(0).netdev));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Clean, VfThatWasBoundToVfioWhileItWasInThePodComesBackOnItsDriver) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  bind(vf(0).address, "vfio-pci");
  must_del(config(0, kSettings), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
  must_add(config(0, kSettings), pod("b"));
  EXPECT_TRUE(link_exists("b", "net1"));
}

TEST_F(Clean, VfOnVfioThatGotAKernelDriverMeanwhileComesBackOnVfio) {
  bind(vf(0).address, "vfio-pci");
  must_add(config(0, R"(,"vlan":300)"), pod("a"));
  bind(vf(0).address, "igbvf");
  must_del(config(0, R"(,"vlan":300)"), pod("a"));
  EXPECT_EQ("vfio-pci", std::filesystem::read_symlink("/sys/bus/pci/devices/" + vf(0).address + "/driver").filename());
}

TEST_F(Clean, AddressesOfIpv6PassTheirProbeAndAreAnnouncedAfterIt) {
  // The NIC hands a VF's own multicast back to it: an announcement during the probe would be taken for another host's.
  const std::string text = config(0, R"(,"ipam":{"type":"static","addresses":[{"address":"fd00:b1::1/64"}]})");
  must_add(text, pod("a"));
  const std::string settled =
      "for i in $(seq 100); do ip -6 addr show dev net1 scope global | grep -q tentative || break;"
      "sleep 0.1; done; ip -6 addr show dev net1 scope global";
  EXPECT_THAT(must_run_in(netns("a"), settled),
              ::testing::AllOf(::testing::HasSubstr("fd00:b1::1/64"), ::testing::Not(::testing::HasSubstr("tentative")),
                               ::testing::Not(::testing::HasSubstr("dadfailed"))));
}

TEST_F(Clean, APoolHandsOutNoVfOnAUserSpaceDriver) {
  bind(vf(0).address, "vfio-pci");
  const std::string text = config_without_device(R"(,"pool":"pf0#0-1")");
  EXPECT_EQ(vf(1).address, must_add(text, pod("a")).json.at("interfaces").at(0).at("pciID").as_string());
  const PluginResult none = add(text, pod("b"));
  EXPECT_EQ(11, none.code()) << none;
  EXPECT_THAT(none.out, ::testing::HasSubstr("is on vfio-pci"));
}

}  // namespace
}  // namespace barewire::test
