// SPDX-License-Identifier: Apache-2.0
/// "ingressPolicy": what does not reach a pod from other pods of this node. nftables drops it whatever the backend is:
/// a drop is final, in whichever table it stands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/ip.h"
#include "core/state/attachment.h"
#include "standard-plugins/firewall/config.h"

namespace barewire::standard {

/// What keeps other pods away from one: elements of sets that all pods of the node share.
struct Isolation {
  IngressPolicy policy = IngressPolicy::same_bridge;
  std::string bridge;                ///< or another interface of the node that leads to the pod
  std::string port;                  ///< the pod's port of the bridge; "isolated" alone
  std::vector<IpAddress> addresses;  ///< of the pod

  /// nullopt when ADD made none. Throws Error{state} naming the key.
  static std::optional<Isolation> from_record(const state::Attachment& attachment);
  /// Into its data; the caller saves it before anything is made.
  void to_record(state::Attachment& attachment) const;
};

/// In one transaction. Throws KernelError.
void add_isolation(const state::AttachmentId& id, const Isolation& isolation);
/// Removes what is this attachment's own; harmless when there is nothing.
void remove_isolation(const state::AttachmentId& id, const Isolation& isolation);
/// What is missing, as clauses.
std::vector<std::string> compare_isolation(const state::AttachmentId& id, const Isolation& isolation);

}  // namespace barewire::standard
