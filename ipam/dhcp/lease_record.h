// SPDX-License-Identifier: Apache-2.0
/// What is kept of a lease in /run/barewire/dhcp: enough to renew it after the daemon was killed, and to release it
/// without a daemon. Written before the server is asked for the address. Works on core/state and client.h.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/kernel/link.h"
#include "core/state/store.h"
#include "ipam/dhcp/client.h"

namespace barewire::ipam::dhcp {

inline constexpr const char* kPluginName = "dhcp";

/// Beside the attachments' own records, since these belong to an interface plugin's attachment.
state::Store lease_store(const std::string& run_dir);

struct LeaseRecord {
  state::Attachment attachment{};  ///< whose lease, with the configuration it was asked for
  int index = 0;                   ///< of the pod's interface
  MacAddress hardware{};
  bool broadcast = false;                  ///< the interface shares its MAC address
  std::string daemon{};                    ///< socket of the daemon that keeps it
  std::optional<Terms> terms{};            ///< of the offer chosen, then of the grant
  std::optional<Time> granted{};           ///< absent: only asked for
  std::optional<MacAddress> server_mac{};  ///< of the frame that granted it

  state::Attachment to_attachment() const;
  /// Throws Error{state} naming the key.
  static LeaseRecord from_attachment(state::Attachment attachment);
};

/// The call that asked for the lease, as it was.
cni::Request request_of(const state::Attachment& attachment);
/// What the client says of itself, from the configuration on record. Throws Error{config}.
Identity identity_of(const LeaseRecord& record);

/// The netns the lease belongs to: by its path as seen below `host_prefix`, else by a process in it or a mount of it.
/// nullopt when it is gone. Throws Error{io} when that cannot be told.
std::optional<kernel::NetNs> netns_of(const LeaseRecord& record, const std::string& host_prefix);

/// Sends RELEASE. False where nobody can: the server was never asked, or the netns or the interface is gone; the lease
/// then runs out by itself. Throws Error{io}.
bool release(const LeaseRecord& record, const std::string& host_prefix);

/// What DEL, GC and a failed ADD do, in the daemon or without it: release() what the record in `store` says, then
/// remove it. Never fails for a reason that would last: what cannot be released runs out. Throws Error{io}.
void forget(state::Store& store, const state::AttachmentId& id, const std::string& host_prefix);

/// From the kernel. Source: getrandom(2).
std::uint32_t random_number();

}  // namespace barewire::ipam::dhcp
