// SPDX-License-Identifier: Apache-2.0
/// nftables through netlink, read back with the nft command.
#include "core/kernel/nftables.h"

#include <gmock/gmock.h>
// clang-format off: it has to come before the kernel's header of the same types
#include <netinet/in.h>
// clang-format on
#include <linux/netfilter.h>

#include <atomic>
#include <thread>

#include "tests/support/netns_fixture.h"

namespace barewire::kernel::nft {
namespace {

using test::must_run;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Nftables : public test::NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    if (!test::run_in("", "nft list ruleset").ok()) GTEST_SKIP() << "the nft command, or nf_tables, is not here";
  }

  /// Masquerading of the pods in a set, as bridge and ptp use it.
  static Fixture fixture(const std::string& name = "masq") {
    Rule rule("to the outside");
    rule.family_is(true).load_address(true, true, 0).in_set(name + "_pods", 0);
    rule.address_in(*IpPrefix::parse("10.22.0.0/16"), false, false);
    Chain chain{.name = name,
                .hook = Chain::Hook{"nat", NF_INET_POST_ROUTING, 100},
                .comment = "of a test",
                .rules = {rule.masquerade()}};
    return {.table = {Family::inet, "barewire"},
            .sets = {{.name = name + "_pods", .key = {Type::ipv4_addr}, .data = {}, .comment = {}}},
            .chains = {chain}};
  }
  static Element pod(int number, const std::string& fixture_name = "masq") {
    const std::string text = fmt::format("10.22.{}.{}", number / 250, number % 250 + 1);
    return {.set = fixture_name + "_pods",
            .key = Key().address(*IpAddress::parse(text)),
            .data = {},
            .comment = fmt::format("net/pod{}/eth0", number)};
  }
  static std::string rules() { return must_run("nft -s list ruleset"); }
};

TEST_F(Nftables, AFixtureReadsAsItWasMeant) {
  NlSocket socket = open_socket();
  put(socket, fixture(), {pod(1)}, "putting");
  EXPECT_THAT(rules(),
              AllOf(HasSubstr("table inet barewire"), HasSubstr("type ipv4_addr"),
                    HasSubstr("10.22.0.2 comment \"net/pod1/eth0\""),
                    HasSubstr("type nat hook postrouting priority srcnat; policy accept;"),
                    HasSubstr("ip saddr @masq_pods ip daddr != 10.22.0.0/16 masquerade comment \"to the outside\"")));
  EXPECT_THAT(compare(socket, fixture(), {pod(1)}), IsEmpty());
  EXPECT_TRUE(has_element(socket, fixture().table, pod(1)));
  EXPECT_FALSE(has_element(socket, fixture().table, pod(2)));
}

TEST_F(Nftables, TheLastElementTakesTheFixtureWithIt) {
  NlSocket socket = open_socket();
  put(socket, fixture(), {pod(1)}, "putting");
  put(socket, fixture(), {pod(2)}, "putting");
  drop(socket, fixture(), {pod(1)}, "dropping");
  EXPECT_THAT(rules(), AllOf(HasSubstr("net/pod2/eth0"), Not(HasSubstr("net/pod1/eth0"))));
  drop(socket, fixture(), {pod(2)}, "dropping");
  EXPECT_EQ("", rules());
  drop(socket, fixture(), {pod(2)}, "dropping");
  EXPECT_EQ("", rules());
}

TEST_F(Nftables, OneFixtureLeavesAnotherAndAForeignTableAlone) {
  must_run("nft 'add table inet theirs; add chain inet theirs c { type filter hook input priority 0; }'");
  const std::string theirs = rules();
  NlSocket socket = open_socket();
  put(socket, fixture("a"), {pod(1, "a")}, "putting");
  put(socket, fixture("b"), {pod(2, "b")}, "putting");
  drop(socket, fixture("a"), {pod(1, "a")}, "dropping");
  EXPECT_THAT(rules(), AllOf(HasSubstr("chain b"), Not(HasSubstr("chain a")), Not(HasSubstr("a_pods"))));
  drop(socket, fixture("b"), {pod(2, "b")}, "dropping");
  EXPECT_EQ(theirs, rules());
}

TEST_F(Nftables, PuttingTwiceIsHarmless) {
  NlSocket socket = open_socket();
  put(socket, fixture(), {pod(1)}, "putting");
  const std::string once = rules();
  put(socket, fixture(), {pod(1)}, "putting");
  EXPECT_EQ(once, rules());
}

TEST_F(Nftables, DamageIsFoundAndThenPutRight) {
  NlSocket socket = open_socket();
  put(socket, fixture(), {pod(1)}, "putting");
  const std::string whole = rules();
  for (const char* damage :
       {"nft flush chain inet barewire masq", "nft add rule inet barewire masq accept",
        "nft delete element inet barewire masq_pods '{ 10.22.0.2 }'",
        "nft 'flush chain inet barewire masq; delete chain inet barewire masq'", "nft delete table inet barewire"}) {
    must_run(damage);
    EXPECT_THAT(compare(socket, fixture(), {pod(1)}), Not(IsEmpty())) << damage;
    put(socket, fixture(), {pod(1)}, "putting");
    EXPECT_EQ(whole, rules()) << damage;
  }
}

TEST_F(Nftables, ABatchIsDoneWhollyOrNotAtAll) {
  NlSocket socket = open_socket();
  Batch batch({Family::inet, "barewire"});
  batch.add_table("a test");
  batch.add_chain({.name = "c", .hook = std::nullopt, .comment = {}, .rules = {}});
  batch.add_rule("no-such-chain", Rule().accept());
  try {
    batch.commit(socket, "adding three things");
    FAIL() << "a rule in no chain";
  } catch (const KernelError& error) {
    EXPECT_EQ(ENOENT, error.err());
    EXPECT_THAT(error.what(), HasSubstr("adding three things failed"));
  }
  EXPECT_EQ("", rules());
}

TEST_F(Nftables, ABatchThatRequiresAGenerationIsRefusedAfterAnotherChange) {
  NlSocket socket = open_socket();
  const std::uint32_t seen = generation(socket);
  must_run("nft add table inet theirs");
  Batch batch({Family::inet, "barewire"});
  batch.require_generation(seen);
  batch.add_table("a test");
  try {
    batch.commit(socket, "adding a table");
    FAIL() << "an outdated generation";
  } catch (const KernelError& error) {
    EXPECT_EQ(ERESTART, error.err());
  }
}

TEST_F(Nftables, AMapRefusesAnotherDatumUnderAKey) {
  NlSocket socket = open_socket();
  Batch batch({Family::inet, "barewire"});
  batch.add_table("a test");
  batch.add_set({.name = "ports",
                 .key = {Type::inet_proto, Type::inet_service},
                 .data = {Type::ipv4_addr, Type::inet_service},
                 .comment = {}});
  Element element{.set = "ports",
                  .key = Key().protocol(IPPROTO_TCP).port(9090),
                  .data = Key().address(*IpAddress::parse("10.22.0.2")).port(80),
                  .comment = "pod1"};
  batch.add_element(element);
  batch.commit(socket, "mapping a port");
  EXPECT_THAT(rules(), HasSubstr("tcp . 9090 comment \"pod1\" : 10.22.0.2 . 80"));
  Batch again({Family::inet, "barewire"});
  element.data = Key().address(*IpAddress::parse("10.22.0.3")).port(80);
  again.add_element(element);
  EXPECT_THROW(again.commit(socket, "mapping it again"), KernelError);
}

TEST_F(Nftables, InterfaceNamesReadAsTheyAre) {
  NlSocket socket = open_socket();
  Batch batch({Family::bridge, "barewire"});
  batch.add_table("a test");
  batch.add_set({.name = "ports", .key = {Type::ifname}, .data = {}, .comment = {}});
  const Element port{.set = "ports", .key = Key().interface_name("veth12345678"), .data = {}, .comment = "pod1"};
  batch.add_element(port);
  batch.commit(socket, "adding a port");
  EXPECT_THAT(rules(), HasSubstr("\"veth12345678\" comment \"pod1\""));
  EXPECT_TRUE(has_element(socket, {Family::bridge, "barewire"}, port));
}

TEST_F(Nftables, ABatchOfThousandsOfElementsFits) {
  NlSocket socket = open_socket();
  std::vector<Element> elements;
  for (int i = 0; i < 5000; ++i) elements.push_back(pod(i));
  put(socket, fixture(), elements, "putting many");
  EXPECT_TRUE(has_element(socket, fixture().table, pod(4999)));
  EXPECT_FALSE(is_empty_set(fixture().table, "masq_pods"));
  drop(socket, fixture(), elements, "dropping many");
  EXPECT_EQ("", rules());
}

/// Each worker has the netns of the test; a fixture comes and goes under the others' hands all the time.
TEST_F(Nftables, ManyAtOnceLoseNothingAndLeaveNothing) {
  constexpr int kWorkers = 4, kRounds = 50;
  const std::string here = fmt::format("/proc/self/task/{}/ns/net", ::gettid());
  std::vector<std::thread> workers;
  std::atomic<int> lost = 0;
  for (int worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([&, worker] {
      test::in_netns(here, [&] {
        NlSocket socket = open_socket();
        for (int round = 0; round < kRounds; ++round) {
          const Element element = pod(worker * kRounds + round);
          put(socket, fixture(), {element}, "putting");
          if (!compare(socket, fixture(), {element}).empty()) ++lost;
          drop(socket, fixture(), {element}, "dropping");
        }
      });
    });
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(0, lost);
  NlSocket socket = open_socket();
  drop(socket, fixture(), {}, "tidying");
  EXPECT_EQ("", rules());
}

}  // namespace
}  // namespace barewire::kernel::nft
