// SPDX-License-Identifier: Apache-2.0
/// The settings that a PF holds for a VF (VLAN, spoofchk, trust, rates, link state): applying, restoring, comparing.
/// The MAC, which the VF has its say in, is in mac.h; netdevs are in move.h.
#pragma once

#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/vf/habits.h"
#include "core/vf/host.h"
#include "core/vf/record.h"

namespace barewire::vf {

/// The netdev through which a PF answers for its VFs.
struct PfPort {
  int index = 0;
  std::string name;
};
/// nullopt when the PF is gone or has no netdev on the host.
std::optional<PfPort> find_pf_port(Host& host, const std::string& pf_address);

/// Serialises the calls that talk to one PF, whose mailbox to its VFs is slow. Throws Error{try_again}.
state::FileLock lock_pf(const Host& host, const std::string& pf_address);
/// Of what is claimed as `device`, the one lock of all plugins: a VF's is its PF's. Throws Error{try_again}.
state::FileLock lock_device(const state::Store& store, const kernel::Sysfs& sysfs, const std::string& device);

/// Sets what `settings` asks for, but the MAC, one attribute after another; what `current` has already is left alone.
/// Throws KernelError naming the attribute.
void apply_admin(Host& host, const PfPort& pf, const kernel::VfInfo& current, const Settings& settings,
                 const Habits& habits);

/// Puts every attribute but the MAC back to `original` where the kernel has another value now; trust last, because an
/// untrusted VF may no longer give up the MAC its PF set. Throws KernelError. Harmless when nothing differs.
/// Returns what was changed.
kernel::VfChange restore_admin(Host& host, const PfPort& pf, const kernel::VfInfo& original, const Habits& habits);

/// One attribute that is not as it should be, with what would put it right: nothing for those of the netdev.
struct Difference {
  std::string text;  ///< "vlan is 0, ADD set 100"
  kernel::VfChange remedy;
};
/// `expected` is what ADD left, `settings` what it was asked for: that tells "ADD set" from "was … at ADD". The MAC
/// counts only when it was asked for.
std::vector<Difference> compare_admin(const kernel::VfInfo& now, const kernel::VfInfo& expected,
                                      const Settings& settings);

}  // namespace barewire::vf
