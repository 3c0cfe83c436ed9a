// SPDX-License-Identifier: Apache-2.0
/// What the lines of a log have in common: the call that they are of. log.h writes them.
#pragma once

#include <string>

namespace barewire {

/// Whether lines go to a file of a configuration's choice, rather than to stderr.
bool logs_to_file() noexcept;

/// What every line of this thread says first as long as this lives, e.g. "bridge ADD network=lan container=…".
class LogScope {
 public:
  explicit LogScope(std::string context);
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;
  ~LogScope();

 private:
  std::string before_;
};

}  // namespace barewire
