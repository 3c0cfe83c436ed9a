// SPDX-License-Identifier: Apache-2.0
/// Building a Command by what differs from its defaults.
#pragma once

#include <utility>

#include "tests/support/process.h"

namespace barewire::test {

inline Command command_of(std::string program, std::vector<std::string> arguments, std::string stdin_bytes = {}) {
  Command command;
  command.program = std::move(program);
  command.arguments = std::move(arguments);
  command.stdin_bytes = std::move(stdin_bytes);
  return command;
}

}  // namespace barewire::test
