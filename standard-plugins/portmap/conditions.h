// SPDX-License-Identifier: Apache-2.0
/// "conditionsV4" and "conditionsV6": which packets are mapped, in the words of the iptables or the nft command. Read
/// for nftables (nft_plan.cc); the iptables backend hands the words to the command. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/nft_rule.h"

namespace barewire::standard {

/// The conditions as rules of nftables of which one has to hold; one empty rule without any condition. Addresses ("-s",
/// "-d"; "ip saddr", "ip6 daddr") and the incoming interface ("-i"; "iifname", "iif", "meta iifname"), each also
/// negated
/// ("!"; "!=") and of several ("a,b"; "{ a, b }"). nullopt for anything else, or of the other family.
std::optional<std::vector<kernel::nft::Rule>> parse_conditions(bool v4, const std::vector<std::string>& words);

/// Whether they are written for the nft command; false for none.
bool is_nft_condition(const std::vector<std::string>& words);

/// Whether an address in conditions for iptables is a name, which the command would ask a name server for. The name.
std::optional<std::string> find_host_name(const std::vector<std::string>& words);

}  // namespace barewire::standard
