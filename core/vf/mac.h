// SPDX-License-Identifier: Apache-2.0
/// Two addresses have to agree before a VF's traffic flows: the admin MAC that the PF holds and the effective MAC of
/// the VF's netdev. Which of them leads, and when, differs per driver (habits.h). Works beside settings.h.
#pragma once

#include "core/vf/settings.h"

namespace barewire::vf {

/// Sets `mac` through the PF, after offering it to the VF's own netdev (`link` in `socket`'s netns; absent on a
/// user-space driver): a VF that takes it while it still may needs nothing more. Throws KernelError.
void set_mac(Host& host, const PfPort& pf, std::uint32_t id, kernel::NlSocket* socket, const kernel::Link* link,
             const MacAddress& mac, const Habits& habits);

/// Brings netdev `index` to the effective MAC `mac` by the actions in `habits`, but rebind; the link ends up down or up
/// as it was. False when none had an effect.
bool make_effective(kernel::NlSocket& socket, int index, const MacAddress& mac, const Habits& habits);

/// Puts admin and effective MAC back to what `record` says was there before. The netdev (absent on a user-space driver)
/// may be anywhere, up or down. False when the effective MAC has not followed yet: it may once the netdev went down.
/// Throws KernelError. Harmless when nothing differs.
bool restore_mac(Host& host, const PfPort& pf, const VfRecord& record, kernel::NlSocket* socket,
                 const kernel::Link* link, const Habits& habits);

}  // namespace barewire::vf
