// SPDX-License-Identifier: Apache-2.0
/// Asking barewire-dpdk-probe, for programs that link no DPDK. Any thread.
#pragma once

#include <optional>
#include <string>

#include "core/node.h"
#include "core/vf/dpdk_report.h"

namespace barewire::dpdk {

/// Where the probe is: in sbin beside this program's own directory, as installed and as built. Throws Error{io}.
std::string probe_program();

struct Answer {
  std::optional<vf::DpdkReport> report{};  ///< absent: nothing was learnt
  std::string why_not{};                   ///< of one that is absent
};
/// What is known of the function at `address`; when nothing is, the probe is run, which takes a second or more. Never
/// throws for a probe that is missing or fails: then nothing was learnt.
Answer ask(const Node& node, const std::string& address);

}  // namespace barewire::dpdk
