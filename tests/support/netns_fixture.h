// SPDX-License-Identifier: Apache-2.0
/// A node of its own for each test: fresh network and mount namespaces, an own /run, /sys and /var/lib/cni, so that no
/// interface or file of the machine is touched. Source: namespaces(7), mount_namespaces(7), ip-netns(8).
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/support/process.h"

namespace barewire::test {

/// Takes the calling thread into new network and mount namespaces; without root also a new user namespace (as
/// `unshare -Urn` does). Returns why it is not permitted, empty on success.
std::string enter_private_node();

/// Makes `path` a directory of this mount namespace alone, empty. Its parent is shadowed when `path` does not exist on
/// the machine, so that nothing is created there. Call only after enter_private_node. Throws Error.
void make_private_directory(const std::string& path);

/// Creates a network namespace bound at /run/netns/NAME with its lo up; returns the path. Throws Error.
std::string make_netns(const std::string& name);
/// Unmounts and removes it: as `ip netns del`.
void delete_netns(const std::string& name);

/// A process in a netns, which keeps it alive without a path.
class NetnsHolder {
 public:
  explicit NetnsHolder(const std::string& path);
  /// Leads to the netns as long as this lives.
  std::string path() const;

 private:
  ChildProcess process_;
};

/// Runs `work` on a thread inside the netns at `path`; what it throws is thrown here.
void in_netns(const std::string& path, const std::function<void()>& work);

/// Runs `text` with sh -c inside the netns at `path` (empty = the test's own host netns).
CommandResult run_in(const std::string& path, const std::string& text);
/// As run_in; a failure fails the test, with what was printed. Returns stdout.
std::string must_run_in(const std::string& path, const std::string& text);
/// must_run_in on the test's own host netns.
std::string must_run(const std::string& text);

/// Each test gets a private node, and is skipped, saying why, where that is not permitted. In the host netns lo is up.
/// A derived SetUp begins with `NetnsTest::SetUp(); if (IsSkipped()) return;`.
class NetnsTest : public ::testing::Test {
 protected:
  void SetUp() override;
};

}  // namespace barewire::test
