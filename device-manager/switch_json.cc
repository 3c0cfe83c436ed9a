// SPDX-License-Identifier: Apache-2.0
// `barewire ovs -o json`. Its keys are a promise to programs, as in snapshot_json.cc: added, never renamed; what is not
// known is null.
#include <boost/json/array.hpp>

#include "device-manager/snapshot_json.h"
#include "device-manager/switch_snapshot.h"

namespace barewire::manager {

namespace {

namespace json = boost::json;

template <typename T>
json::array list(const std::vector<T>& values) {
  return json::array(values.begin(), values.end());
}

json::value to_json(const std::optional<PortOffload>& offload) {
  if (!offload) return nullptr;
  return json::object{{"representor", offload->representor},
                      {"flows", offload->flows},
                      {"inHardware", offload->in_hardware},
                      {"share", or_null(share_of(*offload))},
                      {"why", text_or_null(why_in_software(*offload))}};
}

json::object to_json(const PortStatistics& counted) {
  return {{"rxBytes", or_null(counted.rx_bytes)},     {"txBytes", or_null(counted.tx_bytes)},
          {"rxPackets", or_null(counted.rx_packets)}, {"txPackets", or_null(counted.tx_packets)},
          {"rxDropped", or_null(counted.rx_dropped)}, {"txDropped", or_null(counted.tx_dropped)},
          {"rxErrors", or_null(counted.rx_errors)},   {"txErrors", or_null(counted.tx_errors)}};
}

json::object to_json(const PortEntry& port) {
  json::object options;
  for (const auto& [key, value] : port.options) options[key] = value;
  return {{"name", port.name},
          // The database writes the usual type as an empty one. Source: ovs-vswitchd.conf.db(5), Interface.type.
          {"type", port.type.empty() ? "system" : port.type},
          {"state", text_of(port.state)},
          {"error", text_or_null(port.error)},
          {"ofport", or_null(port.ofport)},
          {"mac", text_or_null(port.mac)},
          {"mtu", or_null(port.mtu)},
          {"vlanMode", text_or_null(port.vlan_mode)},
          {"tag", or_null(port.tag)},
          {"trunks", list(port.trunks)},
          {"protected", port.isolated},
          {"interfaces", list(port.interfaces)},
          {"options", std::move(options)},
          {"holder", port.owner ? json::value(holder_json(*port.owner)) : json::value(nullptr)},
          {"offload", to_json(port.offload)}};
}

json::object to_json(const MirrorEntry& mirror) {
  return {{"name", mirror.name},
          {"output", text_or_null(mirror.output)},
          {"all", mirror.all},
          {"sources", list(mirror.sources)},
          {"destinations", list(mirror.destinations)}};
}

json::object to_json(const BridgeEntry& bridge, WithStatistics statistics) {
  json::array ports, mirrors;
  for (const PortEntry& port : bridge.ports) {
    json::object object = to_json(port);
    if (statistics == WithStatistics::yes) object["statistics"] = to_json(port.statistics);
    ports.emplace_back(std::move(object));
  }
  for (const MirrorEntry& mirror : bridge.mirrors) mirrors.emplace_back(to_json(mirror));
  return {{"name", bridge.name},
          {"datapath", bridge.datapath},
          {"ports", std::move(ports)},
          {"mirrors", std::move(mirrors)}};
}

}  // namespace

json::value to_json(const std::optional<SwitchFlows>& flows) {
  if (!flows) return nullptr;
  return json::object{{"inHardware", flows->in_hardware},
                      {"inTc", flows->in_tc},
                      {"inDatapath", flows->in_datapath},
                      {"besideTc", or_null(flows->beside_tc())}};
}

json::object to_json(const SwitchSnapshot& snapshot, WithStatistics statistics) {
  json::array bridges;
  for (const BridgeEntry& bridge : snapshot.bridges) bridges.emplace_back(to_json(bridge, statistics));
  json::object object{{"format", kSnapshotFormat},        {"database", snapshot.database},
                      {"running", snapshot.running},      {"version", text_or_null(snapshot.version)},
                      {"hwOffload", snapshot.hw_offload}, {"dpdk", snapshot.dpdk}};
  if (statistics == WithStatistics::yes) object["flows"] = to_json(snapshot.flows);
  object["bridges"] = std::move(bridges);
  return object;
}

}  // namespace barewire::manager
