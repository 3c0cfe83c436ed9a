// SPDX-License-Identifier: Apache-2.0
/// The transmit rate of a VF that a pod has already, limited by a plugin behind the one that handed the VF over. The
/// limit is in that plugin's record, where whoever checks the VF finds it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "core/vf/habits.h"
#include "core/vf/host.h"
#include "core/vf/inventory.h"

namespace barewire::vf {

struct RateLimit {
  std::string device;        ///< PCI address of the VF
  std::string pf;            ///< PCI address of the PF
  std::uint32_t id = 0;      ///< number of the VF
  std::uint32_t before = 0;  ///< max_tx_rate before the limit, Mb/s; 0: none
  std::uint32_t limit = 0;   ///< Mb/s
};

/// Under a plugin's own keys in Attachment::data.
void put(boost::json::object& data, const RateLimit& limit);
/// nullopt when `data` holds none. Throws Error{state} naming the key.
std::optional<RateLimit> find_rate_limit(const boost::json::object& data);
/// What the record of the bandwidth plugin holds of the interface that `id` attached; nullopt when it has none.
std::optional<RateLimit> find_rate_limit(const state::Store& store, const state::AttachmentId& id);

/// Limits what `target` sends to `limit` Mb/s, as it would be done. Throws Error{unsupported_by_nic} when its PF tells
/// nothing of its VFs.
RateLimit plan_rate_limit(const VfOfPf& target, std::uint32_t limit);
/// max_tx_rate of the VF now; nullopt when it is gone or its PF does not answer for it any more.
std::optional<std::uint32_t> find_tx_rate(Host& host, const RateLimit& limit);
/// The PF's lock is held. Throws KernelError, Error{device} when the PF has no netdev on the host.
void apply_rate_limit(Host& host, const RateLimit& limit, const Habits& habits);
/// Sets the former rate again. Leaves a VF alone that is gone, that another interface than `id` holds by now, or whose
/// rate somebody has changed since. Takes the PF's lock. Throws KernelError.
void lift_rate_limit(Host& host, const RateLimit& limit, const state::AttachmentId& id, const Habits& habits);

}  // namespace barewire::vf
