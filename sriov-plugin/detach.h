// SPDX-License-Identifier: Apache-2.0
/// Undoing an attachment of the sriov plugin from its record: what rollback, DEL, GC and an ADD that finds a leftover
/// share.
#pragma once

#include <string>

#include "core/node.h"
#include "core/state/attachment.h"
#include "core/vf/host.h"

namespace barewire::sriov {

/// Who is to be told that the addresses are free again. `untouched`: IPAM was not asked for any yet.
enum class Addresses { untouched, release };

/// Releases the addresses, restores the VF unless it belongs to someone else by now, and gives up the claim; the record
/// goes when all of that is done. All parts are tried; throws the first failure, and then the record stays, so that
/// this can be called again. `cni_path` is where to look for the IPAM plugin, before the path that ADD had.
void detach(vf::Host& host, const state::Attachment& attachment, Addresses addresses, const std::string& cni_path,
            Node& node);

/// DEL of what the Go sriov-cni attached, from its record in `/var/lib/cni/sriov`: the VF comes back as it was there
/// too. False when there is no such record. Source: sriov-cni, pkg/utils/pci_allocator.go and pkg/types.
bool detach_peer(vf::Host& host, const cni::Request& request, Node& node);

/// DEL of an attachment that neither we nor sriov-cni know, when a VF of this node that nobody holds is in its netns
/// under its name: the VF comes home, and what the configuration asks for goes back to what drivers begin with, since
/// what was there before is not known. False when there is none.
bool detach_unrecorded(vf::Host& host, const cni::Request& request, Node& node);

}  // namespace barewire::sriov
