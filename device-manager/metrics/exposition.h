// SPDX-License-Identifier: Apache-2.0
/// Prometheus' text format, put together family by family. Knows nothing of NICs. No I/O.
/// Source: prometheus.io, "Exposition formats", text-based format 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace barewire::metrics {

/// Name and value, in the order in which they are printed. Values are escaped on the way, names must need none.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

/// One page. The samples of a family stand together, as the format asks; families come in any order. Of one thread.
class Exposition {
 public:
  enum class Type { counter, gauge, histogram };
  /// Opens a family; the samples that follow are of it. `name` is [a-z_]+ and comes once.
  void family(std::string_view name, Type type, std::string_view help);
  /// A family without samples is left out.
  void sample(const Labels& labels, std::uint64_t value);
  /// `counts` has one more than `bounds`, each of its bucket alone; they are added up here. Sum in seconds.
  void histogram(const Labels& labels, const std::vector<double>& bounds, const std::vector<std::uint64_t>& counts,
                 double sum);

  const std::string& text() const noexcept { return text_; }
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  /// One sample of the family; before its first the family's head is written.
  void line(std::string_view suffix, const Labels& labels, const std::string& value);

  std::string text_;
  std::string head_;  ///< of the family, until its first sample
  std::string name_;
};

/// A label's value between its quotes: backslash, quote and newline escaped, bytes that are no UTF-8 as \xNN.
std::string escape_label(std::string_view value);

}  // namespace barewire::metrics
