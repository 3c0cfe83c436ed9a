// SPDX-License-Identifier: Apache-2.0
/// The routing table that an interface of a pod gets for itself: what sbr records of it, makes, compares and takes
/// back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernel/address.h"
#include "core/kernel/link.h"
#include "core/state/attachment.h"

namespace barewire::standard {

struct SourceTable {
  std::uint32_t number = 0;
  std::vector<IpAddress> sources;           ///< packets from these use the table
  std::vector<kernel::RouteInfo> moved;     ///< as they were in the main table, those without a gateway first
  std::vector<kernel::RouteInfo> defaults;  ///< ours alone, of the table

  static std::optional<SourceTable> from_record(const state::Attachment& attachment);
  void to_record(state::Attachment& attachment) const;
  /// Everything the table is to hold.
  std::vector<kernel::RouteInfo> routes(bool with_source_hints) const;
};

/// The first number from 100 that neither a rule nor a route of the netns uses.
std::uint32_t first_free_table(kernel::NlSocket& inside);

/// Rules first, then routes. Throws KernelError.
void make_table(kernel::NlSocket& inside, const SourceTable& table, bool with_source_hints);
/// Removes rules and routes and puts the moved ones back, where `link` is still there. Harmless when nothing was made.
void remove_table(kernel::NlSocket& inside, const SourceTable& table, const std::optional<kernel::Link>& link);
/// What is missing, as clauses.
std::vector<std::string> compare_table(kernel::NlSocket& inside, const SourceTable& table);

}  // namespace barewire::standard
