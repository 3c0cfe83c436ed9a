// SPDX-License-Identifier: Apache-2.0
/// One thing that a network configuration asks of the node. Plugins make asks of their keys (core/cni/guard.h), and a
/// policy (policy.h) judges them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/ip.h"
#include "core/policy/subject.h"

namespace barewire::policy {

/// Both ends included.
using NumberRange = std::pair<std::uint64_t, std::uint64_t>;
using AddressRange = std::pair<IpAddress, IpAddress>;

/// More than any limit: what 0, or no key, asks for where it means "no limit".
inline constexpr std::uint64_t kUnlimited = UINT64_MAX;

/// Which members count is told by the subject's kind. An ask with nothing in them could not be understood, and no bound
/// allows it: not knowing is no permission.
struct Ask {
  Subject subject;
  std::string key;                        ///< for messages: the configuration's key, "ipam.dataDir", or "CNI_ARGS MAC"
  std::string shown;                      ///< for messages: what is asked, as it is written
  std::vector<std::string> names{};       ///< patterns, paths, vfs: names of one and the same thing
  std::vector<NumberRange> numbers{};     ///< numbers, macs, limit; vfs: the VFs' numbers
  std::vector<AddressRange> addresses{};  ///< prefixes
};
using Asks = std::vector<Ask>;

/// Each makes an ask of a subject's kind: `key` is where it stands, for messages; what is asked, in the form the kind
/// takes. They never throw: what is wrong in a value is the plugin's to refuse, in its own words.
Ask ask_flag(Subject subject, std::string key);
Ask ask_name(Subject subject, std::string key, std::string name);
/// `shown` may be empty: then it is the number.
Ask ask_number(Subject subject, std::string key, std::uint64_t number, std::string shown = {});
Ask ask_range(Subject subject, std::string key, NumberRange range, std::string shown = {});
/// A MAC address as it is written; one that is none is an ask that no bound allows.
Ask ask_mac(std::string key, const std::string& text);
/// "10.1.2.3" and "10.1.2.3/24" ask for that address, a network "10.1.2.0/24" for all of it. Other text is an ask that
/// no bound allows.
Ask ask_address(Subject subject, std::string key, const std::string& text);
/// Every address from the first to the last, of one family.
Ask ask_addresses(Subject subject, std::string key, const AddressRange& range);

}  // namespace barewire::policy
