// SPDX-License-Identifier: Apache-2.0
/// What dummy, ipvlan, macvlan, tap and vlan have in common, tested for each: the tests are in pod_link_suite.cc, the
/// plugins whose kernel drivers a machine has are named where the suite is instantiated.
#pragma once

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {

struct PodLinkCase {
  const char* plugin;
  const char* keys;  ///< of its own, with a comma after the last; "master" is an interface `up0` of the node
  const char* kind;  ///< as `ip -d link` shows it
  const char* other_keys = keys;  ///< for a second pod beside the first
  std::size_t fault_stride = 1;   ///< of the steps where PodLinkFault strikes, every how manieth
};

class PodLink : public StandardTest, public ::testing::WithParamInterface<PodLinkCase> {
 protected:
  void SetUp() override;
  static std::string plugin() { return GetParam().plugin; }
  /// With host-local addresses of both families and default routes.
  static std::string config(const char* keys = GetParam().keys);
  PluginResult add(const CniCall& call = {});
  std::string pod_state() const;
};

/// Long: for those kinds whose making differs most.
class PodLinkFault : public PodLink {};

std::string pod_link_name(const ::testing::TestParamInfo<PodLinkCase>& one);

}  // namespace barewire::test
