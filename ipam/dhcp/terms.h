// SPDX-License-Identifier: Apache-2.0
/// What a DHCP server granted: read from its ACK, turned into a CNI result, kept in the lease's record.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/cni/result.h"
#include "ipam/dhcp/config.h"
#include "ipam/dhcp/message.h"

namespace barewire::ipam::dhcp {

struct Terms {
  IpPrefix address{};
  std::optional<IpAddress> gateway{};
  std::vector<cni::Route> routes{};
  cni::Dns dns{};
  IpAddress server{};
  /// From the moment of the request that was granted. `lease` is nullopt for a lease without end.
  std::optional<std::chrono::seconds> lease{};
  std::chrono::seconds renewal{}, rebinding{};

  /// Throws Error{ipam} when the ACK cannot be used: no address, no subnet mask, no server identifier.
  static Terms from_ack(const Message& ack);
  /// In the shape the reference plugin gives; `config` has the metric, and whether the gateway is wanted.
  cni::Result result(const Config& config) const;

  boost::json::object to_json() const;
  static Terms from_json(const JsonView& json);
};

}  // namespace barewire::ipam::dhcp
