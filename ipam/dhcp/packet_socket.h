// SPDX-License-Identifier: Apache-2.0
/// DHCP on one interface of a pod, from outside of it: a packet socket that was opened in the pod's netns. Works before
/// the interface has an address, and whatever the pod's routes and filters are. Source: packet(7), RFC 2131 §4.1.
#pragma once

#include <optional>

#include "core/fd.h"
#include "core/kernel/netns.h"
#include "ipam/dhcp/message.h"

namespace barewire::ipam::dhcp {

/// Goes by the interface's number, so a pod may rename it. The descriptor is closed with it. Of one thread.
class PacketSocket {
 public:
  struct Received {
    Message message;
    MacAddress sender;  ///< of the server, or of the relay or router before it
  };

  /// On the interface with number `index`. Takes DHCP answers alone: a filter in the kernel drops the rest. Throws
  /// Error{io}.
  PacketSocket(const kernel::NetNs& netns, int index);
  /// Readable when a message may have come.
  int fd() const noexcept { return fd_.get(); }
  /// To `server` in a frame to `mac`; to everybody where the one or the other is not given. Throws Error{io}.
  void send(const Message& message, const std::optional<IpAddress>& server, const std::optional<MacAddress>& mac) const;
  /// The next DHCP message that has come; nullopt when there is none. Skips what is damaged. Throws Error{io}.
  std::optional<Received> receive() const;

 private:
  Fd fd_;
  int index_;
};

}  // namespace barewire::ipam::dhcp
