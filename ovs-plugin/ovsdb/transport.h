// SPDX-License-Identifier: Apache-2.0
/// A connected, non-blocking stream socket to an Endpoint; connection.cc speaks JSON-RPC over it. Source: unix(7),
/// tcp(7).
#pragma once

#include <sys/types.h>

#include <utility>

#include "core/fd.h"
#include "ovs-plugin/ovsdb/deadline.h"
#include "ovs-plugin/ovsdb/endpoint.h"

namespace barewire::ovsdb {

/// A process of ours that ends with its owner: killed and reaped on destruction.
class Helper {
 public:
  Helper() = default;
  explicit Helper(pid_t pid) noexcept : pid_(pid) {}
  Helper(Helper&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Helper& operator=(Helper&& other) noexcept;
  Helper(const Helper&) = delete;
  ~Helper();

 private:
  pid_t pid_ = 0;
};

/// TLS is spoken by a program of its own, so that a plugin that uses a unix socket does not carry OpenSSL;
/// `socket` then leads to that program. docs/decisions/libopenvswitch.md has the figures.
struct Transport {
  Fd socket;      ///< stream, non-blocking
  Helper helper;  ///< the TLS program; none without TLS
};

/// Throws Error{try_again} naming the endpoint, why it cannot be reached, and as hint what to look at; Error{io} when a
/// key or the TLS program cannot be read.
Transport connect_to(const Endpoint& endpoint, Deadline deadline);

}  // namespace barewire::ovsdb
