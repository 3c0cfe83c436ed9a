// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/netlink.h"

#include <linux/rtnetlink.h>

#include <atomic>
#include <set>
#include <thread>

#include "core/kernel/attributes.h"
#include "tests/plugin/core/kernel/test_links.h"

namespace barewire::kernel {
namespace {

using Netlink = test::PairTest;
using test::must_run;

TEST_F(Netlink, MessagesGrowAsTheyAreFilled) {
  NlMessage message(RTM_NEWLINK, 0);
  message.header(ifinfomsg{});
  const std::string big(30000, 'x');
  message.nest(IFLA_LINKINFO, [&](NlMessage& info) {
    info.put_string(IFLA_INFO_KIND, "kind").nest(IFLA_INFO_DATA, [&](NlMessage& data) {
      data.put(1, big.data(), big.size()).put_u32(2, 7);
    });
  });
  message.put_u32(IFLA_MTU, 1500);
  const NlAttributes attributes(*nlmsg_hdr(message.get()), sizeof(ifinfomsg));
  const NlAttributes info = attributes.nest(IFLA_LINKINFO);
  EXPECT_EQ("kind", info.text(IFLA_INFO_KIND));
  EXPECT_EQ(big, info.nest(IFLA_INFO_DATA).bytes(1));
  EXPECT_EQ(7U, info.nest(IFLA_INFO_DATA).value<std::uint32_t>(2));
  EXPECT_EQ(1500U, attributes.value<std::uint32_t>(IFLA_MTU));
}

TEST_F(Netlink, NestsLongerThanTheirLengthFieldAreRefused) {
  NlMessage message(RTM_NEWLINK, 0);
  const std::string big(40000, 'x');
  EXPECT_THROW(message.nest(1,
                            [&](NlMessage& nest) {
                              nest.put(1, big.data(), big.size());
                              nest.put(2, big.data(), big.size());
                            }),
               Error);
}

TEST_F(Netlink, AVisitorThatThrowsLeavesTheSocketUsable) {
  NlSocket socket;
  NlMessage message(RTM_GETLINK, 0);
  message.header(ifinfomsg{}).put_string(IFLA_IFNAME, "left");
  EXPECT_THROW(socket.get(std::move(message), "looking", [](const nlmsghdr&) { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_EQ("right", get_link(socket, "right").name);
  EXPECT_EQ(3U, list_links(socket).size());
}

TEST_F(Netlink, DumpsOfManyLinksArriveWhole) {
  must_run("for i in $(seq 200); do echo link add v$i type veth peer name w$i; done | ip -batch -");
  NlSocket socket;
  EXPECT_EQ(403U, list_links(socket).size());
}

TEST_F(Netlink, AnswersLargerThanTheFirstBufferArriveWhole) {
  // A link of 400 alternative names of 100 characters takes 40 KiB in a single message.
  std::string batch;
  for (int i = 0; i < 400; ++i) batch += fmt::format("link property add dev left altname {:0100}\n", i);
  must_run("printf '" + batch + "' | ip -batch -");
  NlSocket socket;
  EXPECT_EQ(400U, get_link(socket, "left").alt_names.size());
  EXPECT_EQ("right", get_link(socket, "right").name) << "and the next as well";
}

TEST_F(Netlink, EntriesOfADumpThatAreLargerThanTheFirstBufferArriveWhole) {
  std::string batch;
  for (int i = 0; i < 400; ++i) batch += fmt::format("link property add dev left altname {:0100}\n", i);
  must_run("printf '" + batch + "' | ip -batch -");
  NlSocket socket;
  const std::vector<Link> links = list_links(socket);
  ASSERT_EQ(3U, links.size());
  const auto left = std::find_if(links.begin(), links.end(), [](const Link& link) { return link.name == "left"; });
  ASSERT_NE(left, links.end());
  EXPECT_EQ(400U, left->alt_names.size());
}

TEST_F(Netlink, RequestsThatAreSentTogetherAreAnsweredEach) {
  NlSocket socket;
  const Link left = get_link(socket, "left");
  std::vector<NlMessage> messages;
  std::vector<int> expected;
  for (int i = 0; i < 20; ++i) {  // more than arrive at once
    messages.push_back(up_message(i % 3 == 0 ? 4242 : left.index));
    expected.push_back(i % 3 == 0 ? ENODEV : 0);
  }
  EXPECT_EQ(expected, socket.request_all(messages, "bringing up"));
  EXPECT_TRUE(get_link(socket, "left").is_up());
  EXPECT_TRUE(socket.request_all({}, "nothing").empty());
}

TEST_F(Netlink, DumpsThatChangeUnderneathStillHoldEveryLinkOnce) {
  must_run("for i in $(seq 150); do echo link add v$i type veth peer name w$i; done | ip -batch -");
  std::atomic<bool> done = false;
  const NetNs home = NetNs::current();
  std::thread changer([&] {
    home.run([&] {
      NlSocket socket;
      const Link left = get_link(socket, "left");
      for (int i = 0; !done; ++i) {
        rename_link(socket, left, i % 2 == 0 ? "aside" : "left");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  });
  NlSocket socket;
  for (int i = 0; i < 50; ++i) {
    std::multiset<int> indexes;
    for (const Link& link : list_links(socket)) indexes.insert(link.index);
    EXPECT_EQ(303U, indexes.size());
    EXPECT_EQ(303U, std::set<int>(indexes.begin(), indexes.end()).size());
  }
  done = true;
  changer.join();
}

TEST_F(Netlink, RefusalsThatWereExpectedAreNoError) {
  NlSocket socket;
  auto deletion = [] {
    ifinfomsg header{};
    header.ifi_index = 4242;
    NlMessage message(RTM_DELLINK, 0);
    message.header(header);
    return message;
  };
  EXPECT_FALSE(socket.request_unless(deletion(), "deleting", {ENODEV}));
  EXPECT_THROW(socket.request_unless(deletion(), "deleting", {EBUSY}), KernelError);
}

TEST_F(Netlink, AnUnknownProtocolIsAnErrorOfItsOwn) {
  EXPECT_THROW(NlSocket(31), Error);
}

}  // namespace
}  // namespace barewire::kernel
