// SPDX-License-Identifier: Apache-2.0
/// What sets and chains hold, one's own and other programs': where a key or a name does not tell enough. Beside
/// nftables.h, whose questions are about single objects. Source: include/uapi/linux/netfilter/nf_tables.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel/nftables.h"

namespace barewire::kernel::nft {

struct ListedElement {
  std::string key;  ///< as the kernel holds it: every part of a concatenation ends at a register border
  std::string comment;
};
/// None when there is no such set. Throws KernelError.
std::vector<ListedElement> list_elements(NlSocket& socket, const Table& table, const std::string& set);

struct ListedRule {
  std::uint64_t handle = 0;  ///< for Batch::delete_rule
  std::string jump;          ///< the chain it jumps or goes to; empty without one
  std::string comment;       ///< the nft command's, or of the iptables command's comment match
};
/// In order; none when there is no such chain. Throws KernelError.
std::vector<ListedRule> list_rules(NlSocket& socket, const Table& table, const std::string& chain);

/// The names of the chains of `table`. Throws KernelError.
std::vector<std::string> list_chains(NlSocket& socket, const Table& table);

/// For those who ask: a question about `table`, and the comment among the user data of an object of it.
NlMessage question(int type, const Table& table, int flags = 0);
std::string comment_of(std::string_view user_data);

}  // namespace barewire::kernel::nft
