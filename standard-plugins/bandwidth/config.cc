// SPDX-License-Identifier: Apache-2.0
// Keys in the configuration itself, or in runtimeConfig where the runtime fills them in from the pod's annotations; as
// the reference reads them, the configuration's own keys win.
#include "standard-plugins/bandwidth/config.h"

#include <algorithm>
#include <limits>

namespace barewire::standard {

namespace {

constexpr std::int64_t kLargestBurst = std::int64_t{std::numeric_limits<std::uint32_t>::max()} * 8;  // 4 GB in bits

/// In bits per second, and in bits.
struct Given {
  std::int64_t rate = 0, burst = 0;
};

Given read_given(const JsonView& keys, const char* rate_key, const char* burst_key) {
  return {.rate = keys.integer_or(rate_key, 0, std::numeric_limits<std::int64_t>::max(), "bits per second", 0),
          .burst = keys.integer_or(burst_key, 0, kLargestBurst, "bits, at most 4 GB of them", 0)};
}

std::optional<kernel::TokenBucket> parse_bucket(const JsonView& keys, const char* rate_key, const char* burst_key) {
  const auto [rate, burst] = read_given(keys, rate_key, burst_key);
  if (rate == 0 && burst == 0) return std::nullopt;
  // A bucket that holds nothing lets nothing pass, and one without a rate is no limit.
  if (burst == 0) keys.at(rate_key).reject(fmt::format("a value together with {}", burst_key));
  if (rate == 0) keys.at(burst_key).reject(fmt::format("a value together with {}", rate_key));
  return kernel::make_token_bucket(static_cast<std::uint64_t>(rate), static_cast<std::uint64_t>(burst));
}

bool has_own_keys(const JsonView& root) {
  const auto keys = {"ingressRate", "ingressBurst", "egressRate", "egressBurst"};
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return root.has(key); });
}

}  // namespace

BandwidthConfig BandwidthConfig::parse(const cni::NetConf& conf) {
  const auto given = conf.runtime_config("bandwidth");
  if (given) {  // is read whether it counts or not: a runtime that sends nonsense here is told so
    read_given(*given, "ingressRate", "ingressBurst");
    read_given(*given, "egressRate", "egressBurst");
  }
  const JsonView keys = given && !has_own_keys(conf.root()) ? *given : conf.root();
  return {.ingress = parse_bucket(keys, "ingressRate", "ingressBurst"),
          .egress = parse_bucket(keys, "egressRate", "egressBurst")};
}

}  // namespace barewire::standard
