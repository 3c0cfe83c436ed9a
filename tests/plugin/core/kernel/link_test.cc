// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/link.h"

#include <gmock/gmock.h>

#include "core/kernel/link_stats.h"
#include "tests/plugin/core/kernel/test_links.h"

namespace barewire::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Links = test::PairTest;
using test::must_run;

MacAddress mac(const char* text) {
  return MacAddress::parse(text).value();
}

TEST_F(Links, AreReadAsIproute2ShowsThem) {
  must_run("ip link set left address 02:00:00:00:00:01 mtu 1400 txqueuelen 77 alias 'of pod 7' promisc on up");
  NlSocket socket;
  const Link left = get_link(socket, "left");
  EXPECT_EQ("left", left.name);
  EXPECT_EQ("veth", left.kind);
  EXPECT_EQ("02:00:00:00:00:01", left.mac->text());
  EXPECT_EQ("02:00:00:00:00:01", left.hardware_address);
  EXPECT_EQ(1400U, left.mtu);
  EXPECT_EQ(77U, left.tx_queue_length);
  EXPECT_EQ("of pod 7", left.alias);
  EXPECT_TRUE(left.is_up());
  EXPECT_TRUE(left.is_promiscuous());
  EXPECT_EQ(1U, left.promiscuity);
  EXPECT_FALSE(left.is_allmulti());
  EXPECT_FALSE(left.carrier);
  EXPECT_EQ(get_link(socket, "right").index, left.parent);
}

TEST_F(Links, AreFoundByIndexNameAndAlternativeName) {
  NlSocket socket;
  const Link left = get_link(socket, "left");
  const std::string long_name = "left-with-a-name-longer-than-fifteen-characters";
  add_alt_name(socket, left, long_name);
  add_alt_name(socket, left, "short-alt");
  EXPECT_EQ("left", find_link(socket, left.index)->name);
  EXPECT_EQ("left", find_link(socket, long_name)->name);
  EXPECT_EQ("left", find_link(socket, "short-alt")->name);
  EXPECT_THAT(find_link(socket, "left")->alt_names, UnorderedElementsAre(long_name, "short-alt"));
}

TEST_F(Links, AreCountedAllInOneDump) {
  must_run(
      "ip link set left up; ip link set right up; ip addr add 10.9.0.1/24 dev left; ip neigh add 10.9.0.2 lladdr "
      "02:00:00:00:00:02 dev left nud permanent");
  NlSocket socket;
  const int left = get_link(socket, "left").index;
  const int right = get_link(socket, "right").index;
  const auto before = list_link_stats(socket);
  ASSERT_TRUE(before.contains(left) && before.contains(right) && before.contains(1));
  test::run_in("", "ping -q -c3 -i0.01 -s1000 -W1 10.9.0.2");
  const auto after = list_link_stats(socket);
  EXPECT_GE(after.at(left).tx_packets - before.at(left).tx_packets, 3U);
  EXPECT_GE(after.at(left).tx_bytes - before.at(left).tx_bytes, 3U * 1042);
  EXPECT_EQ(after.at(right).rx_bytes, after.at(left).tx_bytes);
  EXPECT_EQ(after.at(right).rx_errors + after.at(right).rx_dropped, 0U);
}

TEST_F(Links, ThatDoNotExistAreNotAnError) {
  NlSocket socket;
  EXPECT_FALSE(find_link(socket, "absent").has_value());
  EXPECT_FALSE(find_link(socket, "").has_value());
  EXPECT_FALSE(find_link(socket, std::string(200, 'x')).has_value());
  EXPECT_FALSE(find_link(socket, 99999).has_value());
  EXPECT_FALSE(delete_link(socket, 99999, "deleting nothing"));
}

TEST_F(Links, ThatMustExistAreNamedInTheError) {
  NlSocket socket;
  try {
    get_link(socket, "absent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::device));
    EXPECT_STREQ("interface absent not found", error.what());
  }
}

TEST_F(Links, ListHoldsThemAll) {
  NlSocket socket;
  std::vector<std::string> names;
  for (const Link& link : list_links(socket)) names.push_back(link.name);
  EXPECT_THAT(names, UnorderedElementsAre("lo", "left", "right"));
}

TEST_F(Links, TakeSeveralChangesInOneRequest) {
  NlSocket socket;
  const int index = get_link(socket, "left").index;
  LinkChange change;
  change.name = "renamed";
  change.mac = mac("02:00:00:00:00:99");
  change.mtu = 9000;
  change.tx_queue_length = 5;
  change.alias = "mine";
  change.allmulti = true;
  change.up = true;
  change_link(socket, index, change, "changing left");
  const Link link = get_link(socket, "renamed");
  EXPECT_EQ(index, link.index);
  EXPECT_EQ("02:00:00:00:00:99", link.mac->text());
  EXPECT_EQ(9000U, link.mtu);
  EXPECT_EQ(5U, link.tx_queue_length);
  EXPECT_EQ("mine", link.alias);
  EXPECT_TRUE(link.is_allmulti());
  EXPECT_EQ(1U, link.allmulti);
  EXPECT_TRUE(link.is_up());

  change_link(socket, index, {.up = false, .allmulti = false, .alias = ""}, "changing back");
  EXPECT_FALSE(get_link(socket, "renamed").is_up());
  EXPECT_FALSE(get_link(socket, "renamed").is_allmulti());
  EXPECT_EQ("", get_link(socket, "renamed").alias);
}

TEST_F(Links, FlagsThatAreNotMentionedStay) {
  NlSocket socket;
  const Link left = get_link(socket, "left");
  set_up(socket, left);
  change_link(socket, left.index, {.promisc = true}, "making left promiscuous");
  EXPECT_TRUE(get_link(socket, "left").is_up());
  set_down(socket, left);
  EXPECT_TRUE(get_link(socket, "left").is_promiscuous());
}

TEST_F(Links, AreAttachedToABridgeAndReleased) {
  must_run("ip link add name br0 type bridge");
  NlSocket socket;
  const int index = get_link(socket, "left").index;
  const int bridge = get_link(socket, "br0").index;
  change_link(socket, index, {.master = bridge}, "attaching left");
  EXPECT_EQ(bridge, get_link(socket, "left").master);
  change_link(socket, index, {.master = 0}, "releasing left");
  EXPECT_EQ(0, get_link(socket, "left").master);
}

TEST_F(Links, RefusedChangesCarryTheKernelsWords) {
  NlSocket socket;
  try {
    set_mtu(socket, get_link(socket, "left"), 9);
    FAIL();
  } catch (const KernelError& error) {
    EXPECT_EQ(EINVAL, error.err());
    EXPECT_STREQ("setting the MTU of left to 9 failed: Invalid argument", error.what());
    EXPECT_EQ("mtu less than device minimum", error.hint());
  }
}

TEST_F(Links, AlternativeNamesAreRemovedOnlyWhenTheyAreTheLinksOwn) {
  NlSocket socket;
  const Link left = get_link(socket, "left");
  const Link right = get_link(socket, "right");
  add_alt_name(socket, left, "other");
  remove_alt_name(socket, right, "other");
  remove_alt_name(socket, left, "absent");
  remove_alt_name(socket, left, "left");
  EXPECT_THAT(get_link(socket, "left").alt_names, ElementsAre("other"));
  remove_alt_name(socket, left, "other");
  EXPECT_THAT(get_link(socket, "left").alt_names, ElementsAre());
  EXPECT_THROW(add_alt_name(socket, left, "right"), KernelError);
}

TEST_F(Links, MoveUnderTheirNewNameWhileTheOldNameIsTakenThere) {
  in_pod("ip link add left type veth peer name p");
  NlSocket socket;
  set_up(socket, get_link(socket, "left"));
  const Link left = get_link(socket, "left");
  move_link(socket, left, pod(), "eth0");
  EXPECT_FALSE(find_link(socket, "left").has_value());
  NlSocket inside = NlSocket::in(pod());
  const Link moved = get_link(inside, "eth0");
  EXPECT_EQ(left.mac, moved.mac);
  EXPECT_FALSE(moved.is_up());
}

TEST_F(Links, StayWhereTheyAreWhenTheNewNameIsTaken) {
  in_pod("ip link add eth0 type veth peer name p");
  NlSocket socket;
  const Link left = get_link(socket, "left");
  try {
    move_link(socket, left, pod(), "eth0");
    FAIL();
  } catch (const KernelError& error) {
    EXPECT_EQ(EEXIST, error.err());
    EXPECT_THAT(error.what(), HasSubstr("moving left into /run/netns/pod as eth0 failed: File exists"));
  }
  EXPECT_TRUE(find_link(socket, "left").has_value());
}

TEST_F(Links, AreBroughtBackWhenTheKernelCannotNameThemThere) {
  NlSocket socket;
  const Link left = get_link(socket, "left");
  // The kernel moves first, and finds only then that the name is the link's own alternative name.
  add_alt_name(socket, left, "eth0");
  EXPECT_THROW(move_link(socket, left, pod(), "eth0"), KernelError);
  EXPECT_EQ(left.mac, get_link(socket, "left").mac);
  EXPECT_EQ("", in_pod("ip -o link show type veth"));
}

TEST_F(Links, MoveBackFromANetnsThroughItsSocket) {
  NlSocket socket;
  move_link(socket, get_link(socket, "left"), pod(), "eth0");
  NlSocket inside = NlSocket::in(pod());
  move_link(inside, get_link(inside, "eth0"), NetNs::current(), "left");
  EXPECT_TRUE(find_link(socket, "left").has_value());
}

TEST_F(Links, GetACarrierOnceTheOtherEndIsUp) {
  NlSocket socket;
  const Link left = get_link(socket, "left");
  set_up(socket, left);
  EXPECT_FALSE(wait_for_carrier(socket, left.index, std::chrono::milliseconds(20)));
  set_up(socket, get_link(socket, "right"));
  EXPECT_TRUE(wait_for_carrier(socket, left.index, std::chrono::seconds(2)));
}

TEST_F(Links, AreDeletedOnce) {
  NlSocket socket;
  const int index = get_link(socket, "left").index;
  EXPECT_TRUE(delete_link(socket, index, "deleting left"));
  EXPECT_FALSE(delete_link(socket, index, "deleting left"));
  EXPECT_FALSE(find_link(socket, "right").has_value());
}

}  // namespace
}  // namespace barewire::kernel
