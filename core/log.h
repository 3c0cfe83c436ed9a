// SPDX-License-Identifier: Apache-2.0
/// The log of short-lived programs: lines on stderr (which runtimes keep), or in the file a configuration names.
/// stdout belongs to the CNI result alone. Errors are thrown, not logged: a line is written where the program goes on
/// in spite of something (with the word "ignoring"), or where somebody who asked for it wants to know what was done.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

namespace barewire {

enum class LogLevel { error, warning, info, debug };

/// "panic" and "error" → error, "warning"/"warn", "info", "debug"/"verbose", any case; nullopt for other words.
std::optional<LogLevel> parse_log_level(std::string_view word);

/// Where this process logs from now on; the default is LogLevel::warning to stderr. `file` is opened for appending,
/// made with mode 0640 where it is missing; one that cannot be opened falls back to stderr and says so there. This is
/// process state by nature, like stderr itself: call it before other threads log.
void set_log(LogLevel level, const std::string& file = {});
/// Whether a line of `level` would be written: for who would have to work to put one together.
bool log_enabled(LogLevel level) noexcept;
/// One line: the time in UTC, the level, what LogScope says, `line` with control characters escaped; in one write(2),
/// so that lines of parallel calls do not mix. A line that cannot be written is lost: a full disk fails no call. Any
/// thread.
void write_log(LogLevel level, std::string_view line) noexcept;

/// Formats and writes, where `level` is enabled. The four below are what is called: log_error for what failed,
/// log_warning for what is passed over, log_info for what was done, log_debug for how.
template <typename... Args>
void log_at(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) write_log(level, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::error, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::warning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::info, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::debug, format, std::forward<Args>(args)...);
}

}  // namespace barewire
