// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/announce.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <cstring>

#include "tests/plugin/core/kernel/test_links.h"

namespace barewire::kernel {
namespace {

using test::must_run;
using Frame = std::vector<std::uint8_t>;

/// The pod's eth0 leads to the host's `left`, where a packet socket listens.
class Announcements : public test::PairTest {
 protected:
  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    must_run(
        "ip link set right netns pod name eth0; sysctl -qw net.ipv6.conf.left.disable_ipv6=1; ip link set left up");
    in_pod("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1; ip link set eth0 up");
    NlSocket socket;
    const Link left = get_link(socket, "left");
    ASSERT_TRUE(wait_for_carrier(socket, left.index, std::chrono::seconds(2)));
    listen(left.index);
    NlSocket inside = NlSocket::in(pod());
    eth0_ = get_link(inside, "eth0");
  }

  void listen(int index) {
    listener_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ETH_P_ALL);
    where.sll_ifindex = index;
    ASSERT_EQ(0, ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&where), sizeof where));
    const timeval patience = {2, 0};
    ASSERT_EQ(0, ::setsockopt(listener_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
  }

  Frame next_frame(std::uint16_t protocol) {
    while (true) {
      Frame frame(2048);
      const ssize_t size = ::recv(listener_.get(), frame.data(), frame.size(), 0);
      if (size < 14) return {};
      frame.resize(static_cast<std::size_t>(size));
      if (protocol == ETH_P_ALL || frame[12] * 256 + frame[13] == protocol) return frame;
    }
  }

  void announce_from_pod(const std::vector<IpAddress>& addresses) {
    NlSocket inside = NlSocket::in(pod());
    announce(inside, pod(), eth0_.index, *eth0_.mac, addresses);
  }

  /// `how` is "nodad" for an address that is the pod's at once.
  void give_pod(const std::string& address, const std::string& how) {
    in_pod(fmt::format("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0; ip -6 addr add {}/64 dev eth0 {}", address, how));
  }

  static bool is_advertisement(const Frame& frame);

  Fd listener_;
  Link eth0_;
};

Frame part(const Frame& frame, std::size_t from, std::size_t size) {
  if (frame.size() < from + size) return {};
  const auto start = frame.begin() + static_cast<std::ptrdiff_t>(from);
  return Frame(start, start + static_cast<std::ptrdiff_t>(size));
}

bool Announcements::is_advertisement(const Frame& frame) {
  return part(frame, 20, 1) == Frame{58} && part(frame, 54, 1) == Frame{136};
}

TEST_F(Announcements, OfIpv4AreArpRequestsForTheAddressItself) {
  announce_from_pod({IpAddress::v4({10, 1, 2, 3})});
  const Frame frame = next_frame(ETHERTYPE_ARP);
  EXPECT_EQ(Frame(6, 0xff), part(frame, 0, 6));
  const Frame mac(eth0_.mac->bytes().begin(), eth0_.mac->bytes().end());
  EXPECT_EQ(mac, part(frame, 6, 6));
  EXPECT_EQ((Frame{0, 1, 8, 0, 6, 4, 0, 1}), part(frame, 14, 8));
  EXPECT_EQ(mac, part(frame, 22, 6));
  EXPECT_EQ((Frame{10, 1, 2, 3}), part(frame, 28, 4));
  EXPECT_EQ(Frame(6, 0), part(frame, 32, 6));
  EXPECT_EQ((Frame{10, 1, 2, 3}), part(frame, 38, 4));
}

TEST_F(Announcements, OfIpv6AreOverridingAdvertisementsToAllNodes) {
  const IpAddress address = IpAddress::parse("fd00::5").value();
  give_pod("fd00::5", "nodad");
  announce_from_pod({address});
  Frame frame = next_frame(ETHERTYPE_IPV6);
  while (!frame.empty() && !is_advertisement(frame)) frame = next_frame(ETHERTYPE_IPV6);  // the kernel says more
  EXPECT_EQ((Frame{0x33, 0x33, 0, 0, 0, 1}), part(frame, 0, 6));
  EXPECT_EQ((Frame{58, 255}), part(frame, 20, 2));
  const Frame ip(address.data(), address.data() + 16);
  EXPECT_EQ(ip, part(frame, 22, 16));
  EXPECT_EQ((Frame{136, 0}), part(frame, 54, 2));
  EXPECT_EQ((Frame{0x20, 0, 0, 0}), part(frame, 58, 4));
  EXPECT_EQ(ip, part(frame, 62, 16));
  EXPECT_EQ((Frame{2, 1}), part(frame, 78, 2));
}

TEST_F(Announcements, OfIpv6AreBelievedByTheNeighbour) {
  must_run(
      "sysctl -qw net.ipv6.conf.left.disable_ipv6=0 net.ipv6.conf.left.accept_dad=0;"
      "ip -6 addr add fd00::1/64 dev left nodad;"
      "ip neigh replace fd00::5 lladdr 02:00:00:00:00:07 nud stale dev left");
  give_pod("fd00::5", "nodad");
  announce_from_pod({IpAddress::parse("fd00::5").value()});
  // The kernel checks hop limit and checksum before it believes: net/ipv6/ndisc.c.
  EXPECT_NE(std::string::npos, must_run("ip neigh show fd00::5 dev left").find(eth0_.mac->text()));
}

TEST_F(Announcements, OfSeveralAddressesAreSentOneByOne) {
  announce_from_pod({IpAddress::v4({10, 1, 2, 3}), IpAddress::v4({10, 1, 2, 4})});
  EXPECT_EQ(3, part(next_frame(ETHERTYPE_ARP), 31, 1).at(0));
  EXPECT_EQ(4, part(next_frame(ETHERTYPE_ARP), 31, 1).at(0));
}

TEST_F(Announcements, OfIpv6WaitForTheEndOfDuplicateAddressDetection) {
  in_pod("sysctl -qw net.ipv6.conf.eth0.ndisc_notify=1");
  give_pod("fd00::5", "");
  announce_from_pod({IpAddress::parse("fd00::5").value(), IpAddress::v4({10, 1, 2, 3})});
  Frame frame = next_frame(ETH_P_ALL);
  for (; !frame.empty() && part(frame, 12, 2) != Frame{8, 6}; frame = next_frame(ETH_P_ALL))
    EXPECT_FALSE(is_advertisement(frame)) << "nobody knows yet whether another has it";
  while (!frame.empty() && !is_advertisement(frame)) frame = next_frame(ETHERTYPE_IPV6);
  EXPECT_TRUE(is_advertisement(frame)) << "the kernel says so when it is the pod's";
}

TEST_F(Announcements, OutOfALinkThatIsGoneAreAnError) {
  NlSocket inside = NlSocket::in(pod());
  EXPECT_THROW(announce(inside, pod(), 4242, *eth0_.mac, {IpAddress::v4({10, 1, 2, 3})}), Error);
}

}  // namespace
}  // namespace barewire::kernel
