// SPDX-License-Identifier: Apache-2.0
/// What a DHCP server granted: read from its ACK, turned into a CNI result, kept in the lease's record. client.h holds
/// it. Times are durations, so that a clock that is set does not end a lease. Source: RFC 2131 §4.3.1, RFC 2132, RFC
/// 3442.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/cni/result.h"
#include "ipam/dhcp/config.h"
#include "ipam/dhcp/message.h"

namespace barewire::ipam::dhcp {

/// Times are durations, so that a clock that is set does not end a lease.
struct Terms {
  IpPrefix address{};                  ///< with the length of the server's subnet mask
  std::optional<IpAddress> gateway{};  ///< the first router
  std::vector<cni::Route> routes{};
  cni::Dns dns{};
  IpAddress server{};  ///< by its identifier (option 54): who is asked to renew
  /// From the moment of the request that was granted. `lease` is nullopt for a lease without end.
  std::optional<std::chrono::seconds> lease{};
  std::chrono::seconds renewal{}, rebinding{};

  /// Throws Error{ipam} when the ACK cannot be used: no address, no subnet mask, no server identifier.
  static Terms from_ack(const Message& ack);
  /// In the shape the reference plugin gives; `config` has the metric, and whether the gateway is wanted.
  cni::Result result(const Config& config) const;

  /// For the lease's record; `from_json` throws Error{state} naming the key.
  boost::json::object to_json() const;
  static Terms from_json(const JsonView& json);
};

}  // namespace barewire::ipam::dhcp
