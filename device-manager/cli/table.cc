// SPDX-License-Identifier: Apache-2.0
// Columns are measured in characters that are seen: names may be in UTF-8.
#include "device-manager/cli/table.h"

#include <algorithm>
#include <numeric>

namespace barewire::cli {
namespace {

constexpr std::size_t kGap = 2;         ///< blanks between columns
constexpr std::size_t kLeastWidth = 6;  ///< a column that is cut keeps this much

void strip_trailing_blanks(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

}  // namespace

struct Table::Layout {
  std::vector<std::size_t> columns;  ///< indices shown, in order
  std::vector<std::size_t> widths;   ///< by index of all columns
  std::size_t indent = 0;

  std::size_t total() const {
    std::size_t sum = indent;
    for (const std::size_t column : columns) sum += widths[column] + kGap;
    return columns.empty() ? sum : sum - kGap;
  }
};

void Table::add_heading(std::string line) {
  lines_.push_back({Line::Kind::heading, {Cell()}});
  lines_.back().cells[0].text = std::move(line);  // painted already: its escapes are ours
  has_headings_ = true;
}

void Table::add_row(std::vector<Cell> cells) {
  cells.resize(columns_.size());
  for (Cell& cell : cells) {
    // Blanks would be no field to awk and cut, and every later column would move to the left.
    if (cell.text.empty()) cell = Cell("-", Style::dim);
  }
  lines_.push_back({Line::Kind::row, std::move(cells)});
}

void Table::add_note(Cell note) {
  lines_.push_back({Line::Kind::note, {std::move(note)}});
}

std::vector<std::size_t> Table::natural_widths() const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(display_width(column.title));
  for (const Line& line : lines_) {
    if (line.kind != Line::Kind::row) continue;
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(line.cells[i].text));
  }
  return widths;
}

Table::Layout Table::fit(const Terminal& terminal) const {
  Layout layout;
  layout.widths = natural_widths();
  layout.columns.resize(columns_.size());
  layout.indent = has_headings_ && titles_ ? kGap : 0;
  std::iota(layout.columns.begin(), layout.columns.end(), 0U);
  if (!terminal.width) return layout;
  // Whole columns go first, in the order their makers gave; only then are the widest cut.
  while (layout.total() > *terminal.width) {
    const auto least = std::max_element(layout.columns.begin(), layout.columns.end(), [&](auto a, auto b) {
      return columns_[a].expendable < columns_[b].expendable;
    });
    if (least == layout.columns.end() || columns_[*least].expendable == 0) break;
    layout.columns.erase(least);
  }
  while (layout.total() > *terminal.width) {
    const auto widest = std::max_element(layout.columns.begin(), layout.columns.end(),
                                         [&](auto a, auto b) { return layout.widths[a] < layout.widths[b]; });
    if (widest == layout.columns.end() || layout.widths[*widest] <= kLeastWidth) break;
    // By one, over and over: columns of equal width shrink together.
    --layout.widths[*widest];
  }
  return layout;
}

std::string Table::render_cells(const std::vector<Cell>& cells, const Layout& layout, const Terminal& terminal) const {
  std::string line(layout.indent, ' ');
  for (const std::size_t column : layout.columns) {
    const std::string text = shorten(cells[column].text, layout.widths[column], terminal.utf8);
    const std::string blanks(layout.widths[column] - display_width(text), ' ');
    const std::string painted = terminal.paint(text, cells[column].style);
    line += columns_[column].align == Column::Align::right ? blanks + painted : painted + blanks;
    line += std::string(kGap, ' ');
  }
  strip_trailing_blanks(line);
  return line + "\n";
}

std::string Table::render_titles(const Layout& layout, const Terminal& terminal) const {
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title, Style::dim);
  return render_cells(titles, layout, terminal);
}

std::string Table::render(const Terminal& terminal) const {
  const Layout layout = fit(terminal);
  std::string text;
  bool titles_due = true;
  for (const Line& line : lines_) {
    if (!titles_ && line.kind != Line::Kind::row) continue;
    switch (line.kind) {
      case Line::Kind::heading:
        text += (text.empty() ? "" : "\n") + line.cells[0].text + "\n";
        titles_due = true;
        break;
      case Line::Kind::row:
        if (titles_due && titles_) text += render_titles(layout, terminal);
        titles_due = false;
        text += render_cells(line.cells, layout, terminal);
        break;
      case Line::Kind::note:
        text += std::string(layout.indent + kGap, ' ') + terminal.paint(line.cells[0].text, line.cells[0].style) + "\n";
        break;
    }
  }
  return text;
}

}  // namespace barewire::cli
