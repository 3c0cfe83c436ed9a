// SPDX-License-Identifier: Apache-2.0
/// Which build this is: what `--version` of every program says.
#pragma once

#include <string_view>

namespace barewire {

/// "0.1.0 (commit 0123456789ab, 2026-11-28)": version, commit of the sources, date of that commit. The programs bring
/// their own (packaging/build_info.cc.in, made anew when the commit changes); whatever else links this library has the
/// version alone, so that a commit relinks no test. Lives as long as the program.
std::string_view build_info();

}  // namespace barewire
