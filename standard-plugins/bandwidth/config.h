// SPDX-License-Identifier: Apache-2.0
/// The keys of the bandwidth plugin; bandwidth.cc and vf.h act on them. docs/configuration/bandwidth.md describes them.
#pragma once

#include <optional>

#include "core/cni/request.h"
#include "core/kernel/tc.h"

namespace barewire::standard {

/// Seen from the pod: `ingress` is what it receives. Absent: no limit.
struct BandwidthConfig {
  std::optional<kernel::TokenBucket> ingress, egress;
  /// No limit either way: the result is handed on, and nothing is recorded.
  bool empty() const noexcept { return !ingress && !egress; }
  /// Throws Error{config} naming the key.
  static BandwidthConfig parse(const cni::NetConf& conf);
};

}  // namespace barewire::standard
