// SPDX-License-Identifier: Apache-2.0
// No library and no buffer: a plugin writes a few lines in its life, and what a killed one has written must be there.
#include "core/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <utility>

#include "core/error.h"
#include "core/log_scope.h"
#include "core/regular_file.h"
#include "core/text.h"
#include "core/utc.h"
#include "core/utf8.h"

namespace barewire {

namespace {

struct Log {
  LogLevel level = LogLevel::warning;
  Fd file;
};

Log& process_log() {
  // The one piece of global state beside stderr itself: a log that is handed through every function would be in all of
  // them.
  static Log log;
  return log;
}

/// Of each thread: a daemon may be at several attachments at a time.
std::string& thread_context() {
  thread_local std::string context;
  return context;
}

constexpr std::array<std::string_view, 4> kLevelNames = {"error", "warning", "info", "debug"};

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto fraction = now - std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("{}.{:03}Z", utc_text(now), std::chrono::floor<std::chrono::milliseconds>(fraction).count());
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view word) {
  const std::string lower = to_lower(word);
  if (lower == "panic" || lower == "error") return LogLevel::error;
  if (lower == "warning" || lower == "warn") return LogLevel::warning;
  if (lower == "info") return LogLevel::info;
  if (lower == "debug" || lower == "verbose") return LogLevel::debug;
  return std::nullopt;
}

void set_log(LogLevel level, const std::string& file) {
  Log& log = process_log();
  log.level = level;
  log.file.reset();
  if (file.empty()) return;
  try {
    log.file = open_regular_for_writing(file, O_WRONLY | O_APPEND, 0640);
  } catch (const Error& error) {
    log_warning("logging to stderr: {}", error.what());
  }
}

bool log_enabled(LogLevel level) noexcept {
  return level <= process_log().level;
}

bool logs_to_file() noexcept {
  return static_cast<bool>(process_log().file);
}

LogScope::LogScope(std::string context) : before_(std::exchange(thread_context(), std::move(context))) {}

LogScope::~LogScope() {
  thread_context() = std::move(before_);
}

void write_log(LogLevel level, std::string_view line) noexcept {
  try {
    const Log& log = process_log();
    const std::string& context = thread_context();
    const std::string text = fmt::format("{} {}: {}{}{}\n", timestamp(), kLevelNames[static_cast<std::size_t>(level)],
                                         context, context.empty() ? "" : ": ", escape_line(line));
    // One write per line, so that lines of parallel calls do not mix; a full disk must not fail the call.
    [[maybe_unused]] const ssize_t written =
        ::write(log.file ? log.file.get() : STDERR_FILENO, text.data(), text.size());
  } catch (...) {  // out of memory: a line is lost, the call goes on
  }
}

}  // namespace barewire
