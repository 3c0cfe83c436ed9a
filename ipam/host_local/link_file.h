// SPDX-License-Identifier: Apache-2.0
/// Making a file that appears under its name whole, and only if that name is free: for reservation_store.cc.
/// Source: open(2) O_TMPFILE, linkat(2).
#pragma once

#include <string>
#include <string_view>

#include "core/fd.h"

namespace barewire::ipam::host_local {

/// An unnamed file in `directory` holding `content`; gone when closed. An empty Fd where the file system has no unnamed
/// files (core/draft.h). Throws Error{io}.
Fd draft_reservation(const std::string& directory, std::string_view content);

/// Links `draft` to `directory`/`name`; false when that name is taken. Without a draft, a named one is written, linked
/// and removed. Throws Error{io}.
bool give_name(int draft, const std::string& directory, std::string_view content, const std::string& name);

/// Whether `name` is of a named draft that a killed process may have left.
bool is_draft_name(std::string_view name);

}  // namespace barewire::ipam::host_local
