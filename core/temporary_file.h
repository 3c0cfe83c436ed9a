// SPDX-License-Identifier: Apache-2.0
/// The hidden file beside another in which write_file_atomically (core/fd.h) prepares its new content.
#pragma once

#include <string>

#include "core/fd.h"

namespace barewire {

/// One name for all writers of `path`, so that the next takes over what a killed one left: "dir/.name.tmp".
std::string temporary_of(const std::string& path);

/// The temporary file of `path`, empty, for this writer alone until the descriptor is closed: other writers wait for
/// that, in open_temporary. Throws Error{io}. Source: flock(2).
Fd open_temporary(const std::string& path, mode_t mode);

/// Removes what a killed writer of `path` left; waits for one at work, whom it does not disturb. For who removes `path`
/// itself, or begins to work on it: nobody may ever write it again. Throws Error{io}.
void remove_temporary(const std::string& path);

/// Whether `path` still leads to the open file: it may have been removed, renamed or replaced. Source: stat(2).
bool is_still_at(int fd, const std::string& path);

}  // namespace barewire
