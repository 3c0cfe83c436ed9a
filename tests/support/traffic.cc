// SPDX-License-Identifier: Apache-2.0
#include "tests/support/traffic.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "tests/support/netns_fixture.h"

namespace barewire::test {

double tcp_mbps(const std::string& from, const std::string& to, const std::string& address) {
  run_in(to, "timeout 120 iperf3 -s -1 >/dev/null 2>&1 &");
  // The client exits with 0 also where nobody listens yet, and says so in its JSON.
  const std::string json = must_run_in(
      from, fmt::format("for i in $(seq 100); do iperf3 -c {} -t 3 -J >/run/iperf.json; "
                        "grep -q sum_received /run/iperf.json && break; sleep 0.1; done; cat /run/iperf.json",
                        address));
  const boost::json::value report = boost::json::parse(json);
  boost::json::error_code error;
  const auto* rate = report.find_pointer("/end/sum_received/bits_per_second", error);
  if (rate != nullptr) return rate->to_number<double>() / 1e6;
  ADD_FAILURE() << "no flow from " << from << " to " << address << ": " << json;
  return 0;
}

}  // namespace barewire::test
