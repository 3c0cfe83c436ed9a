// SPDX-License-Identifier: Apache-2.0
// The table of `barewire ovs`: a bridge is a heading, its ports are rows, its mirrors notes below. Words are Open
// vSwitch's own, so that they can be looked up in ovs-vswitchd.conf.db(5).
#include "device-manager/cli/ovs_view.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "device-manager/cli/list_view.h"
#include "device-manager/cli/table.h"

namespace barewire::cli {
namespace {

using manager::BridgeEntry;
using manager::MirrorEntry;
using manager::PortEntry;
using manager::PortState;
using Align = Column::Align;

/// "10-12,20".
std::string ranges_text(const std::vector<std::int64_t>& sorted) {
  std::vector<std::string> parts;
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t last = first;
    while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) ++last;
    parts.push_back(first == last ? fmt::format("{}", sorted[first])
                                  : fmt::format("{}-{}", sorted[first], sorted[last]));
    first = last + 1;
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::string option(const PortEntry& port, const char* key) {
  const auto found = port.options.find(key);
  return found == port.options.end() ? std::string() : found->second;
}

/// What is at the port's other side, where the database knows it.
std::string peer_text(const PortEntry& port) {
  if (const std::string remote = option(port, "remote_ip"); !remote.empty()) {
    const std::string key = option(port, "key");
    return key.empty() ? "to " + remote : fmt::format("to {} key {}", remote, key);
  }
  // A port has one of them at most: each belongs to another type.
  for (const char* key : {"dpdk-devargs", "vhost-server-path", "peer"})
    if (std::string value = option(port, key); !value.empty()) return value;
  return port.interfaces.size() > 1 ? fmt::format("bond of {}", fmt::join(port.interfaces, ", ")) : std::string();
}

std::string offload_text(const PortEntry& port) {
  if (!port.offload) return "";
  if (port.offload->flows == 0) return "no flows";
  return fmt::format("{}/{} in hw", port.offload->in_hardware, port.offload->flows);
}

std::string bytes_text(const std::optional<std::uint64_t>& bytes) {
  return bytes ? fmt::format("{}", *bytes) : "";
}

struct PortColumn {
  Column column;
  bool wide_only;
  Cell (*show)(const PortEntry&);
};

template <typename Member>
Cell of_owner(const PortEntry& port, Member member) {
  return port.owner ? Cell(std::string(member(*port.owner))) : Cell();
}

std::vector<PortColumn> port_columns() {
  constexpr auto kRight = Align::right;
  return {
      {{"PORT", Align::left, 0}, false, [](const PortEntry& p) { return Cell(p.name); }},
      {{"TYPE", Align::left, 5}, false, [](const PortEntry& p) { return Cell(p.type.empty() ? "system" : p.type); }},
      {{"OFPORT", kRight, 3},
       false,
       [](const PortEntry& p) { return Cell(p.ofport ? fmt::format("{}", *p.ofport) : ""); }},
      {{"VLAN", Align::left, 0}, false, [](const PortEntry& p) { return Cell(vlan_text(p)); }},
      {{"STATE", Align::left, 0},
       false,
       [](const PortEntry& p) { return Cell(std::string(text_of(p.state)), style_of(p.state)); }},
      {{"OFFLOAD", Align::left, 4}, false, [](const PortEntry& p) { return Cell(offload_text(p)); }},
      {{"HELD BY", Align::left, 0},
       false,
       [](const PortEntry& p) { return p.owner ? Cell(holder_text(*p.owner)) : Cell(); }},
      {{"NETWORK", Align::left, 2},
       false,
       [](const PortEntry& p) { return of_owner(p, [](const auto& owner) { return owner.id.network; }); }},
      {{"IF", Align::left, 4},
       false,
       [](const PortEntry& p) { return of_owner(p, [](const auto& owner) { return owner.id.ifname; }); }},
      {{"MAC", Align::left, 8}, true, [](const PortEntry& p) { return Cell(p.mac); }},
      {{"MTU", kRight, 8}, true, [](const PortEntry& p) { return Cell(p.mtu ? fmt::format("{}", *p.mtu) : ""); }},
      {{"CONTAINER", Align::left, 9},
       true,
       [](const PortEntry& p) { return of_owner(p, [](const auto& owner) { return owner.id.container_id; }); }},
      {{"RX BYTES", kRight, 7}, true, [](const PortEntry& p) { return Cell(bytes_text(p.statistics.rx_bytes)); }},
      {{"TX BYTES", kRight, 7}, true, [](const PortEntry& p) { return Cell(bytes_text(p.statistics.tx_bytes)); }},
      {{"PEER", Align::left, 6}, true, [](const PortEntry& p) { return Cell(peer_text(p)); }},
  };
}

void add_port(Table& table, const std::vector<PortColumn>& columns, const PortEntry& port) {
  std::vector<Cell> cells;
  for (const PortColumn& column : columns) cells.push_back(column.show(port));
  table.add_row(std::move(cells));
  if (!port.error.empty()) table.add_note({port.error, Style::red});
  if (const std::string why = port.offload ? manager::why_in_software(*port.offload) : ""; !why.empty())
    table.add_note({fmt::format("{} % of its flows are in hardware: {}", *manager::share_of(*port.offload), why)});
  if (port.state == PortState::stale)
    table.add_note({"its pod is gone: DEL, GC or `barewire gc` was never called", Style::red});
}

std::string mirror_text(const MirrorEntry& mirror) {
  std::string what = mirror.all ? "everything" : "";
  const auto add = [&](const char* word, const std::vector<std::string>& ports) {
    if (!ports.empty()) what += fmt::format("{}{} {}", what.empty() ? "" : ", ", word, fmt::join(ports, " "));
  };
  add("from", mirror.sources);
  add("to", mirror.destinations);
  return fmt::format("mirror {}: {} -> {}", mirror.name, what.empty() ? "nothing" : what,
                     mirror.output.empty() ? "nowhere" : mirror.output);
}

std::string heading(const BridgeEntry& bridge) {
  // "userspace" and "kernel" as people call them; the database has "netdev" for the one and nothing for the other.
  const std::size_t ports = bridge.ports.size();
  return fmt::format("{}  {} datapath  {} port{}", bridge.name, bridge.datapath == "netdev" ? "userspace" : "kernel",
                     ports, ports == 1 ? "" : "s");
}

/// "40 of 52 flows (77 %) never reach tc"; empty where there are none, or none are asked to be offloaded.
std::string flows_text(const manager::SwitchSnapshot& snapshot) {
  const auto share = snapshot.flows && snapshot.hw_offload ? snapshot.flows->beside_tc() : std::nullopt;
  if (!share) return {};
  const manager::SwitchFlows& flows = *snapshot.flows;
  return fmt::format("{} of {} flows ({} %) never reach the traffic class layer\n", flows.in_datapath,
                     flows.in_datapath + flows.in_tc + flows.in_hardware, *share);
}

std::string summary(const manager::SwitchSnapshot& snapshot) {
  if (!snapshot.running) return fmt::format("No ovs-vswitchd obeys the database at {}.\n", snapshot.database);
  return fmt::format("Open vSwitch {}  hardware offload {}{}\n{}", snapshot.version, snapshot.hw_offload ? "on" : "off",
                     snapshot.dpdk ? "  DPDK" : "", flows_text(snapshot));
}

}  // namespace

Style style_of(PortState state) {
  switch (state) {
    case PortState::up:
      return Style::green;
    case PortState::down:
    case PortState::pending:
      return Style::yellow;
    case PortState::failed:
    case PortState::stale:
      return Style::red;
  }
  return Style::plain;
}

std::string vlan_text(const PortEntry& port) {
  const std::string trunks = port.trunks.empty() ? "all" : ranges_text(port.trunks);
  // In trunk mode the switch ignores the tag. Source: ovs-vswitchd.conf.db(5), column vlan_mode.
  const bool tagged = port.tag && port.vlan_mode != "trunk";
  if (!tagged) return trunks;
  if (port.vlan_mode.empty() || port.vlan_mode == "access") return fmt::format("{}", *port.tag);
  if (port.vlan_mode == "dot1q-tunnel") return fmt::format("{} qinq", *port.tag);
  return fmt::format("{} {}, {}", *port.tag, port.vlan_mode == "native-tagged" ? "native tagged" : "native", trunks);
}

std::string render_switch(const manager::SwitchSnapshot& snapshot, bool wide, const Terminal& terminal) {
  std::vector<PortColumn> columns = port_columns();
  std::erase_if(columns, [&](const PortColumn& column) { return column.wide_only && !wide; });
  std::vector<Column> titles;
  std::transform(columns.begin(), columns.end(), std::back_inserter(titles),
                 [](const PortColumn& column) { return column.column; });
  Table table(std::move(titles));
  for (const BridgeEntry& bridge : snapshot.bridges) {
    table.add_heading(heading(bridge));
    for (const PortEntry& port : bridge.ports) add_port(table, columns, port);
    for (const MirrorEntry& mirror : bridge.mirrors) table.add_note({mirror_text(mirror)});
  }
  return summary(snapshot) + (table.empty() ? "No bridge matches.\n" : table.render(terminal));
}

}  // namespace barewire::cli
