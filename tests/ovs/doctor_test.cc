// SPDX-License-Identifier: Apache-2.0
/// `barewire doctor` against a real switch.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "tests/support/command.h"
#include "tests/support/ovs_sandbox.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

class DoctorTest : public OvsTest {
 protected:
  /// The findings about `part`: "<verdict>: <text>", a line each.
  std::string findings_of(const std::string& part) const {
    const CommandResult result =
        run(command_of(built_program("barewire"), {"doctor", "-o", "json", "--socket", "unix:" + ovs->socket()}, ""));
    std::string lines;
    const boost::json::value document = boost::json::parse(result.out);
    for (const auto& finding : document.at("findings").as_array())
      if (finding.at("part") == part.c_str())
        lines +=
            fmt::format("{}: {}\n", finding.at("verdict").as_string().c_str(), finding.at("text").as_string().c_str());
    return lines;
  }
};

TEST_F(DoctorTest, TellsWhatTheSwitchSaysOfItself) {
  using ::testing::HasSubstr;
  ovs->add_bridge("br0");
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("is running"));
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("note: is not told to offload flows"));
  ovs->vsctl("set Open_vSwitch . other_config:hw-offload=true other_config:tc-policy=skip_hw");
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("ok: is told to offload flows"));
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("broken: keeps flows away from hardware"));
  run_shell(fmt::format("ovs-vsctl --timeout=20 --db=unix:{} add-port br0 ghost 2>&1", ovs->socket()));
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("broken: interface ghost: could not open network device ghost"));
}

TEST_F(DoctorTest, TellsWhichDaemonIsDown) {
  using ::testing::HasSubstr;
  ovs->kill_vswitchd();
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("broken: its database is served, and no ovs-vswitchd obeys it"));
  ovs->kill_ovsdb();
  EXPECT_THAT(findings_of("Open vSwitch"), HasSubstr("note: connecting to the Open vSwitch database"));
}

}  // namespace
}  // namespace barewire::test
