// SPDX-License-Identifier: Apache-2.0
// A selector that is not understood selects nobody by guess: the limit guards the whole cluster.
#include "device-manager/cluster/limit.h"

#include <algorithm>
#include <charconv>

#include "device-manager/cluster/objects.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;

bool fits(const JsonView& expression, const Labels& labels) {
  const std::string key = expression.at("key").string();
  const std::string op = expression.at("operator").string();
  const auto label = labels.find(key);
  const bool there = label != labels.end();
  if (op == "Exists") return there;
  if (op == "DoesNotExist") return !there;
  const auto given = expression.find("values");
  const auto values = given ? given->strings() : std::vector<std::string>();
  const bool listed = there && std::find(values.begin(), values.end(), label->second) != values.end();
  if (op == "In") return listed;
  if (op == "NotIn") return !listed;
  expression.at("operator").reject("\"In\", \"NotIn\", \"Exists\" or \"DoesNotExist\"");
}

bool selects(const JsonView& selector, const Labels& labels) {
  if (const auto wanted = selector.find("matchLabels"))
    for (const auto& [name, value] : wanted->members()) {
      const auto label = labels.find(name);
      if (label == labels.end() || label->second != value.string()) return false;
    }
  const auto expressions = selector.find("matchExpressions");
  if (!expressions) return true;
  const auto all = expressions->array();
  return std::all_of(all.begin(), all.end(), [&](const JsonView& each) { return fits(each, labels); });
}

bool is_in(const JsonView& spec, const Labels& labels) {
  const auto selector = spec.find("nodeSelector");
  return !selector || selects(*selector, labels);
}

std::size_t most_of(const JsonView& spec, const ListNodes& nodes) {
  constexpr std::int64_t kMost = 100000;
  constexpr std::string_view kExpected = "a number of nodes, or a share of them such as \"10%\"";
  const auto value = spec.find("maxUnavailable");
  if (!value) return 1;
  if (!value->is_string()) return static_cast<std::size_t>(value->integer(0, kMost, kExpected));
  const std::string text = value->string();
  std::size_t percent = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (failure != std::errc() || std::string_view(end) != "%" || percent < 1 || percent > 100) value->reject(kExpected);
  const auto all = nodes();
  const auto count = std::count_if(all.begin(), all.end(), [&](const Labels& each) { return is_in(spec, each); });
  return static_cast<std::size_t>(count) * percent / 100;
}

std::string rdma_mode_of(const JsonView& spec) {
  const auto mode = spec.find("rdmaMode");
  const std::string word = mode ? mode->string() : "";
  if (!word.empty() && word != "shared" && word != "exclusive") mode->reject("\"shared\" or \"exclusive\"");
  return word;
}

}  // namespace

bool selects(const json::value& selector, const Labels& labels) {
  return selector.is_null() || selects(JsonView(selector, "key"), labels);
}

Limit limit_of(const std::vector<json::value>& pool_configs, const Labels& labels, const ListNodes& nodes) {
  Limit limit;
  bool found = false;
  for (const json::value& each : pool_configs) {
    const std::string name = text_at(each, {"metadata", "name"});
    const JsonView view(each, fmt::format("SriovNetworkPoolConfig {}: key", name));
    const auto spec = view.find("spec");
    if (!spec || !is_in(*spec, labels)) continue;
    if (found)
      throw Error(Error::Code::config,
                  fmt::format("the node is in two pools, SriovNetworkPoolConfig {} and {}", limit.pool, name),
                  "change their nodeSelectors: a node is in one pool");
    found = true;
    limit = {name, most_of(*spec, nodes), rdma_mode_of(*spec)};
  }
  return limit;
}

}  // namespace barewire::cluster
