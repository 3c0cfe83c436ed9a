// SPDX-License-Identifier: Apache-2.0
/// The profiles that this program was built with, packed, and where to find which. Defined by a source file that
/// embed.cc writes from hw-profiles/*.json at build time; used by loader.h.
/// docs/decisions/hardware-profiles.md says why they are compiled in.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace barewire::hw::shipped {

struct Packed {
  std::string_view family;
  std::string_view bytes;  ///< for the PackReader of packed.h
  bool infiniband = false;
};
/// Sorted by `key`; several entries with the same key are possible.
struct IdEntry {
  std::uint32_t key = 0;      ///< vendor in the upper half, device in the lower
  std::uint16_t profile = 0;  ///< index into profiles()
};
struct DriverEntry {
  std::string_view key;
  std::uint16_t profile = 0;
};

std::span<const Packed> profiles();
std::span<const IdEntry> pf_ids();
std::span<const IdEntry> vf_ids();
std::span<const DriverEntry> pf_drivers();
std::span<const DriverEntry> vf_drivers();

}  // namespace barewire::hw::shipped
