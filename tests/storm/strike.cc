// SPDX-License-Identifier: Apache-2.0
// Runs a program as it is called here (environment, standard streams, exit status), and strikes it once on the way:
//
//   storm-strike kill-before|kill-after N -- PROGRAM [ARGUMENT...]     SIGKILL at its N-th change of the node
//   storm-strike fail N ERRNO -- …                                     that change fails
//   storm-strike look N ERRNO -- …                                     its N-th look at a file or directory fails
//
// Where it struck is the last line of stderr, "struck: …". What counts is said in tests/support/fault.h.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/fault.h"

namespace {

using barewire::test::Command;
using barewire::test::FaultOutcome;
using barewire::test::KillTime;

// Longer than the storm's own limit, which is to see what hangs.
constexpr auto kLongest = std::chrono::minutes(10);
const std::vector<std::string> kPlaces = {"/run/", "/var/lib/cni", "/proc/", "/sys/"};

/// run() takes CNI_* variables away from what is inherited, because a test's own must not reach what it starts.
std::map<std::string, std::string> own_cni_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("CNI_")) variables[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
  }
  return variables;
}

FaultOutcome strike(const std::vector<std::string>& how, const Command& command) {
  const std::string& what = how.at(0);
  const std::size_t n = std::stoul(how.at(1));
  if (what == "kill-before") return kill_at(command, n, KillTime::before);
  if (what == "kill-after") return kill_at(command, n, KillTime::after);
  const int err = std::stoi(how.at(2));
  if (what == "fail") return fail_at(command, n, err);
  if (what == "look") return fail_look_at(command, kPlaces, n, err);
  throw barewire::Error(barewire::Error::Code::config, "no such way to strike: " + what);
}

int run(const std::vector<std::string>& words) {
  std::size_t end = 0;
  while (end < words.size() && words[end] != "--") ++end;
  Command command;
  command.program = words.at(end + 1);
  command.arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(end) + 2, words.end());
  command.environment = own_cni_variables();
  command.stdin_bytes.assign(std::istreambuf_iterator<char>(std::cin), {});
  command.timeout = kLongest;
  const FaultOutcome outcome = strike({words.begin(), words.begin() + static_cast<std::ptrdiff_t>(end)}, command);
  fmt::print("{}", outcome.result.out);
  fmt::print(stderr, "{}{}{}\n", outcome.result.err, outcome.struck ? "struck: " : "struck nothing",
             outcome.struck ? outcome.mutations.back() : "");
  return outcome.result.exit_status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& failure) {
    fmt::print(stderr, "storm-strike: {}\n", failure.what());
    return 125;
  }
}
