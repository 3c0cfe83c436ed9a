// SPDX-License-Identifier: Apache-2.0
/// host-local's life cycle through the built plugin: ADD, DEL, CHECK, GC, STATUS, VERSION, and many at once.
#include <boost/json/parse.hpp>
#include <memory>
#include <set>

#include "tests/plugin/ipam/host_local_fixture.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;
namespace json = boost::json;

class HostLocal : public HostLocalTest {};

TEST_F(HostLocal, ReservesInTurnAndReturnsToAFreedAddressLast) {
  const std::string small = config(R"("subnet":"10.1.2.0/29")");
  for (const char* last : {"2", "3", "4"})
    EXPECT_THAT(addresses(runner_.add("host-local", small, pod(std::string("pod") + last))),
                ElementsAre(fmt::format("10.1.2.{}/29", last)));
  ASSERT_TRUE(runner_.del("host-local", small, pod("pod2")).ok());
  for (const char* last : {"5", "6", "2"})
    EXPECT_THAT(addresses(runner_.add("host-local", small, pod(std::string("new") + last))),
                ElementsAre(fmt::format("10.1.2.{}/29", last)));
  const PluginResult full = runner_.add("host-local", small, pod("one-more"));
  EXPECT_EQ(full.code(), 11) << full;
  EXPECT_THAT(full.msg(), HasSubstr("10.1.2.1-10.1.2.6"));
  EXPECT_EQ(reservations().size(), 5U);
}

TEST_F(HostLocal, FindsTheOneFreeAddressFarAway) {
  fs::create_directories(kDirectory);
  for (int i = 2; i < 1000; ++i) {
    const auto number = static_cast<unsigned>(i);
    if (i != 777)
      write_text(fmt::format("{}/10.1.{}.{}", kDirectory, number >> 8, number & 255), fmt::format("o{}\r\neth0", i));
  }
  const std::string wide = config(R"("subnet":"10.1.0.0/16","rangeEnd":"10.1.3.231")");
  EXPECT_THAT(addresses(runner_.add("host-local", wide, pod("a"))), ElementsAre("10.1.3.9/16"));
  EXPECT_EQ(runner_.add("host-local", wide, pod("b")).code(), 11);
}

TEST_F(HostLocal, RefusesASecondAddOfTheSameAttachmentInEveryVersion) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const std::string text = config(kSubnet, version);
    ASSERT_TRUE(runner_.add("host-local", text, pod("a")).ok()) << version;
    const PluginResult again = runner_.add("host-local", text, pod("a"));
    EXPECT_EQ(again.exit_status, 1);
    EXPECT_EQ(again.code(), 102) << again;
    EXPECT_EQ(reservations().size(), 1U) << "the first reservation stays";
    ASSERT_TRUE(runner_.del("host-local", text, pod("a")).ok());
  }
}

TEST_F(HostLocal, TellsInterfacesOfOneContainerApart) {
  EXPECT_THAT(addresses(runner_.add("host-local", config(kSubnet), pod("a", "eth0"))), ElementsAre("10.1.2.2/24"));
  EXPECT_THAT(addresses(runner_.add("host-local", config(kSubnet), pod("a", "net1"))), ElementsAre("10.1.2.3/24"));
  ASSERT_TRUE(runner_.del("host-local", config(kSubnet), pod("a", "eth0")).ok());
  EXPECT_THAT(reservations(), ElementsAre("10.1.2.3"));
}

TEST_F(HostLocal, LeavesNothingReservedWhenALaterRangeIsExhausted) {
  const std::string two = config(R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"10.9.0.0/30"}]])");
  ASSERT_TRUE(runner_.add("host-local", two, pod("a")).ok());
  const PluginResult full = runner_.add("host-local", two, pod("b"));
  EXPECT_EQ(full.code(), 11) << full;
  EXPECT_THAT(reservations(), ElementsAre("10.1.2.2", "10.9.0.2"));
}

TEST_F(HostLocal, DelSucceedsTwiceWithoutADirectoryAndWithAConfigurationAddWouldRefuse) {
  EXPECT_TRUE(runner_.del("host-local", config(kSubnet), pod("a")).ok());
  EXPECT_FALSE(fs::exists(kDirectory)) << "DEL makes nothing";
  ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a")).ok());
  for (int i = 0; i < 2; ++i) {
    const PluginResult gone =
        runner_.del("host-local", config(R"("subnet":"nonsense","ranges":7)"), pod("a", "eth0", "IP=x;Y=2"));
    EXPECT_TRUE(gone.ok()) << gone;
    EXPECT_EQ(gone.out, "");
  }
  EXPECT_THAT(reservations(), IsEmpty());
  EXPECT_TRUE(runner_.del("host-local", R"({"cniVersion":"1.1.0","name":"net1"})", pod("a")).ok());
}

TEST_F(HostLocal, DelWorksWithoutANetns) {
  ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a")).ok());
  CniCall call = pod("a");
  call.netns.clear();
  EXPECT_TRUE(runner_.del("host-local", config(kSubnet), call).ok());
  EXPECT_THAT(reservations(), IsEmpty());
}

TEST_F(HostLocal, CheckWantsAReservation) {
  const PluginResult none = runner_.check("host-local", config(kSubnet), pod("a"));
  EXPECT_EQ(none.code(), 104) << none;
  ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a")).ok());
  EXPECT_TRUE(runner_.check("host-local", config(kSubnet), pod("a")).ok());
  EXPECT_EQ(runner_.check("host-local", config(kSubnet), pod("a", "eth1")).code(), 104);
  EXPECT_EQ(runner_.check("host-local", config(kSubnet), pod("b")).code(), 104);
}

TEST_F(HostLocal, CheckWantsTheAddressesOfPrevResultInItsRanges) {
  ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a")).ok());
  const auto with = [&](const std::string& address) {
    return config(kSubnet, "1.1.0",
                  fmt::format(R"(,"prevResult":{{"cniVersion":"1.1.0","ips":[{{"address":"{}"}}]}})", address));
  };
  EXPECT_TRUE(runner_.check("host-local", with("10.1.2.2/24"), pod("a")).ok());
  EXPECT_TRUE(runner_.check("host-local", with("192.168.0.1/24"), pod("a")).ok()) << "another plugin's address";
  const PluginResult other = runner_.check("host-local", with("10.1.2.3/24"), pod("a"));
  EXPECT_EQ(other.code(), 104);
  EXPECT_THAT(other.msg(), HasSubstr("10.1.2.3"));
}

std::string valid_attachments(const std::string& list) {
  return R"(,"cni.dev/valid-attachments":)" + list;
}

TEST_F(HostLocal, GcReleasesWhatIsNotListed) {
  for (const char* name : {"a", "b"}) ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod(name)).ok());
  ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a", "net1")).ok());
  write_text(std::string(kDirectory) + "/10.1.2.100", "b");
  write_text(std::string(kDirectory) + "/10.1.2.101", "c");
  write_text(std::string(kDirectory) + "/10.1.2.102", "");
  const PluginResult gc = runner_.gc(
      "host-local",
      config(kSubnet, "1.1.0",
             valid_attachments(R"([{"containerID":"a","ifname":"net1"},{"containerID":"b","ifname":"eth0"}])")));
  EXPECT_TRUE(gc.ok()) << gc;
  EXPECT_THAT(reservations(), ElementsAre("10.1.2.100", "10.1.2.3", "10.1.2.4")) << "b's, an old one of b, a's net1";
  EXPECT_TRUE(fs::exists(std::string(kDirectory) + "/lock"));
  EXPECT_TRUE(fs::exists(std::string(kDirectory) + "/last_reserved_ip.0"));
  EXPECT_TRUE(runner_.del("host-local", config(kSubnet), pod("a")).ok()) << "a DEL may still follow";
}

TEST_F(HostLocal, GcReleasesEverythingForAnEmptyListAndNothingWithoutOne) {
  for (const std::string list : {"[]", "null"}) {
    ASSERT_TRUE(runner_.add("host-local", config(kSubnet), pod("a")).ok());
    const PluginResult without = runner_.gc("host-local", config(kSubnet));
    EXPECT_TRUE(without.ok()) << without;
    EXPECT_THAT(without.err, HasSubstr("cni.dev/valid-attachments"));
    EXPECT_EQ(reservations().size(), 1U);
    EXPECT_TRUE(runner_.gc("host-local", config(kSubnet, "1.1.0", valid_attachments(list))).ok());
    EXPECT_THAT(reservations(), IsEmpty()) << list;
  }
}

TEST_F(HostLocal, GcLeavesOtherNetworksAlone) {
  std::string other = config(kSubnet);
  other.replace(other.find("net1"), 4, "net2");
  ASSERT_TRUE(runner_.add("host-local", other, pod("a")).ok());
  ASSERT_TRUE(runner_.gc("host-local", config(kSubnet, "1.1.0", valid_attachments("[]"))).ok());
  EXPECT_THAT(reservations("/var/lib/cni/networks/net2"), ElementsAre("10.1.2.2"));
}

TEST_F(HostLocal, StatusTellsWhenNoAddressIsFreeOnlyWhereAsked) {
  const std::string keys = R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"10.9.0.0/30"}]])";
  const std::string two = config(keys + R"(,"strictStatus":true)");
  EXPECT_TRUE(runner_.status("host-local", two).ok());
  EXPECT_FALSE(fs::exists(kDirectory)) << "STATUS makes nothing";
  ASSERT_TRUE(runner_.add("host-local", two, pod("a")).ok());
  const PluginResult full = runner_.status("host-local", two);
  EXPECT_EQ(full.code(), 50) << full;
  EXPECT_THAT(full.msg(), HasSubstr("10.9.0.1-10.9.0.2"));
  EXPECT_TRUE(runner_.status("host-local", config(keys)).ok()) << "the node still serves its other networks";
  ASSERT_TRUE(runner_.del("host-local", two, pod("a")).ok());
  EXPECT_TRUE(runner_.status("host-local", two).ok());
}

TEST_F(HostLocal, StatusTellsWhenTheDirectoryCannotBeWritten) {
  make_private_directory("/mnt");
  must_run("mount -o remount,ro /mnt");
  const PluginResult status = runner_.status("host-local", config(R"("subnet":"10.1.2.0/24","dataDir":"/mnt/a/b")"));
  EXPECT_EQ(status.code(), 50) << status;
  EXPECT_THAT(status.msg(), HasSubstr("/mnt/a/b/net1"));
  const PluginResult add = runner_.add("host-local", config(R"("subnet":"10.1.2.0/24","dataDir":"/mnt/a/b")"));
  EXPECT_EQ(add.code(), 5) << add;
}

TEST_F(HostLocal, StatusRefusesAConfigurationThatAddWould) {
  EXPECT_EQ(runner_.status("host-local", config(R"("subnet":"10.1.2.0/31")")).code(), 7);
}

TEST_F(HostLocal, AnswersVersion) {
  const PluginResult version = runner_.call("VERSION", "host-local", "");
  EXPECT_EQ(version.json.at("supportedVersions"),
            json::parse(R"(["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"])"));
}

TEST_F(HostLocal, FiftyAddsAtOnceGetFiftyAddressesAndTheirDelsLeaveNone) {
  std::vector<std::unique_ptr<ChildProcess>> children;
  const auto run_all = [&](const char* verb) {
    children.clear();
    for (int i = 0; i < 50; ++i)
      children.push_back(std::make_unique<ChildProcess>(
          runner_.command(verb, "host-local", config(kSubnet), pod(fmt::format("pod{}", i)))));
  };
  run_all("ADD");
  std::set<std::string> distinct;
  for (auto& child : children) {
    const PluginResult result = PluginRunner::result_of(child->wait(std::chrono::seconds(60)));
    ASSERT_TRUE(result.ok()) << result;
    distinct.insert(addresses(result).at(0));
  }
  EXPECT_EQ(distinct.size(), 50U);
  run_all("DEL");
  for (auto& child : children) EXPECT_TRUE(child->wait(std::chrono::seconds(60)).ok());
  EXPECT_THAT(reservations(), IsEmpty());
}

TEST_F(HostLocal, WaitsForTheLockOfAnotherCall) {
  fs::create_directories(kDirectory);
  const Command held{.program = "flock",
                     .arguments = {std::string(kDirectory) + "/lock", "sleep", "0.5"},
                     .argv0 = {},
                     .environment = {},
                     .stdin_bytes = {},
                     .netns = {}};
  ChildProcess holder(held);
  while (!fs::exists(std::string(kDirectory) + "/lock")) ::usleep(1000);
  ::usleep(50'000);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(runner_.add("host-local", config(kSubnet)).ok());
  EXPECT_GT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200));
}

}  // namespace
}  // namespace barewire::test
