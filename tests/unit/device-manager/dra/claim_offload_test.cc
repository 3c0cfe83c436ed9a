// SPDX-License-Identifier: Apache-2.0
/// What a claim's condition says of flows, and how long something has to be so before it is said.
#include "device-manager/dra/claim_offload.h"

#include <gmock/gmock.h>

namespace barewire::dra {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr const char* kVf = "0000:01:10.3";

manager::PortEntry port_with(std::size_t flows, std::size_t in_hardware, std::size_t skipped = 0) {
  manager::PortEntry port;
  port.name = "rep3";
  port.interfaces = {"rep3"};
  port.offload =
      manager::PortOffload{.representor = true, .flows = flows, .in_hardware = in_hardware, .skipped = skipped};
  return port;
}

manager::SwitchSnapshot switch_with(const manager::PortEntry& port) {
  manager::SwitchSnapshot snapshot;
  snapshot.hw_offload = true;
  snapshot.bridges.push_back({.name = "br0", .datapath = "system", .ports = {port}, .mirrors = {}});
  return snapshot;
}

std::optional<OffloadVerdict> verdict_of(const manager::SwitchSnapshot& snapshot) {
  return judge_port(snapshot, snapshot.bridges[0], snapshot.bridges[0].ports[0]);
}

TEST(ClaimOffload, SaysInWordsWhyFlowsAreNotInHardware) {
  EXPECT_EQ(verdict_of(switch_with(port_with(3, 3)))->status, "True");
  EXPECT_EQ(verdict_of(switch_with(port_with(0, 0))), std::nullopt) << "no flows say nothing";
  const auto refused = verdict_of(switch_with(port_with(3, 2)));
  EXPECT_EQ(refused->status, "False");
  EXPECT_EQ(refused->reason, "DriverRefused");
  EXPECT_THAT(refused->message, HasSubstr("rep3 are in hardware: the driver refused"));
  EXPECT_EQ(refused, verdict_of(switch_with(port_with(1000, 1)))) << "a number that changes would be written each time";
  EXPECT_EQ(verdict_of(switch_with(port_with(3, 0, 3)))->reason, "MarkedSkipHw");
  auto veth = port_with(3, 0);
  veth.offload->representor = false;
  EXPECT_EQ(verdict_of(switch_with(veth))->reason, "NoSwitchPort");
  auto snapshot = switch_with(port_with(3, 3));
  snapshot.bridges[0].datapath = "netdev";
  EXPECT_EQ(verdict_of(snapshot)->status, "Unknown");
  snapshot.hw_offload = false;
  EXPECT_EQ(verdict_of(snapshot)->reason, "OffloadIsOff");
}

TEST(ClaimOffload, FindsThePortByItsOwnerOrByTheRepresentor) {
  state::Attachment attachment;
  attachment.id = {"lan", "cid", "net1", "sriov"};
  const std::map<std::string, state::Attachment> attachments{{kVf, attachment}};
  Scan scan;
  EXPECT_THAT(judge_devices(switch_with(port_with(1, 1)), attachments, scan), IsEmpty()) << "plugged in nowhere";
  auto owned = port_with(1, 1);
  owned.owner = attachment;
  owned.owner->id.plugin = "ovs";
  EXPECT_EQ(judge_devices(switch_with(owned), attachments, scan).count(kVf), 1U);
  owned.owner->id.ifname = "net2";
  EXPECT_THAT(judge_devices(switch_with(owned), attachments, scan), IsEmpty());
  Offer offer;
  offer.device.id = kVf;
  offer.device.pf = "0000:01:00.0";
  offer.device.number = 3;
  scan.offers.push_back(offer);
  scan.facts["0000:01:00.0"].representors[3] = "rep3";
  EXPECT_EQ(judge_devices(switch_with(port_with(1, 1)), attachments, scan).at(kVf)->status, "True");
}

class OffloadWatchTest : public ::testing::Test {
 protected:
  static constexpr auto kTrue = [] { return OffloadVerdict{"True", "InHardware", "all"}; };
  static constexpr auto kFalse = [] { return OffloadVerdict{"False", "DriverRefused", "not all"}; };
  /// After `later`, at the time "T<n>".
  OffloadCondition see(const std::optional<OffloadVerdict>& verdict, std::chrono::seconds later) {
    now_ += later;
    watch_.note({{kVf, verdict}}, now_, "T" + std::to_string(++looks_));
    return watch_.conditions().at(kVf);
  }

  OffloadWatch watch_;
  OffloadWatch::Time now_{};
  int looks_ = 0;
};

TEST_F(OffloadWatchTest, SaysAnotherThingOnlyWhenItWasSoForAWhile) {
  EXPECT_EQ(see(std::nullopt, 0s).verdict.reason, "NoFlows");
  EXPECT_EQ(see(kTrue(), 1s).verdict, kTrue()) << "the first that is known is said at once";
  EXPECT_EQ(see(std::nullopt, 60s).verdict, kTrue()) << "a pod that is silent is as it was";
  EXPECT_EQ(see(kFalse(), 60s).verdict, kTrue());
  EXPECT_EQ(see(kTrue(), 30s).verdict, kTrue());
  EXPECT_EQ(see(kFalse(), 30s).verdict, kTrue()) << "counted anew";
  const auto changed = see(kFalse(), 60s);
  EXPECT_EQ(changed.verdict, kFalse());
  EXPECT_EQ(changed.since, "T7");
  EXPECT_EQ(see(OffloadVerdict{"False", "MarkedSkipHw", "x"}, 60s).verdict, kFalse());
  const auto other_reason = see(OffloadVerdict{"False", "MarkedSkipHw", "x"}, 60s);
  EXPECT_EQ(other_reason.verdict.reason, "MarkedSkipHw");
  EXPECT_EQ(other_reason.since, "T7") << "the status is the same since then";
}

TEST_F(OffloadWatchTest, OneThatFlapsIsLeftAsItWas) {
  see(kTrue(), 0s);
  for (int look = 0; look < 1000; ++look) EXPECT_EQ(see(look % 2 == 0 ? kFalse() : kTrue(), 30s).since, "T1");
}

TEST_F(OffloadWatchTest, OneThatIsUnpluggedIsForgotten) {
  see(kTrue(), 0s);
  watch_.note({}, now_, "");
  EXPECT_THAT(watch_.conditions(), IsEmpty());
}

}  // namespace
}  // namespace barewire::dra
