// SPDX-License-Identifier: Apache-2.0
/// What the device-info file says of a VF, and of its representor where it has one. core/cni/device_info.h reads and
/// writes the file.
/// Source: Device Information Specification 1.1.0 of the Network Plumbing Working Group.
#pragma once

#include <optional>
#include <string>

#include "core/cni/device_info.h"
#include "core/kernel/sysfs.h"
#include "core/vf/record.h"

namespace barewire::vf {

/// Writes what is known of the VF into the file at `path`; `before` is its content so far, whose members stay unless
/// they are ours to tell. Throws Error{io}.
void write_device_info(const kernel::Sysfs& sysfs, const std::string& path, const std::optional<std::string>& before,
                       const VfRecord& record, const std::string& representor = {});

}  // namespace barewire::vf
