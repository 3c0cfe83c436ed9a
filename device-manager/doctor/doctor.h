// SPDX-License-Identifier: Apache-2.0
/// The offload chain of a node examined link by link: kernel, NICs, Open vSwitch, its flows, user-space memory. Says
/// what is missing and what to type; reads only. So are the records of attachments. `barewire doctor` shows it.
#pragma once

#include <string>
#include <vector>

#include "core/node.h"
#include "ovs-plugin/ovsdb/endpoint.h"

namespace barewire::manager {

enum class Verdict {
  good,
  note,     ///< not in use on this node
  warning,  ///< works, and worse than it could
  broken,   ///< something that is in use cannot work
};
/// "ok", "note", "warning", "broken".
std::string_view text_of(Verdict verdict);

/// One line of `barewire doctor`.
struct Finding {
  Verdict verdict = Verdict::good;
  std::string part;  ///< "kernel", "ens1f0", "Open vSwitch"
  std::string text;  ///< what was found
  std::string next;  ///< what to type; empty when there is nothing to do
};
using Findings = std::vector<Finding>;

/// Where to look; tests have other places.
struct DoctorOptions {
  ovsdb::Endpoint switch_endpoint;
  std::string modules_dir;  ///< of the running kernel; see running_modules_dir()
};
/// "/lib/modules/<release>" of the running kernel. Source: uname(2).
std::string running_modules_dir();

/// What a node uses decides what is broken and what is a note: a NIC in switchdev mode, or a switch told to offload.
struct ChainInUse {
  bool switchdev = false;   ///< a PF is in switchdev mode
  bool hw_offload = false;  ///< Open vSwitch is to offload flows
  bool dpdk = false;        ///< Open vSwitch is to start DPDK
};

/// Everything, in the order of the chain. Throws KernelError when rtnetlink cannot be read at all.
Findings examine(const Node& node, const DoctorOptions& options);

/// The parts of it. Each adds to `findings`; the first two of what is in use are found out by examine().
void examine_kernel(const Node& node, const std::string& modules_dir, const ChainInUse& use, Findings& findings);
void examine_nics(const Node& node, const ChainInUse& use, Findings& findings);
void examine_flows(const ChainInUse& use, Findings& findings);
void examine_memory(const Node& node, const ChainInUse& use, Findings& findings);
void examine_dpdk(const Node& node, Findings& findings);
void examine_attachments(const Node& node, Findings& findings);

/// What the switch tells of itself.
struct SwitchState {
  bool reachable = false;
  std::string why_not;   ///< of one that is not reachable
  bool running = false;  ///< an ovs-vswitchd obeys the database
  std::string version;
  bool hw_offload = false;   ///< other_config:hw-offload
  std::string tc_policy;     ///< other_config:tc-policy
  bool dpdk_wanted = false;  ///< other_config:dpdk-init
  bool dpdk_initialised = false;
  std::vector<std::pair<std::string, std::string>> interface_errors;  ///< interface, ovs-vswitchd's words
};
/// Never throws for a switch that is down: that is a state.
SwitchState ask_switch(const ovsdb::Endpoint& endpoint);
void examine_switch(const SwitchState& state, const ChainInUse& use, Findings& findings);

}  // namespace barewire::manager
