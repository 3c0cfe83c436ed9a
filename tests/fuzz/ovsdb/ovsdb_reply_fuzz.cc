// SPDX-License-Identifier: Apache-2.0
/// What an OVSDB server may send: replies to a transaction, updates of monitored rows. Anything but an Error is a
/// finding.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"
#include "ovs-plugin/ovsdb/monitor.h"
#include "ovs-plugin/ovsdb/transaction.h"

namespace {

using namespace barewire::ovsdb;

void read_reply(const json& reply) {
  static const std::vector<std::string> titles{"wait in table Port",   "insert in table Interface",
                                               "insert in table Port", "mutate in table Bridge",
                                               "select in table Port", "delete in table Queue"};
  const auto result = read_outcome(reply, titles);
  if (const auto* outcome = std::get_if<Outcome>(&result)) {
    for (const Row& row : outcome->rows({4})) {
      for (const auto& [column, value] : row.columns()) {
        if (value_from_json(*to_json(value)) != value) __builtin_trap();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const JsonPtr parsed(json_from_string(text.c_str()));
  try {
    read_reply(*parsed);
  } catch (const barewire::Error&) {
  }
  try {
    Rows rows;
    apply_updates(rows, *parsed);
  } catch (const barewire::Error&) {
  }
  return 0;
}
