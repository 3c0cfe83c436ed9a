// SPDX-License-Identifier: Apache-2.0
/// What the lines of a log have in common: the call that they are of. log.h writes them. Of each thread by itself: a
/// daemon may be at several attachments at a time.
#pragma once

#include <string>

namespace barewire {

/// Whether lines go to a file of a configuration's choice, rather than to stderr. False also where that file could not
/// be opened.
bool logs_to_file() noexcept;

/// What every line of this thread says first as long as this lives, e.g. "bridge ADD network=lan container=…". Scopes
/// nest: the inner one takes the outer one's place until it ends.
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
