// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <set>

#include "tests/lab/sriov/sriov_lab.h"

namespace barewire::test {
namespace {

using Pool = SriovLab;  // with all 7 VFs of pf0

std::string pci_of(const PluginResult& result) {
  return std::string(result.json.at("interfaces").at(0).at("pciID").as_string());
}

TEST_F(Pool, SevenParallelAddsGetSevenVfsAndTheEighthIsToldToTryAgain) {
  const auto before = NodeSnapshot::take();
  const std::string text = config_without_device(R"(,"pool":"pf0","vlan":100)");
  std::vector<std::future<PluginResult>> calls;
  for (int i = 0; i < 7; ++i)
    calls.push_back(std::async(std::launch::async, [&, i] { return add(text, pod("a", fmt::format("net{}", i))); }));
  std::set<std::string> devices;
  for (auto& call : calls) {
    const PluginResult result = call.get();
    EXPECT_TRUE(result.ok()) << result;
    if (result.ok()) devices.insert(pci_of(result));
  }
  EXPECT_EQ(7U, devices.size());

  const auto full = NodeSnapshot::take();
  const PluginResult eighth = add(text, pod("b"));
  EXPECT_EQ(11, eighth.code()) << eighth;
  EXPECT_NE(std::string::npos, eighth.msg().find("no VF of pool \"pf0\" is free")) << eighth;
  EXPECT_NE(std::string::npos, eighth.out.find("lan/id-a/net3")) << eighth;
  EXPECT_NODE_UNCHANGED(full);

  EXPECT_TRUE(runner_.status("sriov", text).ok()) << "the node still serves its other networks";
  const PluginResult status = runner_.status("sriov", config_without_device(R"(,"pf":"pf0","strictStatus":true)"));
  EXPECT_EQ(50, status.code()) << status;
  for (int i = 0; i < 7; ++i) must_del(text, pod("a", fmt::format("net{}", i)));
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_TRUE(runner_.status("sriov", text).ok());
}

TEST_F(Pool, RangeIsKept) {
  const std::string text = config_without_device(R"(,"pf":"pf0#2,5-6")");
  EXPECT_EQ(vf(2).address, pci_of(must_add(text, pod("a", "net0"))));
  EXPECT_EQ(vf(5).address, pci_of(must_add(text, pod("a", "net1"))));
  EXPECT_EQ(vf(6).address, pci_of(must_add(text, pod("a", "net2"))));
  EXPECT_EQ(11, add(text, pod("a", "net3")).code());
}

TEST_F(Pool, VfsThatTheHostUsesAreLeftAlone) {
  must_run("ip link add br7 type bridge; ip link set " + vf(0).netdev + " master br7; ip address add 10.7.7.7/24 dev " +
           vf(1).netdev + "; ip link set " + vf(1).netdev + " up");
  EXPECT_EQ(vf(2).address, pci_of(must_add(config_without_device(R"(,"pf":"pf0")"), pod("a"))));
}

TEST_F(Pool, VfOfADeadPodIsTakenWhenNothingElseIsFree) {
  const std::string text = config_without_device(R"(,"pf":"pf0#3","vlan":100)");
  must_add(text, pod("a"));
  delete_netns("a");
  EXPECT_EQ(vf(3).address, pci_of(must_add(text, pod("b"))));
}

TEST_F(Pool, SeveralPfsAreTriedInOrder) {
  const std::string text = config_without_device(R"(,"pool":["pf1","0000:01:00.0#4"])");
  EXPECT_EQ(vf(4).address, pci_of(must_add(text, pod("a"))));
}

TEST_F(Pool, PfThatDoesNotExistIsNamed) {
  const PluginResult result = add(config_without_device(R"(,"pf":"pf9")"), pod("a"));
  EXPECT_EQ(11, result.code()) << result;
  EXPECT_NE(std::string::npos, result.out.find("there is no PF pf9")) << result;
  EXPECT_EQ(50, runner_.status("sriov", config_without_device(R"(,"pf":"pf9")")).code());
}

TEST_F(Pool, StatusSaysThatThePfHasNoCarrier) {
  must_run("ip link set pf0 down");
  EXPECT_EQ(51, runner_.status("sriov", config_without_device(R"(,"pf":"pf0")")).code());
}

TEST_F(Pool, StatusAsksIpamToo) {
  const PluginResult result =
      runner_.status("sriov", config_without_device(R"(,"pf":"pf0","ipam":{"type":"no-such-ipam"})"));
  EXPECT_EQ(106, result.code()) << result;
}

}  // namespace
}  // namespace barewire::test
