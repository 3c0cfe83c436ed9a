// SPDX-License-Identifier: Apache-2.0
/// Making a VF an attachment's own: under the PF's lock, with the record on disk before anything of
/// the VF is touched. Shared by the plugins that hand over VFs; apply.h and restore.h do the rest.
#pragma once

#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/vf/habits.h"
#include "core/vf/host.h"
#include "core/vf/inventory.h"
#include "core/vf/record.h"

namespace barewire::vf {

/// A VF that no one else can take while this is held.
struct Reservation {
  state::FileLock pf_lock;
  VfOfPf target;
};

/// Throws cni::LackError: an Error{device} when `device` is no VF of this node, an Error{held} naming its holder.
Reservation reserve_device(Host& host, const std::string& device);
/// As reserve_device, without a lock.
VfOfPf find_free_device(Host& host, const std::string& device);
/// Whoever holds it. Throws cni::LackError, an Error{device}, when `device` is no VF of this node.
VfOfPf require_vf(Host& host, const std::string& device);

/// Throws Error{device} when the VF cannot be handed over (no driver, netdev elsewhere), Error{held} when it is part of
/// a bridge or bond.
void require_available(const VfOfPf& target);

/// What the record says of a VF before ADD. `host` and `target` are as of now.
VfRecord capture(Host& host, const VfOfPf& target, const Settings& settings);

/// Makes `attachment`, whose record is on disk, the holder of the VF. Throws Error{held} when another is; then the
/// record is gone again.
void claim(Host& host, const state::Attachment& attachment, const std::string& device);

/// The PCI address that a runtime names: Multus writes the same device under several keys, into every plugin of a list.
/// nullopt: none. Throws Error{config} naming the key.
std::optional<std::string> requested_device(const cni::Request& request);

}  // namespace barewire::vf
