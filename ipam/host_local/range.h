// SPDX-License-Identifier: Apache-2.0
/// Address ranges and which address of them comes next; pure logic, used by config.h and allocation in plugin.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/ip.h"

namespace barewire::ipam::host_local {

/// Enough for the number of any IPv6 address, and of addresses between two of them.
__extension__ using Number = unsigned __int128;
Number number_of(const IpAddress& address);

/// Addresses `start` to `end`, both included, of `subnet`; the gateway is never handed out.
struct Range {
  IpPrefix subnet;  ///< gives the prefix length of results
  IpAddress start, end;
  IpAddress gateway;

  bool contains(const IpAddress& address) const { return start <= address && address <= end; }
  /// Of one family; addresses of two never meet.
  bool overlaps(const Range& other) const { return start <= other.end && other.start <= end; }
  /// "10.1.2.1-10.1.2.254"
  std::string text() const;
};

/// A pool: one address comes from it. All of one family, none overlapping.
using RangeSet = std::vector<Range>;

/// nullptr when none holds it; the gateway lies in a range too.
const Range* find_range(const RangeSet& set, const IpAddress& address);
/// Whether any range of the one meets any of the other.
bool overlap(const RangeSet& a, const RangeSet& b);
/// "10.1.2.1-10.1.2.254, 10.9.0.1-10.9.0.254"
std::string text_of(const RangeSet& set);

/// Which address to try next: round robin from the one after `last` through every range, to `last` itself; from the
/// beginning when `last` is in none of them. So an address just released is the last to be used again.
class Candidates {
 public:
  Candidates(const RangeSet& set, const std::optional<IpAddress>& last);
  /// nullopt when all have been given out once. `set` must outlive this.
  std::optional<IpAddress> next();
  /// The first one from here on that is not in `reserved` (in any order): for when trying one by one is slow.
  /// Time and memory grow with the size of `reserved`, never with that of the range.
  std::optional<IpAddress> next_free(const std::vector<IpAddress>& reserved);

 private:
  /// A piece of a range, both ends included, without its gateway.
  struct Segment {
    IpAddress first, last, gateway;
  };
  std::vector<Segment> segments_;  ///< still to come, in order
  std::size_t at_ = 0;
  /// Leaves segments, and the beginning of one, behind.
  void advance_past(const IpAddress& address);
};

/// How many addresses of `set` are not in `reserved`; large counts are cut to `most`.
Number count_free(const RangeSet& set, const std::vector<IpAddress>& reserved, Number most);

}  // namespace barewire::ipam::host_local
