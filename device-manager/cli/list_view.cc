// SPDX-License-Identifier: Apache-2.0
// Widths follow the terminal; what is left out first is what `-o wide` is for.
#include "device-manager/cli/list_view.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "core/error.h"
#include "core/text.h"
#include "device-manager/cli/table.h"

namespace barewire::cli {
namespace {

using manager::PfEntry;
using manager::VfEntry;
using manager::VfState;
using Align = Column::Align;

std::string on_off(const std::optional<bool>& flag) {
  return !flag ? "" : *flag ? "on" : "off";
}

std::string mac_text(const vf::Vf& vf) {
  // A VF whose admin MAC is zero chose its own address.
  if (vf.info && vf.info->mac && !vf.info->mac->is_zero()) return vf.info->mac->text();
  return vf.link && vf.link->mac ? vf.link->mac->text() : "";
}

std::string link_state_text(const std::optional<kernel::VfLinkState>& state) {
  if (!state) return "";
  switch (*state) {
    case kernel::VfLinkState::automatic:
      return "auto";
    case kernel::VfLinkState::enable:
      return "enable";
    case kernel::VfLinkState::disable:
      return "disable";
  }
  return "";
}

/// What a column shows of one VF; columns are chosen by `wide`.
struct VfColumn {
  Column column;
  bool wide_only;
  Cell (*show)(const VfEntry&);
};

Cell held_by(const VfEntry& entry) {
  if (entry.holder) return holder_text(*entry.holder);
  // kubelet does not say for whom it allocates; the pod is known once it lists what its pods have.
  if (entry.state == VfState::allocated && entry.allocation && !entry.allocation->pod.name.empty())
    return Cell(entry.allocation->pod.name_space + "/" + entry.allocation->pod.name);
  // A holder whose record cannot be read has no name.
  if (entry.state == VfState::drifted) return Cell("damaged record", Style::red);
  return entry.state == VfState::free || entry.state == VfState::unbound ? Cell() : Cell(entry.why, Style::dim);
}

template <typename Member>
Cell of_holder(const VfEntry& entry, Member member) {
  return entry.holder ? Cell(std::string(member(*entry.holder))) : Cell();
}

std::string bytes_text(const std::optional<std::uint64_t>& count) {
  return count ? fmt::format("{}", *count) : "";
}

std::vector<VfColumn> holder_columns() {
  return {
      {{"NETWORK", Align::left, 2},
       false,
       [](const VfEntry& e) { return of_holder(e, [](const auto& holder) { return holder.id.network; }); }},
      {{"IF", Align::left, 4},
       false,
       [](const VfEntry& e) { return of_holder(e, [](const auto& holder) { return holder.id.ifname; }); }},
      {{"CONTAINER", Align::left, 9},
       true,
       [](const VfEntry& e) { return of_holder(e, [](const auto& holder) { return holder.id.container_id; }); }},
      {{"NETNS", Align::left, 9},
       true,
       [](const VfEntry& e) { return of_holder(e, [](const auto& holder) { return holder.netns; }); }},
      {{"SINCE", Align::left, 9},
       true,
       [](const VfEntry& e) { return of_holder(e, [](const auto& holder) { return holder.since; }); }},
  };
}

/// Expendable in the order in which an admin can do without: what the VF is set to goes before who has it.
/// The number behind the alignment says how early a column gives way on a narrow terminal: 0 never, the highest first.
std::vector<VfColumn> vf_columns() {
  constexpr auto kRight = Align::right;
  std::vector<VfColumn> columns = {
      {{"VF", kRight, 0}, false, [](const VfEntry& e) { return Cell(fmt::format("{}", e.vf.id)); }},
      {{"PCI", Align::left, 0}, false, [](const VfEntry& e) { return Cell(e.vf.pci.address); }},
      {{"DRIVER", Align::left, 6}, false, [](const VfEntry& e) { return Cell(e.vf.pci.driver); }},
      {{"NETDEV", Align::left, 1}, false, [](const VfEntry& e) { return Cell(interface_text(e.vf)); }},
      {{"MAC", Align::left, 3}, false, [](const VfEntry& e) { return Cell(mac_text(e.vf)); }},
      {{"VLAN", kRight, 2}, false, [](const VfEntry& e) { return Cell(e.vf.info ? vlan_text(*e.vf.info) : ""); }},
      {{"TRUST", Align::left, 7},
       false,
       [](const VfEntry& e) { return Cell(e.vf.info ? on_off(e.vf.info->trust) : ""); }},
      {{"SPOOF", Align::left, 8},
       false,
       [](const VfEntry& e) { return Cell(e.vf.info ? on_off(e.vf.info->spoof_check) : ""); }},
      {{"Mb/s", kRight, 5}, false, [](const VfEntry& e) { return Cell(e.vf.info ? rate_text(*e.vf.info) : ""); }},
      {{"LINK", Align::left, 9},
       true,
       [](const VfEntry& e) { return Cell(e.vf.info ? link_state_text(e.vf.info->link_state) : ""); }},
      {{"RX BYTES", kRight, 8}, true, [](const VfEntry& e) { return Cell(bytes_text(e.rx_bytes)); }},
      {{"TX BYTES", kRight, 8}, true, [](const VfEntry& e) { return Cell(bytes_text(e.tx_bytes)); }},
      {{"STATE", Align::left, 0},
       false,
       [](const VfEntry& e) { return Cell(std::string(text_of(e.state)), style_of(e.state)); }},
      {{"HELD BY", Align::left, 0}, false, held_by},
  };
  const auto of_holders = holder_columns();
  columns.insert(columns.end(), of_holders.begin(), of_holders.end());
  return columns;
}

std::string model_text(const PfEntry& pf) {
  if (pf.model.empty()) return "unknown model";
  return pf.model;
}

std::string count_text(const PfEntry& pf) {
  if (pf.enabled_vfs == 0) return fmt::format("no VFs of {}", pf.pf.total_vfs);
  return fmt::format("{} of {} VFs, {} free", pf.enabled_vfs, pf.pf.total_vfs, pf.free_vfs);
}

/// What heads the VFs of one PF: the parts stand in columns over all PFs.
std::vector<std::string> heading_parts(const PfEntry& pf) {
  const int numa = pf.pf.pci.numa_node;
  std::vector<std::string> parts = {pf.name(), pf.pf.pci.address,
                                    pf.pf.pci.driver.empty() ? "no driver" : pf.pf.pci.driver, model_text(pf),
                                    numa < 0 ? "no NUMA" : fmt::format("NUMA {}", numa)};
  parts.push_back(!pf.eswitch ? "no eswitch" : *pf.eswitch == kernel::EswitchMode::switchdev ? "switchdev" : "legacy");
  parts.push_back(link_text(pf));
  parts.push_back(count_text(pf));
  return parts;
}

std::vector<std::string> headings(const std::vector<PfEntry>& pfs, const Terminal& terminal) {
  std::vector<std::vector<std::string>> rows;
  std::transform(pfs.begin(), pfs.end(), std::back_inserter(rows), heading_parts);
  // Every PF has the same parts, so the first row tells how many.
  std::vector<std::size_t> widths(rows.empty() ? 0 : rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string rest;
    for (std::size_t i = 1; i < row.size(); ++i) {
      rest += "  " + row[i];
      if (i + 1 < row.size()) rest.append(widths[i] - display_width(row[i]), ' ');
    }
    // Padded outside the paint: escape sequences take no columns.
    const std::string padding(widths[0] - display_width(row[0]), ' ');
    // Cut behind the name alone, which is what every other command takes.
    if (terminal.width) rest = shorten(rest, std::max(*terminal.width, widths[0]) - widths[0], terminal.utf8);
    lines.push_back(terminal.paint(printable(row[0]), Style::bold) + padding + printable(rest));
  }
  return lines;
}

void add_vf(Table& table, const VfEntry& entry, const std::vector<VfColumn>& columns) {
  std::vector<Cell> cells;
  cells.reserve(columns.size());
  for (const VfColumn& column : columns) cells.push_back(column.show(entry));
  table.add_row(std::move(cells));
  for (const std::string& difference : entry.drift) table.add_note({difference, Style::red});
}

/// As it is typed without quotes: held_by and held-by are HELD BY.
bool is_titled(const VfColumn& column, std::string word) {
  std::replace_if(
      word.begin(), word.end(), [](char c) { return c == '_' || c == '-'; }, ' ');
  return equal_ignoring_case(column.column.title, word);
}

VfColumn find_column(const std::vector<VfColumn>& all, const std::string& word) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const VfColumn& each) { return is_titled(each, word); });
  if (found != all.end()) return *found;
  std::vector<std::string> titles;
  titles.reserve(all.size());
  for (const VfColumn& each : all) titles.push_back(each.column.title);
  throw Error(Error::Code::config, fmt::format("there is no column \"{}\"", word),
              fmt::format("there are {}", fmt::join(titles, ", ")));
}

std::vector<VfColumn> choose_columns(const ListView& view) {
  std::vector<VfColumn> all = vf_columns();
  if (view.columns.empty()) {
    if (!view.wide) std::erase_if(all, [](const VfColumn& each) { return each.wide_only; });
    return all;
  }
  std::vector<VfColumn> chosen;
  chosen.reserve(view.columns.size());
  for (const std::string& word : view.columns) chosen.push_back(find_column(all, word));
  return chosen;
}

std::string render_vfs(const manager::Snapshot& snapshot, const ListView& view, const Terminal& terminal) {
  const std::vector<VfColumn> chosen = choose_columns(view);
  std::vector<Column> columns;
  columns.reserve(chosen.size());
  for (const VfColumn& each : chosen) columns.push_back(each.column);
  Table table(std::move(columns));
  if (!view.titles) table.leave_out_titles();
  const auto lines = headings(snapshot.pfs, terminal);
  for (std::size_t i = 0; i < snapshot.pfs.size(); ++i) {
    table.add_heading(lines[i]);
    for (const VfEntry& vf : snapshot.pfs[i].vfs) add_vf(table, vf, chosen);
  }
  return table.render(terminal);
}

std::string drift_cell(const manager::OtherAttachment& other) {
  if (!other.drift) return "";
  return other.drift->empty() ? "as made" : "drifted";
}

/// Who looks for VFs also wants to know which pods did not get one.
bool is_shown(const manager::OtherAttachment& other, const ListView& view) {
  return view.with_others || other.fallback;
}

std::string fallback_text(const cni::FallbackRecord& fallback) {
  return fmt::format("served by fallback {}: {}", fallback.type, fallback.because);
}

std::string render_others(const manager::Snapshot& snapshot, const ListView& view, const Terminal& terminal) {
  std::vector<Column> columns = {{"PLUGIN", Align::left, 0},  {"DEVICE", Align::left, 1},  {"STATE", Align::left, 0},
                                 {"HELD BY", Align::left, 0}, {"NETWORK", Align::left, 0}, {"IF", Align::left, 0}};
  if (view.wide) {
    for (const char* title : {"CONTAINER", "NETNS", "SINCE"}) columns.push_back({title, Align::left, 2});
  }
  Table table(std::move(columns));
  if (!view.titles) table.leave_out_titles();
  table.add_heading(terminal.paint("Other attachments", Style::bold));
  for (const manager::OtherAttachment& other : snapshot.others) {
    if (!is_shown(other, view)) continue;
    const state::Attachment& attachment = other.attachment;
    const bool drifted = other.drift && !other.drift->empty();
    std::vector<Cell> cells = {
        attachment.id.plugin,    other.device,          {drift_cell(other), drifted ? Style::red : Style::plain},
        holder_text(attachment), attachment.id.network, attachment.id.ifname};
    if (view.wide) cells.insert(cells.end(), {attachment.id.container_id, attachment.netns, attachment.since});
    table.add_row(std::move(cells));
    if (other.fallback) table.add_note({fallback_text(*other.fallback), Style::yellow});
    if (!drifted) continue;
    for (const std::string& difference : *other.drift) table.add_note({difference, Style::red});
  }
  return table.render(terminal);
}

}  // namespace

Style style_of(VfState state) {
  switch (state) {
    case VfState::free:
      return Style::green;
    case VfState::allocated:
      return Style::yellow;
    case VfState::in_pod:
      return Style::plain;
    case VfState::used_elsewhere:
      return Style::yellow;
    case VfState::drifted:
      return Style::red;
    case VfState::unbound:
      return Style::dim;
  }
  return Style::plain;
}

/// Addresses, since a number names no VF without its PF: one word each, for xargs.
std::string render_names(const manager::Snapshot& snapshot) {
  std::string text;
  for (const PfEntry& pf : snapshot.pfs)
    for (const VfEntry& vf : pf.vfs) text += vf.vf.pci.address + "\n";
  return text;
}

std::string vlan_text(const kernel::VfInfo& info) {
  // VLAN 0 with a priority is a tag that carries the priority alone. Source: IEEE 802.1Q, "priority-tagged".
  if (info.vlan == 0 && info.qos == 0) return "";
  std::string text = info.qos == 0 ? fmt::format("{}", info.vlan) : fmt::format("{}/{}", info.vlan, info.qos);
  return info.vlan_proto == kernel::VlanProto::dot1ad ? text + " ad" : text;
}

std::string rate_text(const kernel::VfInfo& info) {
  if (info.min_tx_rate != 0 && info.max_tx_rate != 0) return fmt::format("{}-{}", info.min_tx_rate, info.max_tx_rate);
  if (info.min_tx_rate != 0) return fmt::format("min {}", info.min_tx_rate);
  return info.max_tx_rate != 0 ? fmt::format("{}", info.max_tx_rate) : "";
}

std::string interface_text(const vf::Vf& vf) {
  if (vf.link) return vf.link->name;
  // As the file /dev/vfio/N, by which its program opens it.
  if (kernel::is_userspace_driver(vf.pci.driver) && vf.pci.iommu_group) return "vfio " + *vf.pci.iommu_group;
  return "";
}

std::string holder_text(const state::Attachment& attachment) {
  if (!attachment.pod.name.empty()) return attachment.pod.name_space + "/" + attachment.pod.name;
  constexpr std::size_t kShortId = 12;  // as container runtimes abbreviate
  return "container " + attachment.id.container_id.substr(0, kShortId);
}

std::string link_text(const PfEntry& pf) {
  if (!pf.pf.link) return "no netdev";
  if (!pf.pf.link->is_up()) return "down";
  if (!pf.pf.link->carrier) return "no carrier";
  return pf.speed_mbps ? fmt::format("up {} Mb/s", *pf.speed_mbps) : "up";
}

std::string render_list(const manager::Snapshot& snapshot, const ListView& view, const Terminal& given) {
  Terminal terminal = given;
  if (view.wide) terminal.width.reset();  // who asks for everything gets everything
  std::string text = render_vfs(snapshot, view, terminal);
  const auto& others = snapshot.others;
  // Columns that were chosen are a script's, which wants one table.
  if (view.columns.empty() &&
      std::any_of(others.begin(), others.end(), [&](const auto& other) { return is_shown(other, view); })) {
    if (!text.empty()) text += "\n";
    text += render_others(snapshot, view, terminal);
  }
  return text;
}

}  // namespace barewire::cli
