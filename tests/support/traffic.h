// SPDX-License-Identifier: Apache-2.0
/// What a flow between two pods gets, measured with iperf3.
#pragma once

#include <string>

namespace barewire::test {

/// Mb/s that the netns at `to` receives from the netns at `from` by TCP on `address`, as iperf3 on the receiver's side
/// counts over three seconds. A flow that does not come about fails the test. Source: iperf3(1).
double tcp_mbps(const std::string& from, const std::string& to, const std::string& address);

}  // namespace barewire::test
