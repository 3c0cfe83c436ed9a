// SPDX-License-Identifier: Apache-2.0
/// The headers of libopenvswitch in the one order in which C++ takes them. Included by sources of this folder only:
/// they bring macros and short names that must not reach the rest of the program. docs/decisions/libopenvswitch.md says
/// why the library is used.
#pragma once

// The loops of shash.h use GNU's keyword, which -std=c++20 knows only by its other name.
#define typeof __typeof__

#include <config.h>
// util.h has C++ of its own and stays outside.
#include <util.h>

extern "C" {
#include <jsonrpc.h>
#include <openvswitch/json.h>
#include <openvswitch/shash.h>
#include <openvswitch/vlog.h>
#include <stream-fd.h>
#include <stream.h>
#include <uuid.h>
}

namespace barewire::ovsdb {

/// Turns the library's log off: it would write to stderr and syslog. What it knows comes back as errno and in replies.
inline void quieten_libopenvswitch() {
  vlog_set_levels(nullptr, VLF_ANY_DESTINATION, VLL_OFF);
}

}  // namespace barewire::ovsdb
