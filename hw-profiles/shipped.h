// SPDX-License-Identifier: Apache-2.0
/// The profiles that this program was built with, as text, and where to find which. Defined by a source file that
/// embed.cc writes from hw-profiles/*.json at build time; used by loader.h.
/// docs/decisions/hardware-profiles.md says why they are compiled in.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace barewire::hw::shipped {

struct Text {
  std::string_view family;
  std::string_view json;  ///< without blanks
  bool infiniband = false;
};
/// Sorted by `key`; several entries with the same key are possible.
struct IdEntry {
  std::uint32_t key = 0;   ///< vendor in the upper half, device in the lower
  std::uint16_t text = 0;  ///< index into texts()
};
struct DriverEntry {
  std::string_view key;
  std::uint16_t text = 0;
};

std::span<const Text> texts();
std::span<const IdEntry> pf_ids();
std::span<const IdEntry> vf_ids();
std::span<const DriverEntry> pf_drivers();
std::span<const DriverEntry> vf_drivers();

}  // namespace barewire::hw::shipped
