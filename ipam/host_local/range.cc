// SPDX-License-Identifier: Apache-2.0
// Addresses are counted, never listed: an IPv6 range has more than any memory.
#include "ipam/host_local/range.h"

#include <fmt/format.h>

#include <algorithm>

namespace barewire::ipam::host_local {

namespace {

IpAddress address_of(Number number, std::size_t size) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = size; i-- > 0; number >>= 8) bytes[i] = static_cast<std::uint8_t>(number & 0xff);
  return IpAddress::from_bytes(bytes.data(), size);
}

}  // namespace

Number number_of(const IpAddress& address) {
  Number number = 0;
  for (std::size_t i = 0; i < address.size(); ++i) number = number << 8 | address.data()[i];
  return number;
}

std::string Range::text() const {
  return fmt::format("{}-{}", start.text(), end.text());
}

const Range* find_range(const RangeSet& set, const IpAddress& address) {
  const auto found = std::find_if(set.begin(), set.end(), [&](const Range& range) { return range.contains(address); });
  return found == set.end() ? nullptr : &*found;
}

bool overlap(const RangeSet& a, const RangeSet& b) {
  return std::any_of(a.begin(), a.end(), [&](const Range& range) {
    return std::any_of(b.begin(), b.end(), [&](const Range& other) { return range.overlaps(other); });
  });
}

std::string text_of(const RangeSet& set) {
  std::string text;
  for (const Range& range : set) text += (text.empty() ? "" : ", ") + range.text();
  return text;
}

/// Round robin, as host-local: an address that was just released is handed out last, when caches have forgotten its
/// pod.
Candidates::Candidates(const RangeSet& set, const std::optional<IpAddress>& last) {
  const Range* current = last ? find_range(set, *last) : nullptr;
  const std::size_t first = current == nullptr ? 0 : static_cast<std::size_t>(current - set.data());
  // The rest of the range that gave the last one; the part before comes at the very end.
  if (current != nullptr && *last != current->end) segments_.push_back({last->next(), current->end, current->gateway});
  for (std::size_t i = current == nullptr ? 0 : 1; i < set.size(); ++i) {
    const Range& range = set[(first + i) % set.size()];
    segments_.push_back({range.start, range.end, range.gateway});
  }
  // Once round, and the address reserved last comes last.
  if (current != nullptr) segments_.push_back({current->start, *last, current->gateway});
}

void Candidates::advance_past(const IpAddress& address) {
  Segment& segment = segments_[at_];
  if (address == segment.last) {
    ++at_;
  } else {
    segment.first = address.next();
  }
}

std::optional<IpAddress> Candidates::next() {
  while (at_ < segments_.size()) {
    const Segment segment = segments_[at_];
    advance_past(segment.first);
    if (segment.first != segment.gateway) return segment.first;
  }
  return std::nullopt;
}

std::optional<IpAddress> Candidates::next_free(const std::vector<IpAddress>& reserved) {
  for (; at_ < segments_.size(); ++at_) {
    const Segment segment = segments_[at_];
    const Number first = number_of(segment.first);
    // Among the first n + 2 addresses, n reserved ones and the gateway leave one free.
    const Number length = std::min<Number>(number_of(segment.last) - first, reserved.size() + 1) + 1;
    std::vector<bool> taken(static_cast<std::size_t>(length));
    const auto take = [&](const IpAddress& address) {
      if (address.is_v4() != segment.first.is_v4() || address < segment.first) return;
      if (const Number offset = number_of(address) - first; offset < length)
        taken[static_cast<std::size_t>(offset)] = true;
    };
    for (const IpAddress& address : reserved) take(address);
    take(segment.gateway);
    const auto free = std::find(taken.begin(), taken.end(), false);
    if (free == taken.end()) continue;
    const auto address = address_of(first + static_cast<Number>(free - taken.begin()), segment.first.size());
    advance_past(address);
    return address;
  }
  return std::nullopt;
}

Number count_free(const RangeSet& set, const std::vector<IpAddress>& reserved, Number most) {
  Number free = 0;
  for (const Range& range : set) {
    const auto unavailable = [&](const IpAddress& address) {
      return address != range.gateway && range.contains(address);
    };
    const auto held = static_cast<Number>(std::count_if(reserved.begin(), reserved.end(), unavailable));
    const Number last_offset = number_of(range.end) - number_of(range.start);
    const Number unusable = held + (range.contains(range.gateway) ? 1 : 0);
    // last_offset + 1 addresses; said so as not to overflow for all of IPv6.
    if (last_offset >= unusable) free += std::min(last_offset - unusable, most) + 1;
    if (free >= most) return most;
  }
  return free;
}

}  // namespace barewire::ipam::host_local
