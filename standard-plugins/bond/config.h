// SPDX-License-Identifier: Apache-2.0
/// The keys of the bond plugin, in the words and numbers of the reference plugin; bond.cc and members.h act on them.
/// docs/configuration/bond.md describes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/request.h"
#include "core/kernel/netlink.h"

namespace barewire::kernel {
class NlAttributes;
}

namespace barewire::standard {

/// Attributes of a bond; absent: the kernel's default. Source: Documentation/networking/bonding.rst.
struct BondSettings {
  std::uint8_t mode = 0;           ///< the kernel's number: 0 balance-rr to 6 balance-alb
  std::uint32_t miimon = 0;        ///< milliseconds between looks at the links' carriers
  std::uint8_t fail_over_mac = 0;  ///< 0 none, 1 active, 2 follow
  std::optional<std::uint8_t> all_slaves_active{}, tlb_dynamic_lb{}, xmit_hash_policy{};

  /// IFLA_BOND_*.
  void write(kernel::NlMessage& data) const;
  /// How `data`, of a bond, differs, as clauses.
  std::vector<std::string> compare(const kernel::NlAttributes& data) const;
};

/// Valid as a whole: what one key forbids another is found here, before anything is touched.
struct BondConfig {
  BondSettings settings;
  std::vector<std::string> links;  ///< names, at least two
  bool in_container = false;       ///< the links are in the pod already
  std::optional<std::uint32_t> mtu;

  /// Throws Error{config} naming the key.
  static BondConfig parse(const JsonView& root);
};

}  // namespace barewire::standard
