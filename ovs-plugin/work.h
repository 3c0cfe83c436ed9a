// SPDX-License-Identifier: Apache-2.0
/// One ADD at work, and the steps that every kind of port has: attach.cc (veth pairs, vhost-user sockets) and
/// attach_vf.cc share them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/cni/fallback.h"
#include "core/cni/request.h"
#include "core/cni/result.h"
#include "core/kernel/link.h"
#include "core/kernel/netns.h"
#include "core/node.h"
#include "core/state/store.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/port.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

inline constexpr int kPodPosition = 1;  ///< in the result: the node's end, then the pod's

/// All that an ADD works with, opened once. One thread at a time, as its sockets; the attachment's lock is the
/// caller's.
struct Work {
  /// Parses and opens; touches nothing. Both arguments outlive it. Throws as OvsConfig::parse and NetNs::open,
  /// KernelError.
  Work(const cni::Request& from, Node& on, std::string_view plugin);

  const cni::Request& request;
  Node& node;
  OvsConfig config;
  state::Store store;
  state::Attachment attachment;
  kernel::NetNs pod;               ///< opened once: its path may lead elsewhere later
  kernel::NlSocket inside;         ///< in it
  kernel::NlSocket host;           ///< in the netns of the node
  OvsRecord record;                ///< becomes `attachment.data` by save()
  VhostOthers others{};            ///< of a vhost-user port
  std::optional<Port> replaces{};  ///< a dead port of the same name, whose place ours takes

  /// Writes the record as it stands; with `result` it is that of a finished ADD.
  void save(const cni::Result* result = nullptr);
};

/// "veth0a1b2c3d". Throws Error{io}.
std::string random_name(std::string_view prefix);

/// What is down is code 11 with every request of the database.
template <typename Step>
auto with_switch(const Step& step) -> decltype(step()) {
  return cni::lacking(cni::Lack::vswitch, Error::Code::try_again, step);
}

/// The port called `record.host_interface`, with its owner, rates and tunnels, once the switch has taken it.
AddedPort plug(Work& work, Connection& connection, const Bridge& bridge);

/// Nothing without `ipam`.
cni::Result ask_ipam(Work& work);
/// As a Result shows a link: name, MAC, MTU.
cni::Interface interface_of(const kernel::Link& link, const std::string& sandbox);
/// `node_end` and `pod_end` become the result's interfaces, and its addresses the pod's.
void describe(Work& work, cni::Result& result, const cni::Interface& node_end, const cni::Interface& pod_end);
/// Addresses and routes for the pod's netdev, told to the neighbours once the switch's port is up.
void configure_and_announce(Work& work, Connection& connection, const AddedPort& port, const cni::Result& result);

/// ADD of a VF with its representor. The attachment's lock is held, and nothing has been touched. Throws as
/// attach_port.
cni::Result attach_vf(Work& work);

}  // namespace barewire::ovs
