// SPDX-License-Identifier: Apache-2.0
/// Creating links of any kind, and veth pairs with one end in a pod.
#include "core/kernel/new_link.h"

#include <gmock/gmock.h>
#include <linux/if_bridge.h>

#include "core/kernel/attributes.h"
#include "core/kernel/veth.h"
#include "tests/plugin/core/kernel/test_links.h"

namespace barewire::kernel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using NewLinks = test::PairTest;
using test::must_run;

MacAddress mac(const char* text) {
  return MacAddress::parse(text).value();
}

VethPair pair_named(const char* host, const char* pod) {
  VethPair pair;
  pair.host.name = host;
  pair.pod.name = pod;
  return pair;
}

TEST_F(NewLinks, CarryEverythingTheRequestNames) {
  NlSocket socket;
  NewLink wanted;
  wanted.name = "br7";
  wanted.mac = mac("02:00:00:00:00:07");
  wanted.mtu = 1400;
  wanted.tx_queue_length = 77;
  wanted.up = true;
  create_link(socket, "bridge", wanted, [](NlMessage& data) { data.put_u32(IFLA_BR_AGEING_TIME, 1200); });
  const Link made = get_link(socket, "br7");
  EXPECT_EQ("bridge", made.kind);
  EXPECT_EQ("02:00:00:00:00:07", made.mac->text());
  EXPECT_EQ(1400U, made.mtu);
  EXPECT_EQ(77U, made.tx_queue_length);
  EXPECT_TRUE(made.is_up());
  std::uint32_t ageing = 0;
  EXPECT_TRUE(read_link_data(socket, made.index, "bridge", [&](const NlAttributes& data) {
    ageing = data.value_or<std::uint32_t>(IFLA_BR_AGEING_TIME, 0);
  }));
  EXPECT_EQ(1200U, ageing);
}

TEST_F(NewLinks, AppearInThePodAtOnce) {
  const NetNs inside = pod();
  NlSocket socket;
  NewLink wanted;
  wanted.name = "eth0";
  wanted.netns = &inside;
  wanted.parent = get_link(socket, "left").index;
  create_link(socket, "macvlan", wanted);
  EXPECT_FALSE(find_link(socket, "eth0").has_value());
  EXPECT_THAT(in_pod("ip -d link show eth0"), HasSubstr("macvlan"));
}

TEST_F(NewLinks, AreRefusedWhereTheNameIsTakenOrTheKindUnknown) {
  NlSocket socket;
  NewLink wanted;
  wanted.name = "left";
  try {
    create_link(socket, "bridge", wanted);
    FAIL() << "a second link of one name";
  } catch (const KernelError& error) {
    EXPECT_EQ(EEXIST, error.err());
    EXPECT_THAT(error.what(), HasSubstr("creating bridge left failed"));
  }
  wanted.name = "new";
  EXPECT_THROW(create_link(socket, "no-such-kind", wanted), KernelError);
  EXPECT_FALSE(find_link(socket, "new").has_value());
}

TEST_F(NewLinks, AreOnlyReadAsTheKindTheyAre) {
  must_run("ip link add br0 type bridge && ip link set left master br0");
  NlSocket socket;
  const auto ignore = [](const NlAttributes&) {};
  EXPECT_FALSE(read_link_data(socket, get_link(socket, "left").index, "bridge", ignore));
  EXPECT_FALSE(read_link_data(socket, 99999, "bridge", ignore));
  EXPECT_FALSE(read_port_data(socket, get_link(socket, "right").index, "bridge", ignore));
  EXPECT_TRUE(read_port_data(socket, get_link(socket, "left").index, "bridge", ignore));
}

TEST_F(NewLinks, TakeChangesOfTheirKindsSettings) {
  must_run("ip link add br0 type bridge");
  NlSocket socket;
  change_link_data(socket, get_link(socket, "br0").index, "bridge", "setting the ageing time of br0",
                   [](NlMessage& data) { data.put_u32(IFLA_BR_AGEING_TIME, 4000); });
  EXPECT_THAT(must_run("ip -d link show br0"), HasSubstr("ageing_time 4000"));
}

TEST_F(NewLinks, VethPairsStandInTheirPlacesUnderTheirNames) {
  must_run("ip link add br0 type bridge");
  NlSocket socket;
  VethPair pair = pair_named("veth1234", "eth0");
  pair.pod.mac = mac("02:00:00:00:00:05");
  pair.mtu = 1300;
  pair.master = get_link(socket, "br0").index;
  const Link host = create_veth(socket, pod(), pair);
  EXPECT_EQ("veth1234", host.name);
  EXPECT_TRUE(host.is_up());
  EXPECT_EQ(pair.master, host.master);
  EXPECT_EQ(1300U, host.mtu);
  NlSocket inside = NlSocket::in(pod());
  const Link end = get_link(inside, "eth0");
  EXPECT_EQ(end.index, host.parent);
  EXPECT_EQ(host.index, end.parent);
  EXPECT_EQ("02:00:00:00:00:05", end.mac->text());
  EXPECT_EQ(1300U, end.mtu);
  EXPECT_FALSE(end.is_up());
}

TEST_F(NewLinks, AVethPairIsNotMadeInPart) {
  NlSocket socket;
  const std::string before = must_run("ip -br link") + in_pod("ip -br link");
  const auto refusal = [&](const char* on_node, const char* in_the_pod) -> std::string {
    try {
      create_veth(socket, pod(), pair_named(on_node, in_the_pod));
    } catch (const KernelError& error) {
      return error.what();
    }
    return "made";
  };
  EXPECT_THAT(refusal("left", "eth0"), HasSubstr("the node has an interface left already"));
  EXPECT_THAT(refusal("vnew", "lo"), HasSubstr("(lo) already exists in " + pod().path()));
  EXPECT_EQ(before, must_run("ip -br link") + in_pod("ip -br link"));
}

}  // namespace
}  // namespace barewire::kernel
