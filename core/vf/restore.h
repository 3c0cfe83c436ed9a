// SPDX-License-Identifier: Apache-2.0
/// Undoing everything that ADD does to a VF, from its record alone: what rollback, DEL, GC and the reaper share. Puts
/// move.h, mac.h and settings.h into their order.
#pragma once

#include <string>

#include "core/vf/habits.h"
#include "core/vf/host.h"
#include "core/vf/move.h"
#include "core/vf/netns_search.h"
#include "core/vf/record.h"

namespace barewire::vf {

/// How long a dying netns may take to give a VF back, before its driver is bound afresh.
inline constexpr std::chrono::seconds kNetnsPatience{10};

/// Brings the VF's netdev home from wherever it is, under its driver, name, MAC and MTU, without anything of the pod on
/// it, and puts the PF's settings back. Where something of the pod stays on it, its driver is bound afresh.
/// Whatever is already as it was stays untouched, so this may run at any point of an ADD that died, and again. A VF
/// that no longer exists (sriov_numvfs was set to 0) needs nothing. The netdev of a netns that nobody can reach is made
/// anew by binding the driver again. Takes the PF's lock. All parts are tried; throws the first failure. The caller has
/// made sure that the VF is not another attachment's.
void restore_vf(Host& host, const VfRecord& record, const PodNetns& pod, const std::string& pod_name,
                const Habits& habits);

/// Unbinds and binds the VF's driver, and waits for the new netdev on the host. Throws Error{device} when none comes.
kernel::Link rebind(Host& host, const std::string& device, const std::string& driver);

/// Binds a PCI function to `driver` again that a pod has bound to one of the other sort (user space, kernel), or that
/// has none. Nothing else is touched. Throws Error{try_again} while a process has it open through vfio, KernelError.
void restore_driver(Host& host, const std::string& device, const std::string& driver);

/// Takes off a netdev that is at `home` again what the pod has stacked on it or changed of it: of a state that nobody
/// recorded, programs and flags alone. Returns what is left, as clauses: only binding the driver afresh helps then.
/// Throws KernelError.
std::vector<std::string> clean_netdev(Host& host, const Located& was, const kernel::Link& home,
                                      const NetdevState& original);

}  // namespace barewire::vf
