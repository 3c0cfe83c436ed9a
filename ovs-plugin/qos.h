// SPDX-License-Identifier: Apache-2.0
/// How fast a pod may send and receive, as a configuration asks for it and as rows and columns hold it. Rates are bits
/// per second, bursts bits. Source: ovs-vswitchd.conf.db(5), tables QoS and Queue, and Interface "Ingress Policing";
/// the conventions of the bandwidth capability.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/kernel/tc.h"
#include "ovs-plugin/layered_config.h"
#include "ovs-plugin/port.h"

namespace barewire::ovs {

/// Columns of the Interface row, and the QoS of the Port row; nothing set: no limit either way.
struct Qos {
  std::int64_t policing_kbps = 0;      ///< Interface.ingress_policing_rate: what the pod sends; 0: no limit
  std::int64_t policing_burst_kb = 0;  ///< kilobits; 0: the switch's default
  std::optional<QosRequest> shaping;   ///< what the pod receives
};

/// The same of what the pod sends as a queue at its own end, for the userspace datapath: that reads packets before the
/// node's end could police them. nullopt: no limit. Source: packet(7); lib/netdev-linux.c netdev_linux_set_policing.
std::optional<kernel::TokenBucket> sending_bucket(const Qos& qos);

/// Keys `ingress_policing`, `qos`, and over them runtimeConfig.bandwidth. `by_dpdk`: the port is DPDK's, which knows no
/// qdisc. Throws Error{config}.
Qos parse_qos(const cni::Request& request, const LayeredConfig& config, bool by_dpdk);

}  // namespace barewire::ovs
