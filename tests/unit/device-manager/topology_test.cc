// SPDX-License-Identifier: Apache-2.0
#include "device-manager/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "device-manager/cli/topology_view.h"
#include "tests/support/fake_sysfs.h"
#include "tests/unit/device-manager/sample.h"

namespace barewire::manager {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// The sample's PF on NUMA node 0, another without VFs on none; VF 0's representor and VF 1's owner on br0.
Topology sample_topology() {
  Topology topology{.node = "node3", .snapshot = sample::snapshot()};
  topology.snapshot.pfs[0].pf.pci.numa_node = 0;
  PfEntry other = sample::pf();
  other.pf.pci.address = "0000:02:00.0";
  other.pf.link.reset();
  other.vfs.clear();
  topology.snapshot.pfs.push_back(other);
  topology.representors["0000:01:10.0"] = "ens1f0_0";
  BridgeEntry bridge{.name = "br0", .datapath = "system", .ports = {}, .mirrors = {}};
  PortEntry port;
  port.name = "ens1f0_0";
  port.interfaces = {"ens1f0_0"};
  port.state = PortState::up;
  port.tag = 100;
  port.offload = PortOffload{true, 5, 4};
  bridge.ports.push_back(port);
  port.name = "vhu1";
  port.interfaces = {"vhu1"};
  port.owner = topology.snapshot.pfs[0].vfs[1].holder;
  port.offload.reset();
  bridge.ports.push_back(port);
  topology.vswitch = SwitchSnapshot{};
  topology.vswitch->running = true;
  topology.vswitch->bridges.push_back(bridge);
  topology.pools = {{"example.com/fast", 5, 1, 1, {"0000:01:10.1"}}};
  topology.traffic["0000:01:10.1"] = {1'500'000, 2'000, {}, {}};
  topology.problems = {"a record is damaged"};
  return topology;
}

TEST(Topology, FindsTheSwitchsPortOfAVfByRepresentorAndByOwner) {
  const Topology topology = sample_topology();
  const auto ports = ports_of_vfs(topology);
  ASSERT_THAT(ports, SizeIs(2));
  EXPECT_EQ(ports.at("0000:01:10.0").port->name, "ens1f0_0");
  EXPECT_EQ(ports.at("0000:01:10.1").port->name, "vhu1");
  EXPECT_EQ(ports.at("0000:01:10.1").bridge->name, "br0");
}

TEST(Topology, NumaNodesAreInOrderAndWhatHasNoneIsLast) {
  Topology topology = sample_topology();
  topology.snapshot.pfs[1].pf.pci.numa_node = -1;
  const auto nodes = by_numa_node(topology);
  ASSERT_THAT(nodes, SizeIs(2));
  EXPECT_EQ(nodes[0].first, 0);
  EXPECT_EQ(nodes[1].first, -1);
  EXPECT_THAT(by_numa_node(Topology{.node = "", .snapshot = {}}), SizeIs(0));
}

TEST(Topology, HealthIsThatOfThePort) {
  PfEntry pf = sample::pf();
  EXPECT_EQ(health_of(pf), PfHealth::well);
  pf.pf.link->carrier = false;
  EXPECT_EQ(health_of(pf), PfHealth::no_carrier);
  pf.pf.link->flags = 0;
  EXPECT_EQ(health_of(pf), PfHealth::down);
  pf.pf.link.reset();
  EXPECT_EQ(health_of(pf), PfHealth::no_netdev);
}

TEST(Topology, JsonSaysOfAVfWhoHasItAndWhereItIsPluggedIn) {
  const auto document = to_json(sample_topology());
  EXPECT_EQ(document.at("format").as_int64(), 1);
  const auto& pf = document.at("numaNodes").at(0).at("pfs").at(0);
  EXPECT_EQ(pf.at("health").as_string(), "well");
  const auto& held = pf.at("vfs").at(1);
  EXPECT_EQ(held.at("state").as_string(), "in_pod");
  EXPECT_EQ(held.at("pod").at("name").as_string(), "web-0");
  EXPECT_EQ(held.at("vlan").to_number<int>(), 100);
  EXPECT_EQ(held.at("holder").at("network").as_string(), "blue");
  EXPECT_EQ(held.at("pool").as_string(), "example.com/fast");
  EXPECT_EQ(held.at("port").as_string(), "vhu1");
  const auto& idle = pf.at("vfs").at(0);
  EXPECT_EQ(idle.at("representor").as_string(), "ens1f0_0");
  EXPECT_EQ(idle.at("offload").at("inHardware").to_number<int>(), 4);
  EXPECT_TRUE(idle.at("pod").is_null());
  EXPECT_EQ(document.at("traffic").at("0000:01:10.1").at("rxBytes").to_number<int>(), 1'500'000);
  EXPECT_TRUE(document.at("traffic").at("0000:01:10.1").at("rxRate").is_null());
}

TEST(Topology, TextFitsItsWidthAndFoldsVfsThatAreAlike) {
  Topology topology = sample_topology();
  PfEntry& pf = topology.snapshot.pfs[0];
  for (std::uint32_t id = 5; id < 64; ++id) pf.vfs.push_back(sample::vf(id, VfState::free));
  const std::string text = cli::render_topology(topology, {.utf8 = true});
  EXPECT_THAT(text, AllOf(HasSubstr("NUMA node 0"), HasSubstr("VF 5-63  free"), HasSubstr("default/web-0"),
                          HasSubstr("VLAN 100"), HasSubstr("vlan is 300, ADD set 100"), HasSubstr("bridge br0")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\033")), HasSubstr("├─ "), HasSubstr("rx 1.5 MB tx")));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(cli::display_width(line), 80U) << line;
  EXPECT_THAT(cli::render_topology(topology, {.colours = true}), HasSubstr("\033[31m"));
  EXPECT_THAT(cli::render_topology(topology, {}), AllOf(HasSubstr("|- "), Not(HasSubstr("├"))));
}

TEST(Topology, SvgIsXmlWhateverNamesThereAre) {
  Topology topology = sample_topology();
  topology.snapshot.pfs[0].vfs[1].holder->pod.name = "<script>alert(\"1\")&\x01\xff";
  topology.snapshot.pfs[0].vfs[1].holder->id.network = "\x1b]0;title\x07";
  const std::string svg = cli::render_topology_svg(topology);
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;script&gt;alert(&quot;1&quot;)&amp;"), Not(HasSubstr("<script"))));
  for (const char c : svg) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n') << static_cast<int>(c);
  EXPECT_THAT(svg, AllOf(HasSubstr("class=\"cell drifted\""), HasSubstr("br0"), HasSubstr("prefers-color-scheme")));
  EXPECT_THAT(svg, Not(HasSubstr("href")));
}

TEST(Topology, APartThatCannotBeReadTakesNoOtherAway) {
  const test::FakeSysfs sysfs;
  const test::PrivateDirectory state;
  Node node{.sysfs = sysfs.root(), .run_dir = state.path() + "/run", .cni_state_dir = state.path() + "/lib"};
  TopologyLook look{.pools_file = state.write("pools.json", "{")};
  look.database = ovsdb::parse_endpoint(state.path() + "/none.sock", "--db");
  EXPECT_FALSE(take_topology(node, look).vswitch);
  EXPECT_THAT(take_topology(node, look).problems, SizeIs(1)) << "the pools";
  look.asks_for_switch = true;
  EXPECT_THAT(take_topology(node, look).problems, SizeIs(2)) << "and the switch";
}

TEST(TrafficMeter, MakesRatesOfTwoCounts) {
  using std::chrono::milliseconds;
  const TrafficMeter::Time begin{};
  TrafficMeter meter;
  EXPECT_EQ(meter.measure({{"a", {1000, 0, {}, {}}}}, begin).at("a").rx_rate, std::nullopt);
  const Traffic second = meter.measure({{"a", {3000, 0, {}, {}}}, {"b", {5, {}, {}, {}}}}, begin + milliseconds(500));
  EXPECT_EQ(second.at("a").rx_rate, 4000U);
  EXPECT_EQ(second.at("a").tx_rate, 0U);
  EXPECT_EQ(second.at("b").rx_rate, std::nullopt) << "it is new";
  const Traffic third = meter.measure({{"a", {10, {}, {}, {}}}}, begin + milliseconds(1000));
  EXPECT_EQ(third.at("a").rx_rate, std::nullopt) << "its counter went back";
  EXPECT_EQ(third.at("a").tx_rate, std::nullopt) << "it is not counted any more";
  EXPECT_EQ(meter.measure({{"a", {20, {}, {}, {}}}}, begin + milliseconds(1000)).at("a").rx_rate, std::nullopt)
      << "no time has passed";
}

}  // namespace
}  // namespace barewire::manager
