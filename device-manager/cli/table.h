// SPDX-License-Identifier: Apache-2.0
/// Tables of text: aligned columns, headings between rows, cut to the terminal's width. Knows nothing of NICs.
#pragma once

#include <string>
#include <vector>

#include "device-manager/cli/terminal.h"

namespace barewire::cli {

/// What stands in one column of a row. Text of others (names, sysfs) is made printable as it is put in.
struct Cell {
  std::string text;
  Style style = Style::plain;
  Cell() = default;
  Cell(std::string value, Style look = Style::plain) : text(printable(value)), style(look) {}
  Cell(const char* value, Style look = Style::plain) : Cell(std::string(value), look) {}
};

/// What all cells of a column share.
struct Column {
  enum class Align { left, right };
  std::string title;  ///< repeated under every heading
  Align align = Align::left;
  /// Where the terminal is too narrow, columns with the highest number go first; 0 never goes.
  int expendable = 0;
};

/// Rows in order; a heading is a line of its own that opens a group, under which the titles are repeated. All groups
/// share the columns' widths.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Printed as it is: its colours are the caller's.
  void add_heading(std::string line);
  /// As many cells as columns; an empty one prints as "-".
  void add_row(std::vector<Cell> cells);
  /// A line of text below the latest row, indented.
  void add_note(Cell note);
  /// Rows alone, for programs that read lines: no titles, headings or notes, no indent.
  void leave_out_titles() noexcept { titles_ = false; }
  /// Nothing was added yet.
  bool empty() const noexcept { return lines_.empty(); }

  /// Every line ends with a newline and has no blanks before it.
  std::string render(const Terminal& terminal) const;

 private:
  /// Headings, rows and notes in the order they were added.
  struct Line {
    enum class Kind { heading, row, note } kind;
    std::vector<Cell> cells;  ///< of a heading or note: one
  };
  struct Layout;
  /// By column: what the longest cell takes, in characters that are seen.
  std::vector<std::size_t> natural_widths() const;
  /// Leaves out expendable columns, then cuts the widest, until a line fits.
  Layout fit(const Terminal& terminal) const;
  /// One line of the columns that are left, each padded to its width.
  std::string render_cells(const std::vector<Cell>& cells, const Layout& layout, const Terminal& terminal) const;
  /// Above the first row of a group; a heading without rows has none.
  std::string render_titles(const Layout& layout, const Terminal& terminal) const;

  std::vector<Column> columns_;
  std::vector<Line> lines_;
  bool has_headings_ = false;
  bool titles_ = true;
};

}  // namespace barewire::cli
