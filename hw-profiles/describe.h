// SPDX-License-Identifier: Apache-2.0
/// The fields of a Profile and its parts, named once for whoever goes through them all: packed.h writes and reads them.
#pragma once

#include <concepts>
#include <type_traits>

#include "hw-profiles/profile.h"

namespace barewire::hw {

/// T or const T: each describe() serves a reader and a writer, so that the two cannot disagree.
template <typename T, typename Plain>
concept Is = std::same_as<std::remove_const_t<T>, Plain>;

template <typename Pack, Is<PciId> T>
void describe(Pack& pack, T& id) {
  pack(id.vendor, id.device);
}
template <typename Pack, typename T>
void describe(Pack& pack, Fact<T>& fact) {
  pack(fact.value, fact.verified, fact.source, fact.note);
}
template <typename Pack, typename T>
void describe(Pack& pack, const Fact<T>& fact) {
  pack(fact.value, fact.verified, fact.source, fact.note);
}
template <typename Pack, Is<Capability> T>
void describe(Pack& pack, T& c) {
  pack(c.support, c.verified, c.source, c.note, c.max, c.min, c.values, c.needs_trust, c.in_switchdev, c.zero_resets);
}
template <typename Pack, Is<Retry> T>
void describe(Pack& pack, T& retry) {
  pack(retry.count, retry.interval, retry.errors);
}
template <typename Pack, Is<Device> T>
void describe(Pack& pack, T& device) {
  pack(device.pf, device.vf, device.model, device.attributes);
}
/// All but what loader.h fills in.
template <typename Pack, Is<Profile> T>
void describe(Pack& pack, T& p) {
  pack(p.family, p.vendor, p.file, p.bus, p.link, p.pf_drivers, p.vf_drivers, p.devices, p.attributes);
  pack(p.mac.make_effective, p.mac.untrusted_may_override, p.mac.zero_resets, p.vlan.after_change);
  pack(p.retry, p.switchdev.capability, p.switchdev.steps, p.dpdk_driver, p.dpdk_bifurcated, p.max_vfs);
  pack(p.vf_count_needs_zero, p.flr_before_vfio_reuse, p.pf_must_be_up);
}

}  // namespace barewire::hw
