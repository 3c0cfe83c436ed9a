// SPDX-License-Identifier: Apache-2.0
/// A real Open vSwitch of a test's own: ovsdb-server and ovs-vswitchd with the userspace datapath, started in the
/// calling thread's namespaces with every file in a private directory, killed by pid at the end. Used by the tests
/// labelled ovs.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/netns_fixture.h"
#include "tests/support/process.h"

namespace barewire::test {

class OvsSandbox {
 public:
  /// Which ovs-vswitchd: Debian has one with DPDK beside the other, and either may be the one on PATH.
  enum class Datapath { plain, dpdk };
  /// What is not installed here that it needs; nullopt: all is there.
  static std::optional<std::string> missing(Datapath datapath = Datapath::plain);

  /// Starts both daemons, in the netns at `netns` if given, with an empty, initialised database. Throws Error with the
  /// end of the log when one does not come up.
  explicit OvsSandbox(Datapath datapath = Datapath::plain, std::string netns = {});
  OvsSandbox(const OvsSandbox&) = delete;
  ~OvsSandbox();

  /// Path of the database socket, and of any file beside it.
  std::string socket() const { return directory_ / "db.sock"; }
  std::string file(const std::string& name) const { return directory_ / name; }
  pid_t ovsdb_pid() const;
  pid_t vswitchd_pid() const;

  /// Starting again keeps the database. `remotes`: further addresses to listen on, e.g. "ptcp:6640:127.0.0.1", and
  /// options such as --private-key.
  void start_ovsdb(const std::vector<std::string>& remotes = {});
  void start_vswitchd();
  /// SIGKILL, and no word to anyone: as a crash.
  void kill_ovsdb();
  void kill_vswitchd();

  /// Runs `ovs-vsctl TEXT` with a shell against this database and returns what it printed; a failure fails the test.
  std::string vsctl(const std::string& text) const;
  /// Runs `ovs-appctl TEXT` against this ovs-vswitchd.
  std::string appctl(const std::string& text) const;
  /// A bridge with the userspace datapath, its own interface up.
  void add_bridge(const std::string& name) const;
  /// Every row that configuration made, uuids included and statistics not, so that before and after can be compared.
  std::string configuration() const;

 private:
  std::unique_ptr<ChildProcess> start(const std::string& name, const std::string& program,
                                      std::vector<std::string> arguments) const;
  void wait_for_answer(const ChildProcess& daemon, const std::string& control, const std::string& log) const;

  Datapath datapath_;
  std::string netns_;
  TempDir directory_;
  std::unique_ptr<ChildProcess> ovsdb_;
  std::unique_ptr<ChildProcess> vswitchd_;
};

/// Each test gets a private node with an OvsSandbox in it; skipped, saying what is missing, where that cannot be.
class OvsTest : public NetnsTest {
 protected:
  void SetUp() override;
  OvsSandbox::Datapath datapath = OvsSandbox::Datapath::plain;  ///< set before SetUp
  std::unique_ptr<OvsSandbox> ovs;
};

}  // namespace barewire::test
