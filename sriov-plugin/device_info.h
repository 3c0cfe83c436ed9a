// SPDX-License-Identifier: Apache-2.0
/// The device-info file by which a CNI plugin tells Multus, and through it the pod, which device an attachment is.
/// Source: Device Information Specification 1.1.0 of the Network Plumbing Working Group.
#pragma once

#include <optional>
#include <string>

#include "core/kernel/sysfs.h"
#include "core/vf/record.h"

namespace barewire::sriov {

/// The file's content before; nullopt when there was none. Throws Error{io}.
std::optional<std::string> read_device_info(const std::string& path);

/// Writes, mode 0444, what is known of the VF into the file at `path`; `before` is its content so far, whose members
/// stay unless they are ours to tell. Throws Error{io}.
void write_device_info(const kernel::Sysfs& sysfs, const std::string& path, const std::optional<std::string>& before,
                       const vf::VfRecord& record);

/// Puts `before` back, or removes the file. Harmless when Multus has removed it already. Throws Error{io}.
void undo_device_info(const std::string& path, const std::optional<std::string>& before);

}  // namespace barewire::sriov
