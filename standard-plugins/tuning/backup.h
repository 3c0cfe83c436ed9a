// SPDX-License-Identifier: Apache-2.0
/// What an interface was like before tuning changed it: a file per attachment, in the reference plugin's place and
/// format, so that either can put back what the other changed.
#pragma once

#include <optional>
#include <string>

#include "standard-plugins/tuning/config.h"

namespace barewire::standard {

/// `<directory>/<container>_<interface>.json`.
std::string tuning_backup_path(const std::string& directory, const std::string& container_id,
                               const std::string& ifname);
/// nullopt when there is none. Throws Error{state} naming the file when it is damaged.
std::optional<LinkSettings> find_tuning_backup(const std::string& path);
/// Adds to a backup that is there only what it does not have: the first change knew the original. Throws Error{io}.
void save_tuning_backup(const std::string& path, const LinkSettings& original);

}  // namespace barewire::standard
