// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/portmap/conditions.h"

#include <gtest/gtest.h>

#include "standard-plugins/common/legacy_iptables.h"
#include "standard-plugins/common/reference.h"
#include "standard-plugins/common/sha512.h"

namespace barewire::standard {
namespace {

using Words = std::vector<std::string>;

/// How many rules the conditions become; -1 for those nftables does not know.
int rules_of(const Words& words, bool v4 = true) {
  const auto rules = parse_conditions(v4, words);
  return rules ? static_cast<int>(rules->size()) : -1;
}

TEST(Conditions, AreOneRuleForEachWayToHold) {
  EXPECT_EQ(1, rules_of({}));
  EXPECT_EQ(1, rules_of({"-s", "10.0.0.0/8", "!", "-d", "192.0.2.1", "-i", "eth+"}));
  EXPECT_EQ(2, rules_of({"-s", "10.0.0.0/8,192.0.2.1"}));
  EXPECT_EQ(1, rules_of({"ip", "saddr", "10.0.0.0/8"}));
  EXPECT_EQ(4, rules_of({"ip saddr {10.0.0.0/8, 192.0.2.1} iifname { \"a\", b* }"}));
  EXPECT_EQ(1, rules_of({"ip", "saddr", "!=", "{", "10.0.0.0/8", ",", "192.0.2.1", "}"}));
  EXPECT_EQ(3, rules_of({"ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3, }"})) << "the nft command takes a last comma";
  EXPECT_EQ(1, rules_of({"meta", "iifname", "eth0"}));
  EXPECT_EQ(2, rules_of({"meta iif { lo, 7 }"}));
  EXPECT_EQ(1, rules_of({"ip6 daddr 2001:db8::/32"}, false));
}

TEST(Conditions, OfAnotherKindAreForIptables) {
  for (const Words& words : std::vector<Words>{{"-m", "mark"},
                                               {"-s"},
                                               {"-s", "2001:db8::1"},
                                               {"ip", "saddr"},
                                               {"ip saddr {10.0.0.0/8"},
                                               {"ip saddr {}"},
                                               {"ip saddr { 10.0.0.0/8 10.1.0.0/16 }"},
                                               {"ip6 saddr ::1"},
                                               {"tcp dport 80"},
                                               {"iifname"},
                                               {"meta"}})
    EXPECT_EQ(-1, rules_of(words)) << ::testing::PrintToString(words);
  std::string many = "{ 10.0.0.1";
  for (int i = 0; i < 20; ++i) many += ", 10.0.0.1";
  EXPECT_EQ(-1, rules_of({"ip saddr " + many + " } ip daddr " + many + " }"})) << "441 rules";
}

TEST(Conditions, TellTheirLanguageAndHostNames) {
  EXPECT_TRUE(is_nft_condition({"ip", "saddr", "10.0.0.1"}));
  EXPECT_FALSE(is_nft_condition({"!", "-s", "10.0.0.1"}));
  EXPECT_FALSE(is_nft_condition({}));
  EXPECT_EQ("node", find_host_name({"-m", "x", "!", "-s", "10.0.0.1,node"}));
  EXPECT_EQ("abc", find_host_name({"--dst", "abc"}));
  EXPECT_EQ(std::nullopt, find_host_name({"-s", "10.0.0.0/255.0.0.0", "-d", "2001:db8::/32", "-m", "set", "--match-set",
                                          "name", "src"}));
}

TEST(Reference, NamesAreHashesOfNetworkAndContainer) {
  EXPECT_EQ("2bbe0c48b91a7d1b8a6753a8", sha512_hex("test1234").substr(0, 24));
  EXPECT_EQ(128U, sha512_hex("").size());
  const state::AttachmentId id{.network = "test", .container_id = "1234", .ifname = "eth0", .plugin = {}};
  EXPECT_EQ("bwp2bbe0c48b91a", reference_ifb_name(id));
}

TEST(LegacyIptables, CommentsAreReadOutOfALine) {
  EXPECT_EQ("name: \"mynet\" id: \"pod1\"",
            unquoted_comment(
                R"(-A POSTROUTING -s 10.22.0.2/32 -m comment --comment "name: \"mynet\" id: \"pod1\"" -j CNI-1)"));
  EXPECT_EQ("one", unquoted_comment("-A X -m comment --comment one -j Y"));
  EXPECT_EQ("", unquoted_comment("-A X -j Y"));
  EXPECT_EQ("open", unquoted_comment("-A X -m comment --comment \"open"));
}

}  // namespace
}  // namespace barewire::standard
