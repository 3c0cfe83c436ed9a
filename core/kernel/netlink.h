// SPDX-License-Identifier: Apache-2.0
/// Netlink sockets and messages over libnl-3: requests, dumps, attributes. link.h, vf.h, address.h, … build on it; what
/// comes back is read with attributes.h.
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

/// A refusal by the kernel: an Error{kernel} that remembers the errno, for callers that know what to do about one.
class KernelError : public Error {
 public:
  KernelError(int err, std::string what, std::string hint)
      : Error(Code::kernel, std::move(what), std::move(hint)), err_(err) {}
  int err() const noexcept { return err_; }  ///< positive errno

 private:
  int err_;
};

/// One netlink message being built. Attributes are appended in order; nest() groups them.
class NlMessage {
 public:
  /// `type` such as RTM_NEWLINK; `flags` such as NLM_F_CREATE (NLM_F_REQUEST|NLM_F_ACK are added).
  NlMessage(int type, int flags);
  /// The family's fixed header (ifinfomsg, ifaddrmsg, …), which must come first.
  template <typename Header>
  NlMessage& header(const Header& value) {
    return bytes(&value, sizeof value);
  }
  /// Appends one attribute; the message grows as it needs to. Values are in host byte order unless the attribute says
  /// otherwise (nftables: network byte order).
  NlMessage& put(int attribute, const void* data, std::size_t size);
  NlMessage& put_u8(int attribute, std::uint8_t value) { return put(attribute, &value, sizeof value); }
  NlMessage& put_u16(int attribute, std::uint16_t value) { return put(attribute, &value, sizeof value); }
  NlMessage& put_u32(int attribute, std::uint32_t value) { return put(attribute, &value, sizeof value); }
  NlMessage& put_u64(int attribute, std::uint64_t value) { return put(attribute, &value, sizeof value); }
  NlMessage& put_string(int attribute, std::string_view text);  ///< with its terminating NUL
  NlMessage& put_flag(int attribute) { return put(attribute, nullptr, 0); }
  /// Appends a nest of what `fill` puts; its length is filled in after.
  NlMessage& nest(int attribute, const std::function<void(NlMessage&)>& fill);
  nl_msg* get() const noexcept { return message_.get(); }  ///< stays the message's

 private:
  NlMessage& bytes(const void* data, std::size_t size);
  void grow(std::size_t wanted);
  struct Free {
    void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
  };
  std::unique_ptr<nl_msg, Free> message_;
};

/// A netlink socket (rtnetlink unless another protocol is given). It stays bound to the network namespace it was opened
/// in, so one opened inside a container's netns is used from outside it. Extended acks are on. A question and its
/// answer take two system calls; an answer that does not fit the buffer (a PF with many VFs) is asked for again, with
/// room. Threading: one thread at a time. Source: netlink(7); Documentation/userspace-api/netlink/intro.rst.
class NlSocket {
 public:
  /// In the calling thread's netns. Throws Error{kernel} where the kernel has no such protocol.
  explicit NlSocket(int protocol = 0 /* NETLINK_ROUTE */);
  /// Opened in `netns`; the calling thread is home again when this returns.
  static NlSocket in(const NetNs& netns, int protocol = 0);
  NlSocket(const NlSocket&) = delete;
  NlSocket& operator=(const NlSocket&) = delete;
  NlSocket(NlSocket&&) noexcept;
  NlSocket& operator=(NlSocket&&) noexcept;
  ~NlSocket();

  using Visit = std::function<void(const nlmsghdr&)>;

  /// Sends and waits for the ack. `doing` completes "… failed", e.g. "moving ens1f0v3 into /run/netns/pod7".
  /// With NLM_F_ECHO, `visit` sees what the kernel tells of the changed object; older kernels tell nothing.
  /// Throws KernelError with the kernel's own words as hint.
  void request(NlMessage message, std::string_view doing, const Visit& visit = {});
  /// As request, for what may be gone (or there) already: false when the kernel refuses with an errno in `benign`.
  bool request_unless(NlMessage message, std::string_view doing, std::initializer_list<int> benign,
                      const Visit& visit = {});
  /// Sends several in one call; the kernel makes them in their order, and goes on behind one that it refuses. What it
  /// said to each, in the same order: 0 or a positive errno. Throws KernelError when an ack is missing.
  std::vector<int> request_all(const std::vector<NlMessage>& messages, std::string_view doing);
  /// Sends a request whose answer is one message; `visit` sees it. False when the kernel says there is no such object
  /// (ENODEV, ENOENT, ENXIO). Throws KernelError otherwise.
  bool get(NlMessage message, std::string_view doing, const Visit& visit);
  /// A dump. One that changed underneath (NLM_F_DUMP_INTR) is started again, so `visit` is only called once a whole
  /// consistent answer is there. Nothing is visited when the kernel refuses with an errno in `benign` (a routing table
  /// that does not exist is ENOENT). Throws KernelError; EINTR when a hundred tries found no quiet moment.
  void dump(NlMessage message, std::string_view doing, const Visit& visit, std::initializer_list<int> benign = {});

  /// From now on messages to multicast group `group` (RTNLGRP_…) arrive on fd(): for a socket that does nothing else.
  void join(int group);
  /// Borrowed; for what this class has no word for, as batches of nftables.
  int fd() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace barewire::kernel
