// SPDX-License-Identifier: Apache-2.0
/// Locks that sessions hold on an OVSDB server: whoever owns one is there. Works over a Connection (connection.h).
/// Source: RFC 7047, 4.1.8 "Lock" and 4.1.10 "Unlock".
#pragma once

#include <string>

#include "ovs-plugin/ovsdb/connection.h"

namespace barewire::ovsdb {

/// Whether some other session holds `lock`. If none does, this one holds it for an instant. Throws as Connection::call.
bool is_locked_by_another(Connection& connection, const std::string& lock, Deadline deadline);

}  // namespace barewire::ovsdb
