// SPDX-License-Identifier: Apache-2.0
/// What the plugin program says of itself, and that it is the plugin meant by a link, a copy or an alias.
#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

CommandResult by_hand(const std::string& program, std::vector<std::string> arguments = {}) {
  Command command;
  command.program = program;
  command.arguments = std::move(arguments);
  return run(command);
}

TEST(Called, WithoutACommandAPluginSaysItsVersionWhereNerdctlAndNomadLook) {
  const TempDir directory;
  for (const char* name : {"firewall", "bridge", "sriov"}) {
    fs::create_symlink(built_program("barewire-cni"), directory / name);
    const CommandResult said = by_hand(directory / name);
    EXPECT_EQ(0, said.exit_status);
    EXPECT_EQ("", said.out);
    const std::string first = said.err.substr(0, said.err.find('\n'));
    EXPECT_THAT(first, StartsWith(std::string("CNI ") + name + " plugin v1."));
    EXPECT_THAT(first, MatchesRegex("CNI [a-z-]+ plugin v[0-9]+\\.[0-9]+\\.[0-9]+"));
    EXPECT_THAT(said.err, HasSubstr("\nCNI protocol versions supported: 0.1.0, 0.2.0,"));
    EXPECT_THAT(said.err, HasSubstr("\nBarewire "));
    EXPECT_EQ(said.err, by_hand(directory / name, {"--version"}).out);
  }
  EXPECT_THAT(by_hand(built_program("barewire-cni"), {"--version"}).out, StartsWith("Barewire "));
}

class Renamed : public StandardTest {
 protected:
  /// ADD and DEL of a bridge by the program at `path`, its directory being CNI_PATH.
  void expect_bridge(const std::string& path) {
    PluginRunner runner(path);
    runner.install("host-local", built_program("barewire-cni"));
    fs::remove(runner.directory() + "/named");
    Command command = runner.command(
        "ADD", "named",
        R"({"cniVersion":"1.0.0","name":"n","type":"named","bridge":"br0","ipam":{"type":"host-local","subnet":"10.1.2.0/24"}})",
        pod("pod1"));
    command.program = path;
    const PluginResult added = PluginRunner::result_of(run(command));
    ASSERT_TRUE(added.ok()) << path << "\n" << added;
    EXPECT_EQ("br0", added.json.at("interfaces").at(0).at("name").as_string());
    command.environment["CNI_COMMAND"] = "DEL";
    EXPECT_TRUE(PluginRunner::result_of(run(command)).ok());
  }
};

TEST_F(Renamed, LinksAndCopiesAndAliasesOfAPluginActAsThatPlugin) {
  const TempDir directory;
  fs::create_symlink(built_program("barewire-cni"), directory / "bridge");
  fs::create_symlink("bridge", directory / "lan");
  expect_bridge(directory / "lan");
  fs::copy_file(built_program("barewire-cni"), directory / "buildkit-cni-bridge");
  expect_bridge(directory / "buildkit-cni-bridge");
  fs::copy_file(directory / "buildkit-cni-bridge", directory / "podnet");
  EXPECT_THAT(by_hand(directory / "podnet").err, StartsWith("Barewire"));
  write_text(directory / "barewire-cni.aliases", "# NAME PLUGIN\npodnet bridge\n");
  expect_bridge(directory / "podnet");
}

}  // namespace
}  // namespace barewire::test
