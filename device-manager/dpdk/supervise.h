// SPDX-License-Identifier: Apache-2.0
/// Runs the worker of barewire-dpdk-probe, with a limit, and keeps what it said. Knows nothing of DPDK.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace barewire::dpdk {

struct WorkerEnd {
  std::string answer{};  ///< its standard output
  std::string log{};     ///< the end of its standard error
  int status = 0;        ///< as waitpid(2) gives it
  bool timed_out = false;
};

/// Starts this program again with `arguments`; it is killed after `limit`, and when this thread ends. It has an empty
/// runtime directory of its own, which is removed. Throws Error{io}, Error{delegate}.
WorkerEnd run_worker(const std::vector<std::string>& arguments, std::chrono::milliseconds limit);

}  // namespace barewire::dpdk
