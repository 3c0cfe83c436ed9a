// SPDX-License-Identifier: Apache-2.0
/// The spans that plugins left (core/trace.h), on their way to a collector: OTLP over HTTP, as JSON. A file goes when
/// the collector has taken it, will never take it, or it is too old. daemon/traces_side.h says when to send.
/// Source: opentelemetry-proto, docs/specification.md, "OTLP/HTTP".
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "device-manager/kubernetes/api.h"

namespace barewire::traces {

/// Where a collector takes traces: "http://127.0.0.1:4318/v1/traces".
struct CollectorUrl {
  std::string server;  ///< "http://127.0.0.1:4318"
  std::string path;    ///< "/v1/traces", which is also what a URL without path means
};
/// Throws Error{config} for what is no http or https URL, or has a user's name in it, which `ps` would show.
CollectorUrl parse_collector_url(std::string_view text);

/// What waits longer than this for a collector that is away is given up.
inline constexpr std::chrono::minutes kOldest{10};

/// Of one thread.
class Outbox {
 public:
  using Say = std::function<void(const std::string& line)>;
  /// `api` outlives it. `say` hears of what is given up.
  Outbox(kubernetes::Api& api, std::string path, std::string directory, std::string host, Say say);

  /// Makes the directory, by which plugins know that somebody wants spans. Throws Error{io}.
  void open(const std::string& run_dir) const;
  /// Sends all that waits, several files a request. Returns how many the collector took. Throws Error{io} when it is
  /// away or cannot take any now: what has not been taken stays.
  std::size_t send();
  /// Calls whose spans were taken, and those whose were given up, since the last time this was asked.
  struct Counts {
    std::size_t sent = 0;
    std::size_t dropped = 0;
  };
  Counts take_counts() { return std::exchange(counts_, {}); }

 private:
  struct Batch;
  Batch next_batch();
  void give_up_old();
  bool deliver(const Batch& batch);
  void drop(const std::string& name, std::string_view why);

  kubernetes::Api& api_;
  std::string path_;
  std::string directory_;
  std::string host_;
  Say say_;
  Counts counts_;
};

/// Where nobody wants spans any more: plugins leave none from now on. Throws Error{io}.
void close_outbox(const std::string& directory);

}  // namespace barewire::traces
