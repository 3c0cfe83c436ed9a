// SPDX-License-Identifier: Apache-2.0
// A report as text: one line per fact, flow rules by pattern.
#include "device-manager/dpdk/report_text.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "core/json_view.h"

namespace barewire::dpdk {
namespace {

namespace json = boost::json;

void line(std::string& text, std::string_view name, std::string_view value) {
  text += fmt::format("  {:<16}{}\n", name, value.empty() ? "-" : value);
}

std::string names(const JsonView& port, const char* direction) {
  const auto offloads = port.find("offloads");
  return offloads ? fmt::format("{}", fmt::join(offloads->at(direction).strings(), " ")) : "";
}

std::string switch_text(const JsonView& port) {
  constexpr std::int64_t kMost = 0xffffffff;
  const auto in_switch = port.find("switch");
  if (!in_switch) return "none: no representors";
  return fmt::format("domain {}", in_switch->integer_or("domain", 0, kMost, "a domain", 0));
}

std::string representors_text(const JsonView& port) {
  const auto ranges = port.find("representors");
  if (!ranges) return "";
  constexpr std::int64_t kMost = 0xffffffff;
  std::vector<std::string> parts;
  for (const JsonView& range : ranges->array())
    parts.push_back(fmt::format("{} {} from {}", range.integer_or("count", 0, kMost, "a number", 0),
                                range.string_or("type", ""), range.integer_or("first", -1, kMost, "a number", 0)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// "eth / ipv4: queue, drop".
void flow_lines(std::string& text, const JsonView& port) {
  const auto flows = port.find("flows");
  if (!flows) return;
  std::vector<std::pair<std::string, std::vector<std::string>>> taken;
  for (const JsonView& rule : flows->array()) {
    const std::string pattern = rule.string_or("pattern", "");
    if (taken.empty() || taken.back().first != pattern) taken.emplace_back(pattern, std::vector<std::string>());
    if (rule.boolean_or("valid", false)) taken.back().second.push_back(rule.string_or("action", ""));
  }
  const bool any = std::any_of(taken.begin(), taken.end(), [](const auto& each) { return !each.second.empty(); });
  if (!any) return line(text, "flow rules", "none of those tried");
  for (const auto& [pattern, actions] : taken)
    if (!actions.empty()) line(text, "flow rule", fmt::format("{}: {}", pattern, fmt::join(actions, ", ")));
}

void port_lines(std::string& text, const JsonView& port) {
  constexpr std::int64_t kMost = 0xffffffff;
  const auto number = [&](const JsonView& view, const char* key) {
    return view.integer_or(key, 0, kMost, "a number", 0);
  };
  text += fmt::format("\nPort {}\n", port.string_or("name", ""));
  line(text, "driver", port.string_or("driver", ""));
  line(text, "starts", port.boolean_or("starts", false) ? "yes" : "no: " + port.string_or("startProblem", ""));
  line(text, "MAC", port.string_or("mac", ""));
  if (const auto mtu = port.find("mtu"))
    line(text, "MTU", fmt::format("{} ({} to {})", number(*mtu, "now"), number(*mtu, "min"), number(*mtu, "max")));
  if (const auto queues = port.find("queues"))
    line(text, "queues", fmt::format("{} receive, {} transmit", number(*queues, "rx"), number(*queues, "tx")));
  line(text, "receive", names(port, "rx"));
  line(text, "transmit", names(port, "tx"));
  line(text, "switch", switch_text(port));
  line(text, "representors", representors_text(port));
  flow_lines(text, port);
}

}  // namespace

std::string text_of(const json::object& report) {
  const json::value whole = report;
  const JsonView view(whole, "key of the report");
  const JsonView device = view.at("device");
  const std::string name = device.string_or("pci", device.string_or("vdev", ""));
  std::string text = fmt::format("{}\n", name);
  if (device.has("pci")) {
    line(text, "PCI id", device.string_or("id", ""));
    line(text, "kernel driver", device.string_or("kernelDriver", ""));
    line(text, "IOMMU group", device.string_or("iommuGroup", ""));
  }
  line(text, "DPDK", view.string_or("dpdk", ""));
  const bool usable = view.boolean_or("usable", false);
  line(text, "usable", usable ? "yes" : "no: " + view.string_or("problem", ""));
  if (!usable && view.has("hint")) line(text, "", view.string_or("hint", ""));
  if (view.at("node").at("hugePages").integer_or("total", 0, INT64_MAX, "a number", 0) == 0)
    line(text, "huge pages", "none: programs start only with --no-huge; `sysctl vm.nr_hugepages=1024`");
  for (const JsonView& port : view.at("ports").array()) port_lines(text, port);
  return text;
}

}  // namespace barewire::dpdk
