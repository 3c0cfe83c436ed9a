// SPDX-License-Identifier: Apache-2.0
/// What the tests of core/kernel share: a netlink socket per netns, and reading back what iproute2 sees.
#pragma once

#include <string>

#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"
#include "tests/support/netns_fixture.h"

namespace barewire::test {

/// A node with a pair of links `left` and `right`, both in the host netns and down, and a pod's netns.
class PairTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    must_run("ip link add left type veth peer name right");
    pod_path_ = make_netns("pod");
  }

  kernel::NetNs pod() const { return kernel::NetNs::open(pod_path_); }
  std::string in_pod(const std::string& text) const { return must_run_in(pod_path_, text); }

  std::string pod_path_;
};

}  // namespace barewire::test
