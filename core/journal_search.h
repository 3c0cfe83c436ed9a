// SPDX-License-Identifier: Apache-2.0
/// Asking the journal (journal.h) for little of it: what is about one pod or device, or what happened lately. Most
/// lines are passed over by their text alone, which costs a thirtieth of reading them, or not read at all.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/journal.h"

namespace barewire::journal {

/// As read(), of lines that hold `word` somewhere; of others it is told whether they are torn, not whether they were
/// changed. A `word` that JSON would write otherwise than it is (quotes, control characters, bytes above ASCII) is not
/// looked for: everything is read.
History read_about(const std::string& directory, std::string_view word);

/// As read(), from the newest line backwards: `is_enough` sees the events of each block of some 64 KiB, the oldest
/// first in each, and true ends it. `damaged` counts what was read, and no older line. Lines that are appended
/// meanwhile may be left out.
History read_back(const std::string& directory, const std::function<bool(const std::vector<Event>& block)>& is_enough);

}  // namespace barewire::journal
