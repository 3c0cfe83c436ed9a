// SPDX-License-Identifier: Apache-2.0
#include "tests/support/traffic.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "tests/support/process.h"

namespace barewire::test {

namespace {

Command command_in(const std::string& netns, const std::string& text) {
  Command command;
  command.program = "sh";
  command.arguments = {"-c", text};
  command.netns = netns;
  command.timeout = std::chrono::minutes(2);
  return command;
}

}  // namespace

double tcp_mbps(const std::string& from, const std::string& to, const std::string& address) {
  const ChildProcess server(command_in(to, "exec iperf3 -s"));
  // The client exits with 0 also where it got no flow, and says so in its JSON.
  const CommandResult measured =
      run(command_in(from, fmt::format("for i in $(seq 100); do iperf3 -c {} -t 3 -J >/run/iperf.json; "
                                       "grep -q sum_received /run/iperf.json && break; sleep 0.1; done; "
                                       "cat /run/iperf.json",
                                       address)));
  EXPECT_TRUE(measured.ok()) << measured.err;
  const std::string& json = measured.out;
  const boost::json::value report = boost::json::parse(json);
  boost::json::error_code error;
  const auto* rate = report.find_pointer("/end/sum_received/bits_per_second", error);
  if (rate != nullptr) return rate->to_number<double>() / 1e6;
  ADD_FAILURE() << "no flow from " << from << " to " << address << ": " << json;
  return 0;
}

}  // namespace barewire::test
