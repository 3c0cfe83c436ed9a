// SPDX-License-Identifier: Apache-2.0
/// Calling a built plugin as a container runtime does: by name through CNI_PATH, with CNI_* variables and stdin.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace barewire::test {

/// The built program `name` ("barewire-cni", "barewire", …): in lib/cni, bin or sbin of $BAREWIRE_BIN_DIR, else of this
/// build. Throws Error saying where it looked.
std::string built_program(const std::string& name);

/// The CNI_* variables of one call; an empty one is not set at all.
struct CniCall {
  std::string container_id = "pod1";
  std::string netns = "/run/netns/pod1";
  std::string ifname = "eth0";
  std::string args;
  std::string netns_override;
};

struct PluginResult {
  int exit_status = -1;
  bool timed_out = false;
  std::string out;  ///< stdout, byte for byte
  std::string err;
  boost::json::value json;  ///< stdout parsed; null when it is empty or not JSON
  bool ok() const noexcept { return exit_status == 0 && !timed_out; }
  int code() const;         ///< the CNI error's code; 0 when stdout holds none
  std::string msg() const;  ///< the CNI error's msg
};

/// One line of everything, for failure messages: EXPECT_TRUE(result.ok()) << result.
std::ostream& operator<<(std::ostream& out, const PluginResult& result);

/// A plugin directory: a link per name to the built barewire-cni (or to any other program).
class PluginRunner {
 public:
  /// Links are made as plugins are asked for; CNI_PATH is this directory, then `further` directories.
  explicit PluginRunner(std::string program = built_program("barewire-cni"), std::string further = {});

  /// Puts another program (a stub, the reference's plugin) under `name`.
  void install(const std::string& name, const std::string& program);

  /// From now on, after each ADD that succeeds CHECK is called of it and of what went before it in its chain (known by
  /// "prevResult"), with its result as a runtime would; one that fails fails the test. Not below version 0.4.0, which
  /// has no CHECK.
  void check_after_add() { checks_after_add_ = true; }

  PluginResult add(const std::string& plugin, const std::string& config, const CniCall& call = {}) const;
  PluginResult del(const std::string& plugin, const std::string& config, const CniCall& call = {}) const;
  PluginResult check(const std::string& plugin, const std::string& config, const CniCall& call = {}) const;
  PluginResult gc(const std::string& plugin, const std::string& config) const;
  PluginResult status(const std::string& plugin, const std::string& config) const;
  /// Any CNI_COMMAND.
  PluginResult call(const std::string& verb, const std::string& plugin, const std::string& config,
                    const CniCall& call = {}) const;

  /// The same call as a Command, for fault.h or for changing its environment.
  Command command(const std::string& verb, const std::string& plugin, const std::string& config,
                  const CniCall& call = {}) const;
  static PluginResult result_of(const CommandResult& result);

  const std::string& directory() const noexcept { return directory_.path(); }
  std::string cni_path() const;

 private:
  /// One plugin of a chain as it was called.
  struct Link {
    std::string plugin;
    boost::json::object config;
  };
  std::string link(const std::string& plugin) const;
  void expect_checks(const std::string& plugin, const std::string& config, const CniCall& call,
                     const PluginResult& added) const;

  bool checks_after_add_ = false;
  mutable std::mutex chains_mutex_;                          // tests call from several threads
  mutable std::map<std::string, std::vector<Link>> chains_;  ///< by container and interface
  TempDir directory_;
  std::string program_;
  std::string further_;
};

}  // namespace barewire::test
