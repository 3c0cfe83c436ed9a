// SPDX-License-Identifier: Apache-2.0
/// The tables of the older iptables commands, which are none of nftables': what the kernel tells of them, and chains of
/// others in them. Source: xtables-legacy(8); net/netfilter/x_tables.c.
#pragma once

#include <string>
#include <vector>

namespace barewire::standard {

/// Whether there is such a table in this netns. Costs no process.
bool has_legacy_table(bool v4, const std::string& table);
/// Whether the iptables commands may find such a chain, of either make. False is certain; costs no process.
bool may_have_iptables_chain(bool v4, const std::string& table, const std::string& chain);
/// Throws Error{kernel} when the command cannot tell.
bool has_legacy_chain(bool v4, const std::string& table, const std::string& chain);
/// "-A CHAIN …" as iptables -S writes it, addresses in digits; none when there is no such chain or table.
std::vector<std::string> list_legacy_chain(bool v4, const std::string& table, const std::string& chain);
/// The chain and the rules of chain `from` that jump to it, all in one. Harmless without it.
void remove_legacy_chain(bool v4, const std::string& table, const std::string& chain, const std::string& from);

/// The argument of --comment in a rule of list_legacy_chain; empty without one.
std::string unquoted_comment(const std::string& line);

}  // namespace barewire::standard
