// SPDX-License-Identifier: Apache-2.0
/// JSON as libopenvswitch holds it, from and to text, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ovs-plugin/ovsdb/libopenvswitch.h"
#include "ovs-plugin/ovsdb/wire.h"

namespace barewire::ovsdb {

inline JsonPtr parsed(const std::string& text) {
  JsonPtr value(json_from_string(text.c_str()));
  // A syntax error comes back as a JSON string that describes it.
  EXPECT_TRUE(value->type != JSON_STRING || text.front() == '"') << text;
  return value;
}

inline std::string printed(const JsonPtr& value) {
  const std::unique_ptr<char, decltype(&std::free)> text(json_to_string(value.get(), JSSF_SORT), std::free);
  return text.get();
}

}  // namespace barewire::ovsdb
