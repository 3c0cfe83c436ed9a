// SPDX-License-Identifier: Apache-2.0
/// Whether two texts are the same value of a sysctl: the kernel prints another one than it was given. For CHECK; pure.
#pragma once

#include <string_view>

namespace barewire::standard {

/// `given` as somebody may write it: several blanks, hexadecimal and octal numbers, lists of ranges in any order;
/// `shown` as the kernel prints it. Source: kernel/sysctl.c proc_get_long, proc_do_large_bitmap.
bool is_same_sysctl_value(std::string_view given, std::string_view shown);

}  // namespace barewire::standard
