// SPDX-License-Identifier: Apache-2.0
/// CNI_ARGS: "KEY=VALUE;KEY=VALUE", the oldest way for a runtime to say something of one pod. Request (request.h) holds
/// it parsed. Source: CNI spec 1.1.0 "CNI Parameters".
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace barewire::cni {

/// Keys are looked up as written first, then without regard to case (ovs-cni documents `mac`, Multus sends `MAC`).
class Args {
 public:
  Args() = default;
  /// Throws Error{environment} naming the pair that is not KEY=VALUE.
  static Args parse(std::string_view text);
  /// nullopt when no pair has that key; of several the last.
  std::optional<std::string> find(std::string_view key) const;
  bool empty() const noexcept { return pairs_.empty(); }
  /// Throws Error{environment} when a key other than `known` and the common ones (IgnoreUnknown, K8S_POD_*) is there
  /// and IgnoreUnknown is not 1 or true; as the reference library does in plugins that read CNI_ARGS.
  void require_known(std::initializer_list<std::string_view> known) const;

 private:
  std::map<std::string, std::string, std::less<>> pairs_;
};

}  // namespace barewire::cni
