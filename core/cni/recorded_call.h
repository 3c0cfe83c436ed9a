// SPDX-License-Identifier: Apache-2.0
/// One CNI call as the flight recorder (core/journal.h) and a trace (core/trace.h) have it. plugin.cc makes one in
/// run(), the only place where calls are recorded, so no plugin knows of it. Of one thread.
#pragma once

#include <chrono>
#include <optional>

#include "core/cni/request.h"
#include "core/journal.h"
#include "core/node.h"
#include "core/trace.h"

namespace barewire::cni {

/// Not recorded are: VERSION and STATUS, which runtimes ask every few seconds; CHECK and GC that succeed, since they
/// say nothing of a pod (each that GC takes down is: journal::Collecting); and a call within another of this process,
/// an IPAM plugin's or a fallback's, whose outcome is that of the outer one.
class RecordedCall {
 public:
  /// `environment` and `node` outlive it.
  RecordedCall(std::string_view plugin, const Environment& environment, const Node& node) noexcept;
  RecordedCall(const RecordedCall&) = delete;
  RecordedCall& operator=(const RecordedCall&) = delete;
  ~RecordedCall();

  /// Once the configuration could be read.
  void set_request(const Request& request) noexcept;
  /// The plugin asked for it by itself, not the runtime.
  void set_by_itself() noexcept { is_by_itself_ = true; }
  /// How it ended; one of them, once.
  void succeeded() noexcept;
  void failed(int code, std::string_view what, std::string_view hint) noexcept;

 private:
  bool is_recorded(bool success) const;
  void record(journal::Event event);

  std::string_view plugin_;
  const Environment& environment_;
  const Node& node_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string network_;
  std::optional<journal::Collecting> collecting_;  ///< of GC
  trace::Span span_;
  bool is_by_itself_ = false;
  std::string configured_device_;  ///< for a call that failed before it came to a device
};

}  // namespace barewire::cni
