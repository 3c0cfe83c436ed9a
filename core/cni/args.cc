// SPDX-License-Identifier: Apache-2.0
// Written as the reference library reads it: what one suite accepts, a runtime may send to the other.
#include "core/cni/args.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace barewire::cni {

Args Args::parse(std::string_view text) {
  Args args;
  while (!text.empty()) {
    const auto semicolon = text.find(';');
    const std::string_view pair = text.substr(0, semicolon);
    const auto equals = pair.find('=');
    // Source: ParseArgs of CNI's pkg/invoke/args.go and LoadArgs of pkg/types/args.go.
    if (equals == std::string_view::npos || equals == 0 || pair.find('=', equals + 1) != std::string_view::npos)
      throw Error(Error::Code::environment, fmt::format("CNI_ARGS has \"{}\"; expected KEY=VALUE", pair),
                  "CNI_ARGS is KEY=VALUE;KEY=VALUE, each pair with one '='");
    args.pairs_.insert_or_assign(std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1)));
    if (semicolon == std::string_view::npos) break;
    text.remove_prefix(semicolon + 1);
  }
  return args;
}

std::optional<std::string> Args::find(std::string_view key) const {
  // An exact spelling goes before another one, so that two keys that differ in case alone can be told apart.
  if (const auto exact = pairs_.find(key); exact != pairs_.end()) return exact->second;
  for (const auto& [name, value] : pairs_)
    if (equal_ignoring_case(name, key)) return value;
  return std::nullopt;
}

void Args::require_known(std::initializer_list<std::string_view> known) const {
  const auto ignore = find("IgnoreUnknown").value_or("");
  if (ignore == "1" || equal_ignoring_case(ignore, "true")) return;
  for (const auto& [name, value] : pairs_) {
    const std::string_view key = name;
    // Kubernetes' runtimes give K8S_POD_* to every plugin, with IgnoreUnknown or, some of them, without.
    const bool common = equal_ignoring_case(key, "IgnoreUnknown") || key.substr(0, 8) == "K8S_POD_";
    if (common || std::any_of(known.begin(), known.end(), [&](auto k) { return equal_ignoring_case(k, key); }))
      continue;
    throw Error(Error::Code::environment, fmt::format("CNI_ARGS has the unknown key \"{}\"", name),
                "add IgnoreUnknown=1 to CNI_ARGS to have unknown keys ignored");
  }
}

}  // namespace barewire::cni
