// SPDX-License-Identifier: Apache-2.0
/// What the tests of the database client share: a sandbox, a connection to it, and what an error says.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

#include "core/error.h"
#include "ovs-plugin/ovsdb/connection.h"
#include "ovs-plugin/ovsdb/transaction.h"
#include "tests/ovs/support/ovsdb_relay.h"
#include "tests/support/ovs_sandbox.h"

namespace barewire::test {

using namespace std::chrono_literals;

inline ovsdb::Deadline within(std::chrono::milliseconds time) {
  return ovsdb::Clock::now() + time;
}
inline ovsdb::Endpoint endpoint_of(const std::string& path) {
  return ovsdb::parse_endpoint(path, "socket_file");
}
inline ovsdb::Connection connect(const std::string& path) {
  return ovsdb::Connection::open(endpoint_of(path), within(10s));
}

/// The Error `work` throws; fails the test when it throws none.
inline Error error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Error::Code::internal, "nothing was thrown");
}

MATCHER_P(HasCode, code, "") {
  *result_listener << "code " << arg.code() << ": " << arg.what() << " (" << arg.hint() << ")";
  return arg.is(code);
}

/// The name of every bridge, read the plain way.
inline std::vector<std::string> bridges(ovsdb::Connection& connection, ovsdb::Deadline deadline) {
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("Bridge", {}, {"name"});
  const auto outcome = transact(connection, transaction, deadline, "reading bridges");
  std::vector<std::string> names;
  for (const auto& row : outcome.rows(selected)) names.push_back(row.get<std::string>("name"));
  return names;
}

}  // namespace barewire::test
