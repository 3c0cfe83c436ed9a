// SPDX-License-Identifier: Apache-2.0
/// Directories below /run/barewire: state/store.h makes its own by this. Others than root must get through
/// /run/barewire itself, since the sockets of vhost-user lie below it; what else is there is root's alone.
#pragma once

#include <string>

namespace barewire {

/// Makes `run_dir` (0755, whatever the caller's umask) and, component by component, `below` in it (0700 each). What is
/// there stays as it is: its modes are an administrator's. Throws Error{io}.
void make_run_directory(const std::string& run_dir, const std::string& below);

}  // namespace barewire
