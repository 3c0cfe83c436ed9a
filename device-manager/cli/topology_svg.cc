// SPDX-License-Identifier: Apache-2.0
// Boxes on a grid of fixed width: a PF with few VFs has room for names in its cells, one with many has numbers, and the
// rest is told by the title of each cell, which a viewer shows under the pointer.
#include <fmt/format.h>

#include "core/utf8.h"
#include "device-manager/cli/list_view.h"
#include "device-manager/cli/topology_view.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

using manager::BridgeEntry;
using manager::PfEntry;
using manager::PortEntry;
using manager::Topology;
using manager::VfEntry;

constexpr int kWidth = 960;
constexpr int kMargin = 24;
constexpr int kInner = kWidth - 2 * kMargin;

constexpr const char* kStyle = R"(
text{font:12px ui-sans-serif,system-ui,"DejaVu Sans",sans-serif;fill:#1b2430}
.title{font-size:18px;font-weight:600}.name{font-size:14px;font-weight:600}.faint{fill:#5b6878}
.page{fill:#f6f7f9}.card{fill:#fff;stroke:#d8dee6}.bad{fill:#b42318}
.cell{stroke-width:1}.cell+text,.port+text{font-size:11px}
.free{fill:#e7f6ec;stroke:#8fd0a5}.allocated{fill:#fdf0d5;stroke:#e0b354}.in_pod{fill:#dbe8fd;stroke:#5f93e8}
.in_use_elsewhere{fill:#eae6f8;stroke:#a08fd8}.drifted{fill:#fcdcd8;stroke:#d9483b}.no_driver{fill:#eceff2;stroke:#b9c2cc}
.port{fill:#eef2f6;stroke:#b9c2cc}.port.error,.port.stale{fill:#fcdcd8;stroke:#d9483b}
@media (prefers-color-scheme:dark){text{fill:#e4e9ef}.faint{fill:#98a4b3}.page{fill:#12171d}
.card{fill:#1a2129;stroke:#2e3945}.bad{fill:#ff8a7d}.free{fill:#16311f;stroke:#3f8157}
.allocated{fill:#3a2c10;stroke:#a07b2c}.in_pod{fill:#182c4d;stroke:#4a7bcb}.in_use_elsewhere{fill:#2b2545;stroke:#7563b5}
.drifted{fill:#48191a;stroke:#d9483b}.no_driver{fill:#242c35;stroke:#4b5866}
.port{fill:#232c36;stroke:#4b5866}.port.error,.port.stale{fill:#48191a;stroke:#d9483b}}
)";

/// Text of others between tags: control characters are not allowed in XML at all.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// A document that grows downwards.
class Drawing {
 public:
  int y() const { return y_; }
  void move(int by) { y_ += by; }

  void text(int x, int y, const char* look, const std::string& words, int room) {
    const auto most = static_cast<std::size_t>(std::max(room / 7, 1));  // characters of 12 pixels, on average
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>\n", x, y, look,
                         escaped(shorten(words, most, true)));
  }
  void box(int x, int y, int width, int height, const std::string& look, const std::string& title) {
    body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\" class=\"{}\">", x, y, width,
                         height, look);
    if (!title.empty()) body_ += fmt::format("<title>{}</title>", escaped(title));
    body_ += "</rect>\n";
  }
  /// A card behind what is drawn until close_card().
  void open_card() {
    card_at_ = body_.size();
    card_y_ = y_;
    y_ += 12;
  }
  void close_card() {
    y_ += 12;
    body_.insert(card_at_, fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\" class=\"card\"/>\n",
                                       kMargin, card_y_, kInner, y_ - card_y_));
    y_ += 12;
  }
  std::string document(const std::string& title) const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "role=\"img\"><title>{2}</title>\n<style>{3}</style>\n<rect width=\"{0}\" height=\"{1}\" "
        "class=\"page\"/>\n{4}</svg>\n",
        kWidth, y_ + kMargin, escaped(title), kStyle, body_);
  }

 private:
  std::string body_;
  int y_ = kMargin;
  std::size_t card_at_ = 0;
  int card_y_ = 0;
};

/// How cells of a kind are laid out.
struct Grid {
  int columns;
  int height;
  int width() const { return (kInner - 24 + kGap) / columns - kGap; }
  static constexpr int kGap = 4;
};

template <typename Each>
void draw_grid(Drawing& drawing, const Grid& grid, std::size_t count, const Each& each) {
  for (std::size_t i = 0; i < count; ++i) {
    const int column = static_cast<int>(i) % grid.columns;
    const int row = static_cast<int>(i) / grid.columns;
    each(i, kMargin + 12 + column * (grid.width() + Grid::kGap), drawing.y() + row * (grid.height + Grid::kGap));
  }
  const auto rows = (static_cast<int>(count) + grid.columns - 1) / grid.columns;
  drawing.move(rows * (grid.height + Grid::kGap));
}

std::string whose(const VfEntry& vf) {
  if (const state::Pod* pod = manager::pod_of(vf)) return pod_text(*pod);
  return vf.holder ? holder_text(*vf.holder) : std::string(text_of(vf.state));
}

std::string title_of(const VfEntry& vf, const std::map<std::string, manager::PortPlace>& ports) {
  std::string title = fmt::format("VF {} {}\n{}", vf.vf.id, vf.vf.pci.address, text_of(vf.state));
  if (vf.holder) title += fmt::format("\n{}, network {}", whose(vf), vf.holder->id.network);
  if (const auto vlan = manager::vlan_of(vf)) title += fmt::format("\nVLAN {}", *vlan);
  if (const auto place = ports.find(vf.vf.pci.address); place != ports.end())
    title += fmt::format("\non {} of {} {}", place->second.port->name, place->second.bridge->name,
                         flows_text(*place->second.port));
  for (const std::string& each : vf.drift) title += "\n" + each;
  if (!vf.why.empty() && !vf.holder) title += "\n" + vf.why;
  return title;
}

void draw_pf(Drawing& drawing, const PfEntry& pf, const std::map<std::string, manager::PortPlace>& ports) {
  drawing.open_card();
  const bool is_ill = pf.enabled_vfs > 0 && manager::health_of(pf) != manager::PfHealth::well;
  drawing.text(kMargin + 12, drawing.y() + 12, "name", pf.name(), 240);
  std::string facts = fmt::format("{} · {} · {} · {}/{} VFs, {} free", pf.pf.pci.address, pf.pf.pci.driver,
                                  link_text(pf), pf.enabled_vfs, pf.pf.total_vfs, pf.free_vfs);
  if (pf.eswitch) facts += *pf.eswitch == kernel::EswitchMode::switchdev ? " · switchdev" : " · legacy";
  if (!pf.model.empty()) facts = pf.model + " · " + facts;
  drawing.text(kMargin + 200, drawing.y() + 12, is_ill ? "bad" : "faint", facts, kInner - 212);
  drawing.move(24);
  const bool has_room = pf.vfs.size() <= 16;
  const Grid grid = has_room ? Grid{4, 40} : Grid{32, 22};
  draw_grid(drawing, grid, pf.vfs.size(), [&](std::size_t i, int x, int y) {
    const VfEntry& vf = pf.vfs[i];
    drawing.box(x, y, grid.width(), grid.height, "cell " + manager::key_of(vf.state), title_of(vf, ports));
    drawing.text(x + (has_room ? 8 : 3), y + (has_room ? 16 : 15), "", std::to_string(vf.vf.id), grid.width());
    if (!has_room) return;
    drawing.text(x + 32, y + 16, "", whose(vf), grid.width() - 40);
    const auto vlan = manager::vlan_of(vf);
    const std::string network = vf.holder ? vf.holder->id.network : "";
    drawing.text(x + 32, y + 31, "faint", vlan ? fmt::format("{} VLAN {}", network, *vlan) : network,
                 grid.width() - 40);
  });
  drawing.close_card();
}

void draw_bridge(Drawing& drawing, const BridgeEntry& bridge) {
  drawing.open_card();
  drawing.text(kMargin + 12, drawing.y() + 12, "name", bridge.name, 240);
  drawing.text(kMargin + 200, drawing.y() + 12, "faint",
               fmt::format("bridge · datapath {} · {} ports", bridge.datapath, bridge.ports.size()), kInner - 212);
  drawing.move(24);
  const Grid grid{4, 40};
  draw_grid(drawing, grid, bridge.ports.size(), [&](std::size_t i, int x, int y) {
    const PortEntry& port = bridge.ports[i];
    const std::string owner = port.owner ? holder_text(*port.owner) : "";
    drawing.box(x, y, grid.width(), grid.height, "port " + std::string(text_of(port.state)), port.name + "\n" + owner);
    drawing.text(x + 8, y + 16, "", fmt::format("{} {} {}", port.name, text_of(port.state), port_vlan_text(port)),
                 grid.width() - 16);
    drawing.text(x + 8, y + 31, "faint", owner.empty() ? flows_text(port) : owner + " " + flows_text(port),
                 grid.width() - 16);
  });
  drawing.close_card();
}

void draw_legend(Drawing& drawing) {
  using manager::VfState;
  int x = kMargin;
  for (const VfState state : {VfState::free, VfState::allocated, VfState::in_pod, VfState::used_elsewhere,
                              VfState::drifted, VfState::unbound}) {
    drawing.box(x, drawing.y(), 14, 14, "cell " + manager::key_of(state), "");
    drawing.text(x + 20, drawing.y() + 11, "faint", std::string(text_of(state)), 120);
    x += 126;
  }
  drawing.move(14);
}

}  // namespace

std::string render_topology_svg(const Topology& topology) {
  Drawing drawing;
  drawing.text(kMargin, drawing.y() + 14, "title", topology.node, kInner);
  drawing.move(36);
  const auto ports = manager::ports_of_vfs(topology);
  const auto nodes = manager::by_numa_node(topology);
  for (const auto& [number, pfs] : nodes) {
    if (number >= 0 || nodes.size() > 1) {
      drawing.text(kMargin, drawing.y() + 10, "faint",
                   number < 0 ? "of no NUMA node" : fmt::format("NUMA node {}", number), kInner);
      drawing.move(22);
    }
    for (const PfEntry* pf : pfs) draw_pf(drawing, *pf, ports);
  }
  if (topology.vswitch)
    for (const BridgeEntry& bridge : topology.vswitch->bridges) draw_bridge(drawing, bridge);
  for (const inventory::PoolCount& pool : topology.pools) {
    drawing.text(kMargin, drawing.y() + 10, "",
                 fmt::format("{}: {} of {} free, {} allocated", pool.resource, pool.free, pool.total, pool.allocated),
                 kInner);
    drawing.move(20);
  }
  for (const std::string& problem : topology.problems) {
    drawing.text(kMargin, drawing.y() + 10, "bad", problem, kInner);
    drawing.move(20);
  }
  draw_legend(drawing);
  return drawing.document("Topology of " + topology.node);
}

}  // namespace barewire::cli
