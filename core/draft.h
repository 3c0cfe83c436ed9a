// SPDX-License-Identifier: Apache-2.0
/// Files that have no name until they are whole: a kill, or a full disk, leaves nothing of them. Used by
/// write_file_atomically (core/fd.h) and for reservations. Source: open(2), "O_TMPFILE"; linkat(2).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"

namespace barewire {

/// A file in `directory`, open for writing, that nobody else can see. Empty where the kernel or the file system knows
/// no such files; nullopt when there is no such directory. Throws Error{io}.
std::optional<Fd> make_draft(const std::string& directory, mode_t mode);

/// Gives it its name, whole as it is. 0, or errno: EEXIST when the name is taken, whose file stays as it is.
int name_draft(int draft, const std::string& path) noexcept;

/// As write_file_atomically; false when there is no directory for the file: for who makes it then.
bool try_write_file_atomically(const std::string& path, std::string_view bytes, Durability durability,
                               mode_t mode = 0600);

}  // namespace barewire
