// SPDX-License-Identifier: Apache-2.0
/// The routing tables that the addresses of a pod's interface get for themselves: what sbr records of them, makes,
/// compares and takes back. Works in the pod's netns on core/kernel/address.h, under the lock that
/// state::lock_name::routing names. Source: ip-rule(8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernel/address.h"
#include "core/kernel/link.h"
#include "core/state/attachment.h"

namespace barewire::standard {

/// What packets from one address are routed by.
struct SourceTable {
  std::uint32_t number = 0;
  IpAddress source;
  std::vector<kernel::RouteInfo>
      routes;  ///< of the table, those without a gateway first; empty: the table is another's
};

/// All that one ADD makes, so that it can be undone from the record alone.
struct SourceRouting {
  std::vector<SourceTable> tables;
  std::vector<kernel::RouteInfo> moved;   ///< as they were in the main table
  std::vector<kernel::RouteInfo> hinted;  ///< the interface's subnets, in the main table with the address as source

  /// nullopt when ADD did not come so far. Throws Error{state} naming the key.
  static std::optional<SourceRouting> from_record(const state::Attachment& attachment);
  /// Into its data; the caller saves it before anything is made.
  void to_record(state::Attachment& attachment) const;
};

/// `count` numbers from 100 on that neither a rule nor a route of the netns uses. Under the lock of this netns, or two
/// interfaces of a pod get the same.
std::vector<std::uint32_t> free_tables(kernel::NlSocket& inside, std::size_t count);

/// Rules first, then routes. Throws KernelError.
void make_routing(kernel::NlSocket& inside, const SourceRouting& routing);
/// Removes rules and routes and puts the moved ones back, where `link` is still there, beside what others made
/// meanwhile. Harmless when nothing was made.
void remove_routing(kernel::NlSocket& inside, const SourceRouting& routing, const std::optional<kernel::Link>& link);
/// What is missing, as clauses.
std::vector<std::string> compare_routing(kernel::NlSocket& inside, const SourceRouting& routing);

}  // namespace barewire::standard
