// SPDX-License-Identifier: Apache-2.0
// Values of labels come from pods and drivers, and may hold anything; one that is not escaped would spoil the whole
// page.
#include "device-manager/metrics/exposition.h"

#include <fmt/format.h>

#include "core/utf8.h"

namespace barewire::metrics {

std::string escape_label(std::string_view value) {
  std::string escaped;
  for (const char each : escape_bytes(value)) {
    if (each == '\\')
      escaped += "\\\\";
    else if (each == '"')
      escaped += "\\\"";
    else if (each == '\n')
      escaped += "\\n";
    else
      escaped += each;
  }
  return escaped;
}

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  const char* word = type == Type::counter ? "counter" : type == Type::gauge ? "gauge" : "histogram";
  head_ = fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, word);
}

void Exposition::line(std::string_view suffix, const Labels& labels, const std::string& value) {
  text_ += std::exchange(head_, {});
  text_ += name_;
  text_ += suffix;
  char separator = '{';
  for (const auto& [label, text] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", separator, label, escape_label(text));
    separator = ',';
  }
  text_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", value);
}

void Exposition::sample(const Labels& labels, std::uint64_t value) {
  line("", labels, std::to_string(value));
}

void Exposition::histogram(const Labels& labels, const std::vector<double>& bounds,
                           const std::vector<std::uint64_t>& counts, double sum) {
  Labels with_bound = labels;
  with_bound.emplace_back("le", "");
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    // In this format a bucket holds all that is not above its bound.
    total += counts[i];
    // The shortest text that reads back as the number, and so the same each time: another spelling is another series.
    with_bound.back().second = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
    line("_bucket", with_bound, std::to_string(total));
  }
  line("_sum", labels, fmt::format("{}", sum));
  line("_count", labels, std::to_string(total));
}

}  // namespace barewire::metrics
