// SPDX-License-Identifier: Apache-2.0
/// Which boot of the kernel this is: in records, and in every line of the journal.
#pragma once

#include <string>

namespace barewire {

/// Of the running kernel; empty where it cannot be read, which says nothing of any record. Read once in a process,
/// which outlives no boot. From any thread. Source: proc(5), /proc/sys/kernel/random/boot_id.
const std::string& current_boot_id();

}  // namespace barewire
