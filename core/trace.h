// SPDX-License-Identifier: Apache-2.0
/// Where the time of one call goes, told to whoever traces the runtime. A program that is called with TRACEPARENT in
/// its environment has a Trace; Spans note the steps below it, and at its end they are left as one file, which the
/// daemon sends (device-manager/daemon/traces_side.h). Without the variable nothing is done: no system call, no
/// allocation. Nothing that goes wrong here reaches the call.
/// Source: W3C Trace Context, level 1; OpenTelemetry, "Environment Variables as Context Propagation Carriers";
/// opentelemetry-proto's docs/specification.md, "JSON Protobuf Encoding".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace barewire::trace {

/// Of mains: Node::run_dir and this. Who sends traces makes it; where it is missing nothing is written.
inline constexpr const char* kBelow = "/traces";
/// What one call leaves at most, and what may wait for the daemon. A call that comes to a full directory leaves none.
inline constexpr std::size_t kMostSpans = 256;
inline constexpr std::size_t kLargestFile = 512 << 10;
inline constexpr std::size_t kMostFiles = 1024;

/// What a caller says of the trace that a call is part of.
struct Context {
  std::string trace_id;      ///< 32 hexadecimal digits
  std::uint64_t parent = 0;  ///< the caller's span
  std::uint8_t flags = 0;    ///< bit 0: the caller records; without it nothing is noted
  bool is_sampled() const noexcept { return (flags & 1) != 0; }
};

/// nullopt for what is none; of a later version what is known of it. Source: W3C Trace Context, 3.2.
std::optional<Context> parse_traceparent(std::string_view text);
/// Whether TRACESTATE may be handed on: 512 characters and 32 members at most. Source: W3C Trace Context, 3.3.
bool is_tracestate(std::string_view text);

struct Recorder;

/// Of one call of the program: made before its first Span, on the thread that makes them. One at a time.
class Trace {
 public:
  /// Begins where the environment asks for it. A variable that is malformed is ignored, with a line in the log.
  explicit Trace(std::string directory) noexcept;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  /// Leaves the spans in `directory`, whole or not at all.
  ~Trace();

 private:
  std::unique_ptr<Recorder> recorder_;
};

/// One step, from here to its destruction, within the one that has begun last on this thread. One that an exception
/// ends has failed.
class Span {
 public:
  /// Its name is "first second": few different ones, such as "bridge ADD". What it is about is for set().
  explicit Span(std::string_view first, std::string_view second = {}) noexcept;
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  ~Span();

  /// An attribute; an empty value says nothing. Longer ones than 256 bytes are cut.
  void set(std::string_view key, std::string_view value) noexcept;
  void fail(std::string_view why) noexcept;

 private:
  Recorder* recorder_;  ///< nullptr: nothing is traced
  std::size_t index_ = 0;
  int exceptions_ = 0;  ///< under way when it began
};

/// For a program that is called now: the context with the current span as its parent takes the place of this process's
/// own. As it is where nothing is traced.
void hand_on(std::vector<std::string>& environment);

}  // namespace barewire::trace
