// SPDX-License-Identifier: Apache-2.0
/// The keys of ovs-mirror-producer and ovs-mirror-consumer: those of ovs-cni. mirror_plugin.cc acts on them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/cni/request.h"
#include "ovs-plugin/mirror.h"
#include "ovs-plugin/ovsdb/endpoint.h"

namespace barewire::ovs {

inline constexpr std::string_view kProducer = "ovs-mirror-producer";
inline constexpr std::string_view kConsumer = "ovs-mirror-consumer";

/// What the pod's port is to one mirror.
struct Membership {
  std::string mirror;  ///< its name on the bridge
  MirrorRole role;     ///< source and destination of a producer, output of a consumer
};

/// All that one call of either plugin asks for.
struct MirrorConfig {
  ovsdb::Endpoint endpoint;
  std::string bridge;                   ///< the one that ovs put the pod on; another is refused later
  std::vector<Membership> memberships;  ///< at least one, each mirror once

  /// `plugin` is one of the two names above. Throws Error{config} naming the key.
  static MirrorConfig parse(const cni::Request& request, std::string_view plugin);
};

}  // namespace barewire::ovs
