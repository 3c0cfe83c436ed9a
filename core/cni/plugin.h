// SPDX-License-Identifier: Apache-2.0
/// What a plugin is, the table of plugins a program holds, and running one call of one of them. request.h has what
/// comes in, result.h what goes out. Source: CNI spec 1.1.0 section 2, "Execution Protocol".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/cni/request.h"
#include "core/cni/result.h"
#include "core/node.h"

namespace barewire::state {
struct Attachment;
}

namespace barewire::cni {

struct Guard;
using Steps = std::vector<std::string>;

/// A plugin is its operations. A null operation succeeds and does nothing, as in the reference skeleton.
/// Each throws Error; what it throws is printed as the CNI error.
struct Plugin {
  std::string_view name;   ///< the configuration's "type", and the installed link's name
  std::string_view about;  ///< one sentence, printed when it is called by hand
  Result (*add)(const Request&, Node&) = nullptr;
  void (*del)(const Request&, Node&) = nullptr;
  void (*check)(const Request&, Node&) = nullptr;
  void (*gc)(const Request&, Node&) = nullptr;
  void (*status)(const Request&, Node&) = nullptr;
  /// Reads the keys as ADD does before it touches anything, without a pod, a previous result or a device. Throws
  /// Error{config} for the first that is wrong. For who looks at a configuration before a pod needs it.
  void (*validate)(const Request&) = nullptr;
  /// For the admin's command. What ADD would do with `config` (JSON), a line a step, on `device` (a PCI address) or
  /// what the configuration names; touches nothing, not even a lock. Throws what ADD would throw before its first
  /// change.
  Steps (*explain)(const std::string& config, const std::optional<std::string>& device, Node&) = nullptr;
  /// How the kernel differs from what ADD left, a sentence each; cheaper than CHECK, which else tells it.
  Steps (*drift)(const state::Attachment&, Node&) = nullptr;
  /// Puts right under a running pod what differs, and returns what was done, or with `dry_run` what would be. Takes the
  /// attachment's lock. Throws Error{drift} naming what is left.
  Steps (*repair)(const state::Attachment&, Node&, bool dry_run) = nullptr;
  Version oldest{0, 1, 0};
  /// What the plugin is for: one that attaches would do so again, were it called as an IPAM plugin.
  enum class Role { attaches, gives_addresses } role = Role::attaches;
  const Guard* guard = nullptr;  ///< guard.h; without one, no ADD where the node has a policy
};

/// The plugins of a program, as constants of it; borrowed, never changed.
class PluginTable {
 public:
  explicit PluginTable(std::span<const Plugin> plugins) : plugins_(plugins) {}
  /// nullptr when the program has no plugin of that name.
  const Plugin* find(std::string_view name) const;
  std::span<const Plugin> all() const noexcept { return plugins_; }

 private:
  std::span<const Plugin> plugins_;
};

/// What a call leaves: `output` belongs on stdout.
struct Outcome {
  int exit_status = 0;
  std::string output;
  bool is_delivered = true;  ///< false: stdout could not be written
};

/// Who calls: somebody else, or a plugin of this program that hands its IPAM plugin the very request it was called
/// with, which has been judged whole, for its IPAM plugin too; or this program itself, that undoes what it has done.
enum class Caller { other, judged, itself };

/// Runs one call of `plugin`. Never throws: every failure becomes the CNI error in `output`.
/// Also refuses what the node's policy does, and a CNI_NETNS that is the caller's own netns (code 8) unless
/// CNI_NETNS_OVERRIDE is 1 or true.
Outcome run(const Plugin& plugin, const Environment& environment, std::string stdin_bytes, Node& node,
            Caller caller = Caller::other) noexcept;

/// {"cniVersion":…,"code":…,"msg":…,"details":…}; bytes that are no UTF-8 text become \\xNN.
std::string error_json(const Error& error, const Version& version);

/// A whole plugin program: acts by the base name of argv[0] (or, called by the program's own name, prints what it
/// holds; with --names, the bare names for an installer), reads environment and stdin, writes stdout: the only writer
/// of it. An ADD whose result cannot be written is undone. Returns the exit status: 1 also when stdout fails.
int plugin_main(int argc, char** argv, const PluginTable& plugins);

}  // namespace barewire::cni
