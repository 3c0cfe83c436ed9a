// SPDX-License-Identifier: Apache-2.0
// A file holds spans as OTLP's JSON has them, so that the daemon needs to know nothing of what plugins do.
#include "core/trace.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <utility>

#include "core/directory.h"
#include "core/draft.h"
#include "core/log.h"
#include "core/utf8.h"

namespace barewire::trace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

/// A span that has begun; `end` once it has ended.
struct Noted {
  std::string name;
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  Clock::time_point begin = Clock::now();
  std::optional<Clock::time_point> end{};
  std::vector<std::pair<std::string, std::string>> attributes{};
  std::optional<std::string> failure{};
};

struct Recorder {
  Context context;
  std::string state;  ///< TRACESTATE; empty where it is malformed
  std::string directory;
  std::uint64_t seed = 0;
  std::uint64_t current = context.parent;
  std::chrono::system_clock::time_point wall = std::chrono::system_clock::now();
  Clock::time_point start = Clock::now();
  std::vector<Noted> spans{};
  std::size_t dropped = 0;
};

namespace {

constexpr std::size_t kLongestText = 256;
constexpr std::size_t kNone = ~std::size_t{0};

/// The thread's, since a span's parent is the one that the same thread has begun before.
constinit thread_local Recorder* active = nullptr;

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// `text` is all digits.
std::uint64_t hex_value(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

std::string_view variable(const char* name) noexcept {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Unlike each other as a good hash is. Source: Steele, Lea, Flood: splitmix64.
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::uint64_t next_id(Recorder& recorder) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
  const std::uint64_t id = mixed(recorder.seed += kStep);
  return id != 0 ? id : 1;  // zero means none
}

std::unique_ptr<Recorder> begin(std::string directory) {
  const std::string_view given = variable("TRACEPARENT");
  if (given.empty()) return nullptr;
  auto context = parse_traceparent(given);
  if (!context) {
    log_warning("ignoring TRACEPARENT=\"{}\": it is no trace context of the W3C", given.substr(0, kLongestText));
    return nullptr;
  }
  std::string_view state = variable("TRACESTATE");
  if (!is_tracestate(state)) {
    log_warning("ignoring TRACESTATE: it is no list as the W3C's trace context has it");
    state = {};
  }
  auto recorder = std::make_unique<Recorder>(
      Recorder{.context = *std::move(context), .state = std::string(state), .directory = std::move(directory)});
  if (::getrandom(&recorder->seed, sizeof recorder->seed, 0) < 0) return nullptr;
  return recorder;
}

json::object attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", json::object{{"stringValue", escape_bytes(value)}}}};
}

std::string nanoseconds(const Recorder& recorder, Clock::time_point at) {
  const auto since_epoch = (recorder.wall + (at - recorder.start)).time_since_epoch();
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count());
}

/// Source: opentelemetry-proto, trace.proto, Span.
json::object to_json(const Recorder& recorder, const Noted& span, Clock::time_point now) {
  constexpr int kInternal = 1;
  constexpr int kServer = 2;
  constexpr unsigned kToldWhetherRemote = 0x100;
  constexpr unsigned kRemoteParent = 0x200;
  constexpr int kError = 2;
  const bool is_call = span.parent == recorder.context.parent;
  json::array attributes;
  for (const auto& [key, value] : span.attributes) attributes.push_back(attribute(key, value));
  json::object object{{"traceId", recorder.context.trace_id},
                      {"spanId", fmt::format("{:016x}", span.id)},
                      {"parentSpanId", fmt::format("{:016x}", span.parent)},
                      {"flags", recorder.context.flags | kToldWhetherRemote | (is_call ? kRemoteParent : 0U)},
                      {"name", escape_bytes(span.name)},
                      {"kind", is_call ? kServer : kInternal},
                      {"startTimeUnixNano", nanoseconds(recorder, span.begin)},
                      {"endTimeUnixNano", nanoseconds(recorder, span.end.value_or(now))},
                      {"attributes", std::move(attributes)}};
  if (!recorder.state.empty()) object["traceState"] = recorder.state;
  if (span.failure) object["status"] = json::object{{"code", kError}, {"message", escape_bytes(*span.failure)}};
  return object;
}

void write(const Recorder& recorder) {
  if (recorder.spans.empty()) return;
  // Counted rather than reckoned with: without a daemon that takes them away they would fill memory.
  const auto waiting = try_list_directory(recorder.directory);
  if (!waiting) return;
  if (waiting->size() >= kMostFiles)
    return log_info("spans are left out: {} files wait in {} for the daemon", waiting->size(), recorder.directory);
  json::array spans;
  const auto now = Clock::now();
  for (const Noted& span : recorder.spans) spans.push_back(to_json(recorder, span, now));
  const std::string text =
      json::serialize(json::object{{"format", 1}, {"droppedSpans", recorder.dropped}, {"spans", std::move(spans)}});
  if (text.size() > kLargestFile) return log_info("spans are left out: they take {} bytes", text.size());
  const std::string name = fmt::format("{}-{:016x}.json", recorder.context.trace_id, recorder.spans.front().id);
  try_write_file_atomically(recorder.directory + "/" + name, text, Durability::until_reboot, 0600);
}

/// Members are "key=value", where keys begin with a small letter or a digit. Source: W3C Trace Context, 3.3.1.3.
bool is_tracestate_member(std::string_view member) {
  const auto equals = member.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > 256) return false;
  const std::string_view key = member.substr(0, equals);
  const std::string_view value = member.substr(equals + 1);
  const auto is_key = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("_-*/@").find(c) != std::string::npos;
  };
  const auto is_value = [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; };
  return std::all_of(key.begin(), key.end(), is_key) &&
         ((key[0] >= 'a' && key[0] <= 'z') || (key[0] >= '0' && key[0] <= '9')) && !value.empty() &&
         value.size() <= 256 && value.back() != ' ' && std::all_of(value.begin(), value.end(), is_value);
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::optional<Context> parse_traceparent(std::string_view text) {
  constexpr std::size_t kSize = 55;  // 00-<32>-<16>-<2>
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  for (const std::string_view part : {version, trace_id, parent, flags})
    if (!is_lower_hex(part)) return std::nullopt;
  if (version == "ff" || (version == "00" && text.size() != kSize)) return std::nullopt;
  if (text.size() > kSize && text[kSize] != '-') return std::nullopt;  // a later version says more, behind a dash
  if (trace_id.find_first_not_of('0') == std::string_view::npos || hex_value(parent) == 0) return std::nullopt;
  // Of the flags of later versions only this one is known.
  return Context{std::string(trace_id), hex_value(parent), static_cast<std::uint8_t>(hex_value(flags) & 1)};
}

bool is_tracestate(std::string_view text) {
  constexpr std::size_t kLongest = 512;
  constexpr std::size_t kMostMembers = 32;
  if (text.size() > kLongest) return false;
  for (std::size_t members = 0; !text.empty();) {
    const auto comma = text.find(',');
    const std::string_view member = without_blanks(text.substr(0, comma));
    // Empty ones are allowed, and say nothing.
    if (!member.empty() && (++members > kMostMembers || !is_tracestate_member(member))) return false;
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return true;
}

Trace::Trace(std::string directory) noexcept {
  try {
    recorder_ = begin(std::move(directory));
    if (recorder_ && recorder_->context.is_sampled()) active = recorder_.get();
  } catch (...) {  // out of memory: the call is not traced
  }
}

Trace::~Trace() {
  if (recorder_ == nullptr || active != recorder_.get()) return;
  active = nullptr;
  try {
    write(*recorder_);
  } catch (const std::exception& error) {
    log_info("spans are not kept, ignoring: {}", error.what());
  }
}

Span::Span(std::string_view first, std::string_view second) noexcept : recorder_(active) {
  if (recorder_ == nullptr) return;
  index_ = kNone;
  exceptions_ = std::uncaught_exceptions();
  if (recorder_->spans.size() >= kMostSpans) {
    ++recorder_->dropped;
    return;
  }
  try {
    const std::uint64_t id = next_id(*recorder_);
    recorder_->spans.push_back({.name = fmt::format("{}{}{}", first, second.empty() ? "" : " ", second),
                                .id = id,
                                .parent = recorder_->current});
    index_ = recorder_->spans.size() - 1;
    recorder_->current = id;
  } catch (...) {  // out of memory: it is left out
  }
}

Span::~Span() {
  if (recorder_ == nullptr || index_ == kNone) return;
  Noted& span = recorder_->spans[index_];
  span.end = Clock::now();
  recorder_->current = span.parent;
  if (!span.failure && std::uncaught_exceptions() > exceptions_) span.failure.emplace();
}

void Span::set(std::string_view key, std::string_view value) noexcept {
  if (recorder_ == nullptr || index_ == kNone || value.empty()) return;
  try {
    recorder_->spans[index_].attributes.emplace_back(key, value.substr(0, kLongestText));
  } catch (...) {  // out of memory: it is left out
  }
}

void Span::fail(std::string_view why) noexcept {
  if (recorder_ == nullptr || index_ == kNone) return;
  try {
    recorder_->spans[index_].failure.emplace(why.substr(0, kLongestText));
  } catch (...) {  // out of memory: it is left out
  }
}

void hand_on(std::vector<std::string>& environment) {
  if (active == nullptr) return;
  std::erase_if(environment, [](const std::string& variable) {
    return variable.starts_with("TRACEPARENT=") || variable.starts_with("TRACESTATE=");
  });
  environment.push_back(fmt::format("TRACEPARENT=00-{}-{:016x}-{:02x}", active->context.trace_id, active->current,
                                    active->context.flags));
  if (!active->state.empty()) environment.push_back("TRACESTATE=" + active->state);
}

}  // namespace barewire::trace
