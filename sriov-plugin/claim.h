// SPDX-License-Identifier: Apache-2.0
/// Choosing a VF for an attachment and making it the attachment's own: the VF a config names, or the first free one of
/// its pool, under the PF's lock, with the record on disk before anything of the VF is touched.
#pragma once

#include <string>

#include "core/cni/request.h"
#include "core/vf/host.h"
#include "core/vf/inventory.h"
#include "sriov-plugin/config.h"

namespace barewire::sriov {

/// A VF that no one else can take while this is held.
struct Reservation {
  state::FileLock pf_lock;
  vf::VfOfPf target;
};

/// Throws Error{device} when the VF named does not exist, Error{held} naming its holder, Error{try_again} when no VF of
/// the pool is free, naming the pool and who holds what.
Reservation reserve(vf::Host& host, const Config& config);

/// What the record says of a VF before ADD. `sysfs` and `target` are as of now.
vf::VfRecord capture(const vf::Host& host, const vf::VfOfPf& target, const vf::Settings& settings);

/// Makes `attachment`, whose record is on disk, the holder of the VF. Throws Error{held} when another is; then the
/// record is gone again.
void claim(vf::Host& host, const state::Attachment& attachment, const std::string& device);

/// What a pool has to offer at this moment; nothing is locked.
struct PoolState {
  std::size_t free = 0;
  bool carrier = false;              ///< one of its PFs has one
  std::vector<std::string> missing;  ///< PFs that are not there
};
PoolState inspect_pool(vf::Host& host, const Config& config);

/// The VF that `reserve` would choose now, without a lock and without touching anything. Throws as `reserve` does.
vf::VfOfPf peek(vf::Host& host, const Config& config);

}  // namespace barewire::sriov
