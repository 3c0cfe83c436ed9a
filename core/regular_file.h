// SPDX-License-Identifier: Apache-2.0
/// Opening files by names that somebody else chose or could have put something at: nothing is opened before it is known
/// what it is, so that a FIFO, a device or an endless file is an error at once and never a hang. fd.h's read_file and
/// write_file_atomically stand on it.
/// Source: open(2), O_PATH, O_NONBLOCK, O_NOFOLLOW; proc_pid_fd(5).
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"

namespace barewire {

/// What a file is, for messages: "a FIFO", "a directory", "a device", "a socket", "a symbolic link", "a file". `mode`
/// is st_mode of stat(2).
std::string_view kind_of(mode_t mode) noexcept;

/// A descriptor that names what is at `path` and does nothing to it. nullopt when there is nothing (ENOENT, ENOTDIR).
/// Throws Error{io}.
std::optional<Fd> try_open_handle(const std::string& path);
/// What a handle names, opened with O_CLOEXEC, O_NONBLOCK and O_NOCTTY added to `flags`. Throws Error{io}.
Fd open_handle(int handle, int flags, std::string_view name);

/// A regular file for reading; symbolic links are followed. nullopt when there is nothing. Throws Error{io}
/// "opening X failed: it is a FIFO, not a file".
std::optional<Fd> try_open_regular(const std::string& path);

/// A regular file for writing, made where it is missing; `flags` as O_RDWR, O_APPEND, O_TRUNC. A symbolic link at the
/// end of `path` is refused. Throws Error{io}.
Fd open_regular_for_writing(const std::string& path, int flags, mode_t mode);

/// The whole of a file that another program of root keeps: read only where root owns it and every directory on the way,
/// and nobody else can write any of them (a sticky directory that is not the last may be written by all). nullopt when
/// there is nothing; what somebody else could have put there counts as nothing, and is logged.
/// Throws Error{io}.
std::optional<std::string> read_roots_file(const std::string& path);

}  // namespace barewire
