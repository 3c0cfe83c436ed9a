// SPDX-License-Identifier: Apache-2.0
// A tree that fits a terminal of 80 columns: who has a VF comes first, what it is set to after, since a narrow terminal
// cuts from the right.
#include <fmt/ranges.h>

#include "device-manager/cli/list_view.h"
#include "device-manager/cli/ovs_view.h"
#include "device-manager/cli/topology_view.h"

namespace barewire::cli {
namespace {

using manager::BridgeEntry;
using manager::PfEntry;
using manager::PortEntry;
using manager::PortState;
using manager::Topology;
using manager::VfEntry;
using manager::VfState;

constexpr std::size_t kUsualWidth = 80;

/// A line of the tree and what hangs below it.
struct Branch {
  std::string text;
  Style style = Style::plain;
  std::vector<Branch> below{};
};

/// How a tree is drawn, as tree(1) does.
struct Strokes {
  const char* middle;
  const char* last;
  const char* pass;
};
constexpr Strokes kLines{"├─ ", "└─ ", "│  "};
constexpr Strokes kPlain{"|- ", "`- ", "|  "};

class Tree {
 public:
  explicit Tree(const Terminal& terminal)
      : terminal_(terminal), strokes_(terminal.utf8 ? kLines : kPlain), width_(terminal.width.value_or(kUsualWidth)) {}

  std::string draw(const Branch& root) {
    text_.clear();
    line("", root.text, root.style);
    children(root, "");
    return text_;
  }

 private:
  void line(const std::string& lead, const std::string& text, Style style) {
    const std::size_t used = display_width(lead);
    const std::size_t room = width_ > used ? width_ - used : 1;
    text_ += lead + terminal_.paint(shorten(printable(text), room, terminal_.utf8), style) + "\n";
  }
  void children(const Branch& branch, const std::string& lead) {
    for (std::size_t i = 0; i < branch.below.size(); ++i) {
      const bool is_last = i + 1 == branch.below.size();
      line(lead + (is_last ? strokes_.last : strokes_.middle), branch.below[i].text, branch.below[i].style);
      children(branch.below[i], lead + (is_last ? "   " : strokes_.pass));
    }
  }

  const Terminal& terminal_;
  Strokes strokes_;
  std::size_t width_;
  std::string text_;
};

std::string joined(const std::vector<std::string>& parts, std::string_view separator = "  ") {
  std::vector<std::string_view> said;
  for (const std::string& part : parts)
    if (!part.empty()) said.push_back(part);
  return fmt::format("{}", fmt::join(said, separator));
}

std::string volume(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) value /= 1000, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, kUnits[unit]);
}

std::string traffic_text(const Topology& topology, const VfEntry& vf) {
  const auto found = topology.traffic.find(vf.vf.pci.address);
  if (found == topology.traffic.end() || !found->second.rx_bytes || !found->second.tx_bytes) return "";
  if (*found->second.rx_bytes == 0 && *found->second.tx_bytes == 0) return "";
  return fmt::format("rx {} tx {}", volume(*found->second.rx_bytes), volume(*found->second.tx_bytes));
}

std::string whose(const VfEntry& vf) {
  if (const state::Pod* pod = manager::pod_of(vf)) return pod_text(*pod);
  if (vf.holder) return holder_text(*vf.holder);
  return vf.state == VfState::free || vf.state == VfState::unbound ? "" : vf.why;
}

Branch branch_of(const Topology& topology, const std::map<std::string, manager::PortPlace>& ports, const VfEntry& vf) {
  const auto place = ports.find(vf.vf.pci.address);
  const bool is_plugged = place != ports.end();
  const auto vlan = manager::vlan_of(vf);
  Branch branch{
      joined({fmt::format("VF {}", vf.vf.id), vf.state == VfState::in_pod ? "" : std::string(text_of(vf.state)),
              whose(vf), vf.holder ? vf.holder->id.network : "", vlan ? fmt::format("VLAN {}", *vlan) : "",
              is_plugged ? fmt::format("on {} of {}", place->second.port->name, place->second.bridge->name) : "",
              is_plugged ? flows_text(*place->second.port) : "", traffic_text(topology, vf)}),
      style_of(vf.state)};
  for (const std::string& each : vf.drift) branch.below.push_back({each, Style::red});
  return branch;
}

/// Nothing of it is worth a line of its own.
bool is_plain(const Topology& topology, const VfEntry& vf) {
  const bool is_idle = vf.state == VfState::free || vf.state == VfState::unbound;
  return is_idle && !topology.representors.contains(vf.vf.pci.address) && !manager::vlan_of(vf) && vf.drift.empty();
}

/// Each VF, or each run of VFs that are alike.
std::vector<Branch> branches_of(const Topology& topology, const std::map<std::string, manager::PortPlace>& ports,
                                const PfEntry& pf) {
  std::vector<Branch> branches;
  for (std::size_t i = 0; i < pf.vfs.size();) {
    std::size_t last = i;
    while (is_plain(topology, pf.vfs[i]) && last + 1 < pf.vfs.size() && is_plain(topology, pf.vfs[last + 1]) &&
           pf.vfs[last + 1].state == pf.vfs[i].state && pf.vfs[last + 1].vf.id == pf.vfs[last].vf.id + 1)
      ++last;
    if (last == i)
      branches.push_back(branch_of(topology, ports, pf.vfs[i]));
    else
      branches.push_back({fmt::format("VF {}-{}  {}", pf.vfs[i].vf.id, pf.vfs[last].vf.id, text_of(pf.vfs[i].state)),
                          style_of(pf.vfs[i].state)});
    i = last + 1;
  }
  return branches;
}

std::string eswitch_text(const PfEntry& pf) {
  if (!pf.eswitch) return "";
  return *pf.eswitch == kernel::EswitchMode::switchdev ? "switchdev" : "legacy";
}

Branch branch_of(const Topology& topology, const std::map<std::string, manager::PortPlace>& ports, const PfEntry& pf) {
  const bool is_ill = pf.enabled_vfs > 0 && manager::health_of(pf) != manager::PfHealth::well;
  // What is counted and how the port is before what it is called: a narrow terminal cuts the rest.
  Branch branch{
      joined({pf.name(), fmt::format("{}/{} VFs, {} free", pf.enabled_vfs, pf.pf.total_vfs, pf.free_vfs), link_text(pf),
              eswitch_text(pf), pf.pf.link ? pf.pf.pci.address : "", pf.model, pf.pf.pci.driver}),
      is_ill ? Style::red : Style::bold, branches_of(topology, ports, pf)};
  for (const std::string& problem : pf.problems) branch.below.push_back({problem, Style::red});
  return branch;
}

std::vector<Branch> numa_branches(const Topology& topology) {
  const auto ports = manager::ports_of_vfs(topology);
  const auto nodes = manager::by_numa_node(topology);
  std::vector<Branch> branches;
  for (const auto& [number, pfs] : nodes) {
    std::vector<Branch> below;
    for (const PfEntry* pf : pfs) below.push_back(branch_of(topology, ports, *pf));
    if (number < 0 && nodes.size() == 1) return below;  // a machine without NUMA
    branches.push_back(
        {number < 0 ? "of no NUMA node" : fmt::format("NUMA node {}", number), Style::plain, std::move(below)});
  }
  return branches;
}

Branch branch_of(const BridgeEntry& bridge) {
  Branch branch{fmt::format("bridge {}  {}", bridge.name, bridge.datapath), Style::bold};
  for (const PortEntry& port : bridge.ports) {
    const std::string owner = port.owner ? holder_text(*port.owner) : "";
    branch.below.push_back({joined({port.name, std::string(text_of(port.state)), port_vlan_text(port), owner,
                                    flows_text(port), port.error}),
                            style_of(port.state)});
  }
  return branch;
}

Branch others_branch(const Topology& topology) {
  Branch branch{"attachments without a VF"};
  for (const manager::OtherAttachment& other : topology.snapshot.others)
    branch.below.push_back({joined(
        {holder_text(other.attachment), other.attachment.id.plugin, other.attachment.id.network, other.device})});
  return branch;
}

Branch pools_branch(const Topology& topology) {
  Branch branch{"pools"};
  for (const inventory::PoolCount& pool : topology.pools)
    branch.below.push_back(
        {fmt::format("{}  {} of {} free, {} allocated", pool.resource, pool.free, pool.total, pool.allocated)});
  return branch;
}

}  // namespace

std::string pod_text(const state::Pod& pod) {
  return pod.name_space + "/" + pod.name;
}

std::string flows_text(const PortEntry& port) {
  if (!port.offload) return "";
  if (port.offload->flows == 0) return "no flows";
  return fmt::format("{}/{} flows in hardware", port.offload->in_hardware, port.offload->flows);
}

std::string port_vlan_text(const PortEntry& port) {
  const std::string text = vlan_text(port);
  return text == "all" ? "" : "VLAN " + text;
}

std::string render_topology(const Topology& topology, const Terminal& terminal) {
  Branch root{topology.node.empty() ? "this node" : topology.node, Style::bold, numa_branches(topology)};
  if (topology.snapshot.pfs.empty()) root.below.push_back({"no NIC that can have virtual functions", Style::dim});
  if (topology.vswitch) {
    if (!topology.vswitch->running) root.below.push_back({"no ovs-vswitchd obeys the switch's database", Style::red});
    for (const BridgeEntry& bridge : topology.vswitch->bridges) root.below.push_back(branch_of(bridge));
  }
  if (!topology.snapshot.others.empty()) root.below.push_back(others_branch(topology));
  if (!topology.pools.empty()) root.below.push_back(pools_branch(topology));
  for (const std::string& problem : topology.problems) root.below.push_back({problem, Style::red});
  return Tree(terminal).draw(root);
}

}  // namespace barewire::cli
