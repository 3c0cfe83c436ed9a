// SPDX-License-Identifier: Apache-2.0
/// The iptables and ip6tables commands, for users who ask for them ("backend": "iptables"). Everything else uses
/// nftables through netlink. One process per question; iptables_batch.h has many changes in one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/look.h"
#include "core/node.h"
#include "core/state/store.h"

namespace barewire::standard {

/// Of every call that asks for a rule and makes or removes it then: taken by the plugin around its whole work.
state::FileLock lock_iptables(const Node& node);

/// One of the two commands, by family. Source: iptables(8).
class Iptables {
 public:
  /// Throws Error{config} naming `key` when the command is not in PATH, /usr/sbin or /sbin.
  Iptables(bool v4, std::string_view key);
  /// Whether the command is where the constructor looks for it.
  static bool is_installed(bool v4);

  /// Runs with -w (wait for the lock of other iptables). Throws Error{kernel} with the command line and its stderr.
  void run(const std::vector<std::string>& arguments) const;
  /// As run; no where it says in so many words that there is no such rule, chain or target. A command that fails for
  /// any other reason, or is killed, tells nothing: unknown.
  Look ask(const std::vector<std::string>& arguments) const;

  /// Makes the chain when missing.
  void ensure_chain(const std::string& table, const std::string& chain) const;
  /// Appends (or inserts first) the rule unless it is there.
  void ensure_rule(const std::string& table, const std::string& chain, const std::vector<std::string>& rule,
                   bool first = false) const;
  /// All of these throw Error{kernel} where the command cannot tell: that never counts as absence.
  bool has_rule(const std::string& table, const std::string& chain, const std::vector<std::string>& rule) const;
  void remove_rule(const std::string& table, const std::string& chain, const std::vector<std::string>& rule) const;
  void remove_chain(const std::string& table, const std::string& chain) const;

 private:
  std::string program_;
};

}  // namespace barewire::standard
