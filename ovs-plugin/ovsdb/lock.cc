// SPDX-License-Identifier: Apache-2.0
// Asking for a lock is the only question about it that the protocol has: the answer tells whether another session holds
// it. Source: RFC 7047, 4.1.8.
#include "ovs-plugin/ovsdb/lock.h"

#include "ovs-plugin/ovsdb/libopenvswitch.h"

namespace barewire::ovsdb {

bool is_locked_by_another(Connection& connection, const std::string& lock, Deadline deadline) {
  const JsonPtr params = strings_to_json({lock});
  const auto answer = connection.call("lock", params, deadline, Connection::Repeat::allowed);
  const json* result = answer.result.get();
  const json* locked = result != nullptr && result->type == JSON_OBJECT
                           ? static_cast<const json*>(shash_find_data(result->object, "locked"))
                           : nullptr;
  if (locked == nullptr || (locked->type != JSON_TRUE && locked->type != JSON_FALSE))
    throw_malformed("an object with a boolean \"locked\"", result);
  // Also takes this session out of the queue for it.
  connection.call("unlock", params, deadline, Connection::Repeat::allowed);
  return locked->type == JSON_FALSE;
}

}  // namespace barewire::ovsdb
