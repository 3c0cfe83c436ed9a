// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/netns.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "core/kernel/sysctl.h"
#include "tests/plugin/core/kernel/test_links.h"

namespace barewire::kernel {
namespace {

using Netns = test::PairTest;
using test::delete_netns;
using test::make_netns;
using test::must_run;

TEST_F(Netns, IsToldApartByDeviceAndInode) {
  EXPECT_EQ(NetNs::open(pod_path_).id(), pod().id());
  EXPECT_FALSE(NetNs::current().id() == pod().id());
  EXPECT_TRUE(NetNs::current().is_current());
  EXPECT_FALSE(pod().is_current());
}

TEST_F(Netns, PathsThatLeadElsewhereAreRefused) {
  must_run("touch /run/leftover");
  for (const char* path : {"/run/leftover", "/proc/self/ns/mnt", "/run"}) {
    try {
      NetNs::open(path);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_TRUE(error.is(Error::Code::invalid_netns)) << error.what();
      EXPECT_EQ(std::string(path) + " is not a network namespace", error.what());
    }
    EXPECT_FALSE(NetNs::try_open(path).has_value());
  }
}

TEST_F(Netns, MissingPathsAreAnErrorOnlyWhereANetnsMustBe) {
  EXPECT_FALSE(NetNs::try_open("/run/netns/absent").has_value());
  EXPECT_FALSE(NetNs::try_open("").has_value());
  try {
    NetNs::open("/run/netns/absent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::io));
    EXPECT_STREQ("opening /run/netns/absent failed: No such file or directory", error.what());
  }
}

TEST_F(Netns, WorkRunsInsideAndReturnsHomeEvenWhenItThrows) {
  const NetNsId home = NetNs::current().id();
  NetNsId inside;
  pod().run([&] { inside = NetNs::current().id(); });
  EXPECT_EQ(pod().id(), inside);
  EXPECT_THROW(pod().run([] { throw std::runtime_error("x"); }), std::runtime_error);
  EXPECT_EQ(home, NetNs::current().id());
}

TEST_F(Netns, AnInodeThatIsUsedAgainIsAnotherNetns) {
  make_netns("first");
  const NetNsId first = NetNs::open("/run/netns/first").id();
  ASSERT_NE(0U, first.cookie);
  delete_netns("first");
  for (int tries = 0; tries < 200; ++tries) {  // the kernel gives the lowest number that is free
    make_netns("next");
    const NetNsId next = NetNs::open("/run/netns/next").id();
    EXPECT_FALSE(first == next) << next.inode;
    if (next.inode == first.inode) return;
    delete_netns("next");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  GTEST_LOG_(INFO) << "no inode was used again";
}

TEST_F(Netns, SocketOpenedInsideIsUsedFromOutside) {
  NlSocket inside = NlSocket::in(pod());
  EXPECT_TRUE(NetNs::current().is_current());
  EXPECT_FALSE(find_link(inside, "left").has_value());
  NlSocket outside;
  move_link(outside, get_link(outside, "left"), pod(), "eth0");
  set_up(inside, get_link(inside, "eth0"));
  EXPECT_NE(std::string::npos, in_pod("ip -o link show eth0").find(",UP"));
}

TEST_F(Netns, SysctlsAreReadAndWrittenInside) {
  const std::string key = "net/ipv4/conf/default/arp_notify";
  EXPECT_EQ("0", read_sysctl(pod(), key));
  write_sysctl(pod(), key, "1");
  EXPECT_EQ("1", read_sysctl(pod(), key));
  EXPECT_EQ("1", read_sysctl(pod(), "net.ipv4.conf.default.arp_notify"));
  EXPECT_EQ("0", read_sysctl(NetNs::current(), key));
}

TEST_F(Netns, SysctlsOfALinkWithADotInItsNameAreReached) {
  in_pod("ip link add eth0.7 type veth peer name p");
  write_sysctl(pod(), "net.ipv4.conf.eth0/7.arp_notify", "1");
  EXPECT_EQ("1", read_sysctl(pod(), "net/ipv4/conf/eth0.7/arp_notify"));
}

TEST_F(Netns, SysctlsAreToldWithTheLink) {
  in_pod("ip link add eth0 type veth peer name p");
  NlSocket inside = NlSocket::in(pod());
  write_sysctls(pod(), {{"net/ipv4/conf/eth0/arp_notify", "1"}, {"net/ipv6/conf/eth0/accept_ra", "2"}});
  const LinkConf conf = get_link(inside, "eth0").conf;
  EXPECT_EQ(1, conf.arp_notify);
  EXPECT_EQ(2, conf.accept_ra);
  for (const auto& [key, value] : {std::pair{"disable_ipv6", conf.disable_ipv6},
                                   {"accept_dad", conf.accept_dad},
                                   {"enhanced_dad", conf.enhanced_dad},
                                   {"keep_addr_on_down", conf.keep_addr_on_down},
                                   {"ndisc_notify", conf.ndisc_notify}})
    EXPECT_EQ(read_sysctl(pod(), fmt::format("net/ipv6/conf/eth0/{}", key)), std::to_string(value.value_or(-99)))
        << key;
}

TEST_F(Netns, UnknownSysctlsAreNotFoundWhenReadAndRefusedWhenWritten) {
  EXPECT_FALSE(read_sysctl(pod(), "net/ipv4/conf/absent/arp_notify").has_value());
  try {
    write_sysctl(pod(), "net/ipv4/conf/absent/arp_notify", "1");
    FAIL();
  } catch (const KernelError& error) {
    EXPECT_EQ(ENOENT, error.err());
  }
  EXPECT_THROW(write_sysctl(pod(), "net/../kernel/hostname", "x"), Error);
}

}  // namespace
}  // namespace barewire::kernel
