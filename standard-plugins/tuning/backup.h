// SPDX-License-Identifier: Apache-2.0
/// What an interface was like before tuning changed it: in the attachment's record, and for the reference plugin,
/// should it be the one to DEL, in a file in its place and format. The file is named after container and interface
/// alone, so it may be of an older attachment: the record decides, and the file counts where there is none.
#pragma once

#include <optional>
#include <string>

#include "core/state/attachment.h"
#include "standard-plugins/tuning/config.h"

namespace barewire::standard {

/// `<directory>/<container>_<interface>.json`.
std::string tuning_backup_path(const std::string& directory, const std::string& container_id,
                               const std::string& ifname);
/// What the file says. nullopt when there is none. Throws Error{state} naming the file when it is damaged.
std::optional<LinkSettings> find_tuning_backup(const std::string& path);
/// Replaces what is there. Throws Error{io}.
void save_tuning_backup(const std::string& path, const LinkSettings& original);
/// Removes it where it says `original`; another attachment's of the same names stays.
void remove_tuning_backup(const std::string& path, const LinkSettings& original);

/// What the record says; nullopt without a record of it. Throws Error{state}.
std::optional<LinkSettings> recorded_original(const state::Attachment& attachment);
/// Adds what the record does not have yet: the first change knew the original. Returns all of it.
LinkSettings record_original(state::Attachment& attachment, const LinkSettings& original);

}  // namespace barewire::standard
