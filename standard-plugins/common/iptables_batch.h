// SPDX-License-Identifier: Apache-2.0
/// Several changes to one table by one call of the iptables-restore command: all of them or none. What is to be there
/// already is asked for within the call, so that the usual case costs one process. Works beside iptables.h, which asks
/// and changes one at a time where a batch did not find what it counted on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace barewire::standard {

struct CommandAnswer;

/// The kernel has nothing that the command could work with.
class IptablesUnsupported : public Error {
 public:
  using Error::Error;
};

/// Of one family. Source: iptables-restore(8), "--noflush".
class IptablesBatch {
 public:
  using Words = std::vector<std::string>;

  /// Throws Error{config} naming `key` when the command is not on the node.
  IptablesBatch(bool v4, std::string_view key, std::string table);

  IptablesBatch& require(const std::string& chain, const Words& rule);  ///< or nothing of this batch happens
  IptablesBatch& make_chain(const std::string& chain);                  ///< one that is there is emptied
  IptablesBatch& append(const std::string& chain, const Words& rule);   ///< behind what is there
  IptablesBatch& remove(const std::string& chain, const Words& rule);
  IptablesBatch& remove_chain(const std::string& chain);  ///< which must be empty, and jumped to by nothing

  /// False when a rule or chain that a line speaks of is perhaps not there: nothing has changed then. Throws
  /// Error{kernel} when the command failed otherwise, IptablesUnsupported where it can do nothing at all.
  bool try_commit() const;
  /// Throws Error{kernel} unless all was done.
  void commit() const;

 private:
  [[noreturn]] void fail(const CommandAnswer& answer) const;
  IptablesBatch& line(std::string_view action, const std::string& chain, const Words& rule);
  std::string program_;
  std::string table_;
  std::string lines_;
};

/// Whether the commands are there, for both families.
bool has_iptables_commands();

/// `text` as the argument of a comment match, at most 255 bytes of it. Source: linux/netfilter/xt_comment.h.
std::string comment_text(std::string text);

}  // namespace barewire::standard
