// SPDX-License-Identifier: Apache-2.0
/// "conditionsV4" and "conditionsV6": which packets are mapped, in the words of the iptables or the nft command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/nft_rule.h"

namespace barewire::standard {

/// The conditions as a rule of nftables: addresses ("-s", "-d"; "ip saddr", "ip6 daddr") and the incoming interface
/// ("-i"; "iifname"), each also negated ("!"; "!="). nullopt for anything else, or of the other family.
std::optional<kernel::nft::Rule> parse_conditions(bool v4, const std::vector<std::string>& words);

}  // namespace barewire::standard
