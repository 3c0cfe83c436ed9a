// SPDX-License-Identifier: Apache-2.0
/// One directory, two programs: the built host-local and the reference's, of Debian's containernetworking-plugins.
#include <memory>
#include <set>

#include "tests/plugin/ipam/host_local_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

constexpr const char* kReference = "/usr/lib/cni/host-local";

class HostLocalShared : public HostLocalTest {
 protected:
  void SetUp() override {
    HostLocalTest::SetUp();
    if (IsSkipped()) return;
    if (!fs::exists(kReference)) GTEST_SKIP() << kReference << " is missing: install containernetworking-plugins";
    runner_.install("reference", kReference);
  }
  std::string shared(const std::string& ipam = kSubnet) const { return config(ipam, "1.0.0"); }
};

TEST_F(HostLocalShared, EachSeesWhatTheOtherReserved) {
  EXPECT_THAT(addresses(runner_.add("reference", shared(), pod("a"))), ElementsAre("10.1.2.2/24"));
  EXPECT_THAT(addresses(runner_.add("host-local", shared(), pod("b"))), ElementsAre("10.1.2.3/24"));
  EXPECT_THAT(addresses(runner_.add("reference", shared(), pod("c"))), ElementsAre("10.1.2.4/24"));
  EXPECT_THAT(addresses(runner_.add("host-local", shared(), pod("d"))), ElementsAre("10.1.2.5/24"));
}

TEST_F(HostLocalShared, WritesTheSameFiles) {
  const std::string ipam =
      R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"2001:db8:0:1::/64"}],[{"subnet":"fd00::/112"}]])";
  const auto content = [&](const std::string& plugin) {
    fs::remove_all(kDirectory);
    EXPECT_TRUE(runner_.add(plugin, shared(ipam), pod("a")).ok());
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(kDirectory))
      files[entry.path().filename()] = read_file(entry.path()).value_or("?");
    return files;
  };
  EXPECT_EQ(content("host-local"), content("reference"));
}

TEST_F(HostLocalShared, GivesTheSameResult) {
  const std::string ipam =
      R"("ranges":[[{"subnet":"10.1.2.0/24","rangeStart":"10.1.2.7"}],[{"subnet":"2001:db8:0:1::/64","gateway":"2001:db8:0:1::ff"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"10.0.0.0/8","gw":"10.1.2.9"}],"resolvConf":"/etc/resolv.conf")";
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"}) {
    const auto result = [&](const std::string& plugin) {
      fs::remove_all(kDirectory);
      auto json = runner_.add(plugin, config(ipam, version), pod("a")).json;
      if (json.is_object() && json.at("cniVersion") == "1.0.0" && json.as_object().contains("dns") &&
          json.at("dns").as_object().empty())
        json.as_object().erase("dns");
      return json;
    };
    EXPECT_EQ(result("host-local"), result("reference")) << version;
  }
}

TEST_F(HostLocalShared, EachReleasesWhatTheOtherReserved) {
  ASSERT_TRUE(runner_.add("reference", shared(), pod("a")).ok());
  ASSERT_TRUE(runner_.add("host-local", shared(), pod("b")).ok());
  EXPECT_TRUE(runner_.check("reference", shared(), pod("b")).ok());
  EXPECT_TRUE(runner_.check("host-local", shared(), pod("a")).ok());
  ASSERT_TRUE(runner_.del("reference", shared(), pod("b")).ok());
  ASSERT_TRUE(runner_.del("host-local", shared(), pod("a")).ok());
  EXPECT_THAT(reservations(), IsEmpty());
}

TEST_F(HostLocalShared, BothRefuseASecondAddOfTheOthersAttachment) {
  ASSERT_TRUE(runner_.add("reference", shared(), pod("a")).ok());
  EXPECT_EQ(runner_.add("host-local", shared(), pod("a")).code(), 102);
  ASSERT_TRUE(runner_.add("host-local", shared(), pod("b")).ok());
  EXPECT_THAT(runner_.add("reference", shared(), pod("b")).msg(), HasSubstr("duplicate allocation"));
}

TEST_F(HostLocalShared, BothExhaustARangeTogether) {
  const std::string tiny = shared(R"("subnet":"10.1.2.0/29")");
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(runner_.add(i % 2 ? "reference" : "host-local", tiny, pod(fmt::format("p{}", i))).ok());
  EXPECT_EQ(runner_.add("host-local", tiny, pod("x")).code(), 11);
  EXPECT_FALSE(runner_.add("reference", tiny, pod("x")).ok());
  ASSERT_TRUE(runner_.del("reference", tiny, pod("p2")).ok());
  EXPECT_THAT(addresses(runner_.add("host-local", tiny, pod("y"))), ElementsAre("10.1.2.4/29"));
}

TEST_F(HostLocalShared, IsNotDisturbedByTheOtherBetweenEveryTwoCalls) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(runner_.add("host-local", shared(), pod("a")).ok());
    ASSERT_TRUE(runner_.add("reference", shared(), pod("b")).ok());
    ASSERT_TRUE(runner_.del("host-local", shared(), pod("b")).ok());
    ASSERT_TRUE(runner_.del("reference", shared(), pod("a")).ok());
    ASSERT_THAT(reservations(), IsEmpty()) << round;
  }
}

TEST_F(HostLocalShared, SixtyCallsOfBothAtOnceGetSixtyAddressesAndLeaveNone) {
  std::vector<std::unique_ptr<ChildProcess>> children;
  const auto run_all = [&](const char* verb, int shift) {
    children.clear();
    for (int i = 0; i < 60; ++i)
      children.push_back(std::make_unique<ChildProcess>(
          runner_.command(verb, (i + shift) % 2 ? "reference" : "host-local", shared(), pod(fmt::format("pod{}", i)))));
  };
  run_all("ADD", 0);
  std::set<std::string> distinct;
  for (auto& child : children) {
    const PluginResult result = PluginRunner::result_of(child->wait(std::chrono::seconds(60)));
    ASSERT_TRUE(result.ok()) << result;
    distinct.insert(addresses(result).at(0));
  }
  EXPECT_EQ(distinct.size(), 60U);
  EXPECT_EQ(reservations().size(), 60U);
  run_all("DEL", 1);  // each by the program that did not add it
  for (auto& child : children) EXPECT_TRUE(child->wait(std::chrono::seconds(60)).ok());
  EXPECT_THAT(reservations(), IsEmpty());
}

TEST_F(HostLocalShared, FreesTheEmptyFileThatAKilledReferenceLeaves) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const std::string first = std::string(kDirectory) + "/10.1.2.2";
  const Command add = runner_.command("ADD", "reference", shared(), pod("a"));
  ASSERT_TRUE(kill_at(add, first, KillTime::after).struck);
  ASSERT_TRUE(fs::is_empty(first)) << "killed between making the file and writing it";
  EXPECT_TRUE(runner_.del("host-local", shared(), pod("a")).ok());
  EXPECT_FALSE(fs::exists(first));
  ASSERT_TRUE(kill_at(add, first, KillTime::after).struck);
  EXPECT_THAT(addresses(runner_.add("host-local", shared(R"("subnet":"10.1.2.0/30")"), pod("b"))),
              ElementsAre("10.1.2.2/30"));
}

}  // namespace
}  // namespace barewire::test
