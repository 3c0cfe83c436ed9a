// SPDX-License-Identifier: Apache-2.0
/// Addresses a runtime asks for, where host-local and static both look: CNI_ARGS, "args.cni.ips", "runtimeConfig.ips".
/// Texts, not addresses: what may stand there is each plugin's to say. Source: CNI's CONVENTIONS.md, "ips".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cni/request.h"

namespace barewire::ipam {

/// One address as it was asked for, and where: `config key "runtimeConfig.ips[0]"`, `CNI_ARGS key "IP"`.
struct AskedAddress {
  /// As it was written; of CNI_ARGS without blanks at its ends.
  std::string text;
  std::string source;
  /// Throws Error{config} "<source> is "<text>"; expected <expected>".
  [[noreturn]] void reject(std::string_view expected) const;
};

/// The comma-separated values of a CNI_ARGS key, blanks trimmed; empty when the key is absent or empty.
std::vector<AskedAddress> asked_in_args(const cni::Request& request, std::string_view key);
/// The strings of a list under a key; empty without the key. Throws Error{config} when it is no list of strings.
std::vector<AskedAddress> asked_in(const std::optional<JsonView>& list);

}  // namespace barewire::ipam
