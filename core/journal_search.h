// SPDX-License-Identifier: Apache-2.0
/// Asking the journal (journal.h) for little of it: what is about one pod or device. Most lines are passed over by
/// their text alone, which costs a thirtieth of reading them.
#pragma once

#include <string>
#include <string_view>

#include "core/journal.h"

namespace barewire::journal {

/// As read(), of lines that hold `word` somewhere; of others it is told whether they are torn, not whether they were
/// changed. A `word` that JSON would write otherwise than it is (quotes, control characters, bytes above ASCII) is not
/// looked for: everything is read.
History read_about(const std::string& directory, std::string_view word);

}  // namespace barewire::journal
