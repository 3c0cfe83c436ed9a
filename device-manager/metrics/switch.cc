// SPDX-License-Identifier: Apache-2.0
// Ports are counted by the switch and representors by the kernel: a port that is a representor is in both, as either
// may be asked without the other.
#include "device-manager/metrics/switch.h"

#include <unistd.h>

#include "core/kernel/devlink.h"
#include "core/kernel/link_stats.h"
#include "core/vf/representor.h"
#include "device-manager/switch_snapshot.h"

namespace barewire::metrics {
namespace {

using manager::PortEntry;
using manager::PortStatistics;
using Type = Exposition::Type;

/// Whoever scrapes does not wait longer, and all the rest is there for them.
constexpr std::chrono::seconds kPatience{1};

struct PortCounter {
  const char* name;
  const char* help;
  std::optional<std::uint64_t> PortStatistics::*member;
};
constexpr PortCounter kPortCounters[] = {
    {"barewire_ovs_port_rx_bytes", "Bytes that came in at the port: sent by its pod.", &PortStatistics::rx_bytes},
    {"barewire_ovs_port_tx_bytes", "Bytes that went out at the port.", &PortStatistics::tx_bytes},
    {"barewire_ovs_port_rx_packets", "Packets that came in at the port.", &PortStatistics::rx_packets},
    {"barewire_ovs_port_tx_packets", "Packets that went out at the port.", &PortStatistics::tx_packets},
    {"barewire_ovs_port_rx_dropped", "Packets dropped on their way in.", &PortStatistics::rx_dropped},
    {"barewire_ovs_port_tx_dropped", "Packets dropped on their way out.", &PortStatistics::tx_dropped},
    {"barewire_ovs_port_rx_errors", "Packets that came in damaged.", &PortStatistics::rx_errors},
    {"barewire_ovs_port_tx_errors", "Packets that could not be sent.", &PortStatistics::tx_errors},
};

struct LinkCounter {
  const char* name;
  const char* help;
  std::uint64_t kernel::LinkStats::*member;
};
constexpr LinkCounter kLinkCounters[] = {
    {"barewire_representor_rx_bytes", "Bytes that came in at the VF's representor.", &kernel::LinkStats::rx_bytes},
    {"barewire_representor_tx_bytes", "Bytes that went out at the VF's representor.", &kernel::LinkStats::tx_bytes},
    {"barewire_representor_rx_packets", "Packets that came in at it.", &kernel::LinkStats::rx_packets},
    {"barewire_representor_tx_packets", "Packets that went out at it.", &kernel::LinkStats::tx_packets},
    {"barewire_representor_rx_dropped", "Packets dropped on their way in.", &kernel::LinkStats::rx_dropped},
    {"barewire_representor_tx_dropped", "Packets dropped on their way out.", &kernel::LinkStats::tx_dropped},
};

Labels labels_of(const std::string& bridge, const PortEntry& port) {
  Labels labels{{"bridge", bridge}, {"port", port.name}};
  // Empty ones are as good as none to Prometheus, and a dashboard can group by them.
  const state::Attachment* owner = port.owner ? &*port.owner : nullptr;
  labels.emplace_back("namespace", owner != nullptr ? owner->pod.name_space : "");
  labels.emplace_back("pod", owner != nullptr ? owner->pod.name : "");
  labels.emplace_back("network", owner != nullptr ? owner->id.network : "");
  labels.emplace_back("interface", owner != nullptr ? owner->id.ifname : "");
  return labels;
}

using Ports = std::vector<std::pair<Labels, const PortEntry*>>;

void write_counters(Exposition& page, const Ports& ports) {
  for (const PortCounter& counter : kPortCounters) {
    page.family(counter.name, Type::counter, counter.help);
    for (const auto& [labels, port] : ports)
      if (const auto value = port->statistics.*counter.member) page.sample(labels, *value);
  }
}

void write_offload(Exposition& page, const Ports& ports) {
  const auto write = [&](const char* name, const char* help, std::size_t manager::PortOffload::*member) {
    page.family(name, Type::gauge, help);
    for (const auto& [labels, port] : ports)
      if (port->offload) page.sample(labels, (*port->offload).*member);
  };
  write("barewire_ovs_port_flows", "Flows of the port that the switch gave to the kernel to offload.",
        &manager::PortOffload::flows);
  write("barewire_ovs_port_flows_in_hardware", "Of them those that the NIC has taken.",
        &manager::PortOffload::in_hardware);
  page.family("barewire_ovs_port_offload_percent", Type::gauge, "Share of the port's flows that is in hardware.");
  for (const auto& [labels, port] : ports)
    if (const auto share = port->offload ? share_of(*port->offload) : std::nullopt) page.sample(labels, *share);
}

void write_flows(Exposition& page, const manager::SwitchFlows& flows) {
  page.family(
      "barewire_ovs_flows", Type::gauge,
      "Flows on the kernel's datapath by where they are: in hardware, in the traffic class layer alone, or in the "
      "datapath, which they are in when they never reached that layer.");
  page.sample({{"where", "hardware"}}, flows.in_hardware);
  page.sample({{"where", "tc"}}, flows.in_tc);
  page.sample({{"where", "datapath"}}, flows.in_datapath);
  const auto write = [&](const char* name, const char* help, std::uint64_t kernel::OvsDatapath::*member) {
    page.family(name, Type::counter, help);
    for (const kernel::OvsDatapath& each : flows.datapaths) page.sample({{"datapath", each.name}}, each.*member);
  };
  write("barewire_ovs_datapath_hits", "Packets that a flow of the kernel's datapath was there for.",
        &kernel::OvsDatapath::hits);
  write("barewire_ovs_datapath_misses", "Packets that ovs-vswitchd was asked about.", &kernel::OvsDatapath::misses);
  write("barewire_ovs_datapath_lost", "Of them those that it could not be asked about.", &kernel::OvsDatapath::lost);
}

struct RepresentorSample {
  Labels labels;
  kernel::LinkStats stats;
};

std::vector<RepresentorSample> sample_representors(const kernel::Sysfs& sysfs, const vf::Pf& pf,
                                                   const std::map<std::string, int>& indexes,
                                                   const std::map<int, kernel::LinkStats>& counted) {
  std::vector<RepresentorSample> samples;
  // Two PFs of a card may share one switch; their representors tell the PF by its PCI function number.
  const auto number = static_cast<std::uint16_t>(pf.pci.address.back() - '0');
  for (const vf::Vf& each : pf.vfs) {
    const auto found = vf::find_representor(sysfs, {"pci", pf.pci.address}, pf.link->name, number, each.id);
    const auto index = found ? indexes.find(found->netdev) : indexes.end();
    const auto stats = index == indexes.end() ? counted.end() : counted.find(index->second);
    if (stats == counted.end()) continue;
    samples.push_back({{{"pf", pf.link->name},
                        {"vf", std::to_string(each.id)},
                        {"pciAddr", each.pci.address},
                        {"representor", found->netdev}},
                       stats->second});
  }
  return samples;
}

bool is_in_switchdev(const vf::Pf& pf) {
  if (!pf.link || pf.vfs.empty() || pf.link->phys_switch_id.empty()) return false;
  return kernel::find_eswitch_mode({"pci", pf.pci.address}) == kernel::EswitchMode::switchdev;
}

}  // namespace

void write_switch(Exposition& page) {
  const ovsdb::Endpoint database;
  if (::access(database.address.c_str(), F_OK) != 0) return;
  const auto snapshot = manager::take_switch_snapshot(database, kPatience);
  page.family("barewire_ovs_running", Type::gauge, "Whether an ovs-vswitchd obeys the database.");
  page.sample({}, snapshot.running ? 1 : 0);
  Ports ports;
  for (const manager::BridgeEntry& bridge : snapshot.bridges)
    for (const PortEntry& port : bridge.ports) ports.emplace_back(labels_of(bridge.name, port), &port);
  write_counters(page, ports);
  write_offload(page, ports);
  if (snapshot.flows) write_flows(page, *snapshot.flows);
}

void write_representors(Exposition& page, const Node& node, const std::vector<vf::Pf>& pfs) {
  std::vector<const vf::Pf*> switches;
  for (const vf::Pf& pf : pfs)
    if (is_in_switchdev(pf)) switches.push_back(&pf);
  if (switches.empty()) return;
  kernel::NlSocket socket;
  std::map<std::string, int> indexes;
  for (const kernel::Link& link : kernel::list_links(socket)) indexes[link.name] = link.index;
  const auto counted = kernel::list_link_stats(socket);
  std::vector<RepresentorSample> samples;
  for (const vf::Pf* pf : switches) {
    auto of_pf = sample_representors(kernel::Sysfs(node.sysfs), *pf, indexes, counted);
    samples.insert(samples.end(), std::make_move_iterator(of_pf.begin()), std::make_move_iterator(of_pf.end()));
  }
  for (const LinkCounter& counter : kLinkCounters) {
    page.family(counter.name, Type::counter, counter.help);
    for (const RepresentorSample& sample : samples) page.sample(sample.labels, sample.stats.*counter.member);
  }
}

}  // namespace barewire::metrics
