// SPDX-License-Identifier: Apache-2.0
/// Choosing a VF for an attachment: the one a config names, or the first free one of its pool. core/vf/claim.h makes it
/// the attachment's own.
#pragma once

#include <string>

#include "core/cni/request.h"
#include "core/vf/claim.h"
#include "sriov-plugin/config.h"

namespace barewire::sriov {

/// Throws Error{device} when the VF named does not exist, Error{held} naming its holder, Error{try_again} when no VF of
/// the pool is free, naming the pool and who holds what.
vf::Reservation reserve(vf::Host& host, const Config& config);

/// The PFs of a pool at this moment; none of their VFs is looked at.
struct PoolState {
  bool carrier = false;              ///< one of its PFs has one
  std::vector<std::string> missing;  ///< PFs that are not there
};
PoolState inspect_pool(vf::Host& host, const Config& config);
/// How many VFs of the pool are free at this moment; nothing is locked.
std::size_t count_free(vf::Host& host, const Config& config);

/// The VF that `reserve` would choose now, without a lock and without touching anything. Throws as `reserve` does.
vf::VfOfPf peek(vf::Host& host, const Config& config);

}  // namespace barewire::sriov
