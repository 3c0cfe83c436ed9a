// SPDX-License-Identifier: Apache-2.0
/// The process of barewire-dpdk-probe that starts the EAL: one device, asked once. It is a process of its own because
/// the EAL can hang, abort, or leave threads behind; supervise.h watches it.
#pragma once

#include <string>

namespace barewire::dpdk {

/// What to ask, as one process tells the other by its arguments.
struct Question {
  std::string pci{};        ///< address; empty: `vdev`
  std::string vdev{};       ///< as EAL's --vdev takes it, "net_null0,size=64"
  bool isolated = false;    ///< its kernel driver has its traffic
  bool huge_pages = false;  ///< memory has to be of huge pages
};

/// Writes {"dpdk": version, "ports": […]} to standard output, what the EAL says to standard error. The exit status: 0
/// asked, 1 the EAL did not start. Ends the process without destructors, which DPDK's threads would race with.
[[noreturn]] void answer(const Question& question);

}  // namespace barewire::dpdk
