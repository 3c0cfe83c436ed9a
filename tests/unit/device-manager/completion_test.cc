// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "core/fd.h"
#include "device-manager/cli/session.h"
#include "device-manager/daemon/options.h"
#include "tests/support/command.h"

namespace barewire::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Completion : public ::testing::Test {
 protected:
  Session session_;
  std::unique_ptr<CLI::App> app_ = make_app(session_);
};

TEST_F(Completion, KnowsEveryCommandThatHelpShowsAndNoHiddenOne) {
  std::vector<std::string> names;
  for (const CommandWords& command : words_of(*app_)) names.push_back(command.name);
  EXPECT_THAT(names, ElementsAre("status", "list", "show", "check", "repair", "gc", "explain", "validate", "provision",
                                 "plan", "apply", "reserve", "unreserve", "doctor", "ovs", "report", "history", "why",
                                 "who", "metrics", "topology", "completion"));
}

TEST_F(Completion, EveryScriptHoldsEveryCommandAndOption) {
  const std::string bash = bash_completion(*app_), zsh = zsh_completion(*app_), fish = fish_completion(*app_);
  for (const CommandWords& command : words_of(*app_)) {
    EXPECT_FALSE(command.help.empty()) << command.name;
    for (const std::string& script : {bash, zsh, fish}) EXPECT_THAT(script, HasSubstr(command.name));
    for (const Completable& option : command.options) {
      EXPECT_FALSE(option.help.empty()) << option.name;
      EXPECT_THAT(bash, HasSubstr(option.name));
      EXPECT_THAT(zsh, HasSubstr(option.name));
      EXPECT_THAT(fish, HasSubstr(" -l " + option.name.substr(2)));
    }
  }
}

TEST_F(Completion, ChoicesComeFromTheOptionsOwnCheck) {
  for (const CommandWords& command : words_of(*app_)) {
    if (command.name != "list") continue;
    EXPECT_THAT(command.options, Contains(Field(&Completable::choices, ElementsAre("table", "wide", "json", "name"))));
  }
}

/// What bash offers after `line`, run by bash itself with a `barewire` that knows two devices.
std::string offered(const CLI::App& app, const std::string& line) {
  const std::string script = "barewire() { printf '0000:01:10.0\\n0000:01:10.1\\n'; }\n" + bash_completion(app) +
                             "\nCOMP_LINE='" + line +
                             "'; COMP_POINT=${#COMP_LINE}; COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
                             "_barewire; printf '%s\\n' \"${COMPREPLY[@]}\" | sort | tr '\\n' ' '\n";
  const test::CommandResult result = test::run(test::command_of("bash", {"-c", script}));
  EXPECT_TRUE(result.ok()) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST_F(Completion, BashOffersCommandsOptionsChoicesAndDevices) {
  EXPECT_THAT(offered(*app_, "barewire pro"), "provision ");
  EXPECT_THAT(offered(*app_, "barewire list --st"), "--state ");
  EXPECT_THAT(offered(*app_, "barewire list -o "), "json name table wide ");
  EXPECT_THAT(offered(*app_, "barewire list -o j"), "json ");
  EXPECT_THAT(offered(*app_, "barewire completion "), HasSubstr("zsh"));
}

TEST_F(Completion, BashCompletesPciAddressesAcrossTheirColons) {
  EXPECT_THAT(offered(*app_, "barewire show 0000:0"), "01:10.0 01:10.1 ");
  EXPECT_THAT(offered(*app_, "barewire show 0000:01:10.1"), "10.1 ");
}

TEST_F(Completion, EveryCommandHasExamplesInItsHelp) {
  for (const CommandWords& command : words_of(*app_)) {
    const std::string help = app_->get_subcommand(command.name)->help();
    EXPECT_THAT(help, HasSubstr("Examples:")) << command.name;
    EXPECT_THAT(help, HasSubstr("barewire " + command.name)) << command.name;
  }
}

/// A manual page's text without its markup.
std::string manual(const std::string& file) {
  const std::string text = read_file(std::string(BAREWIRE_DOCS "/man/") + file).value();
  return std::regex_replace(text, std::regex("\\\\-"), "-");
}

TEST_F(Completion, TheManualPageNamesEveryCommandAndOption) {
  const std::string page = manual("barewire.1");
  for (const CommandWords& command : words_of(*app_)) {
    EXPECT_THAT(page, HasSubstr(".Ss " + command.name + "\n")) << command.name;
    for (const Completable& option : command.options) {
      EXPECT_THAT(page, HasSubstr(option.name.substr(1))) << command.name << " " << option.name;
    }
  }
}

TEST(ManualPages, RenderWithoutAWarning) {
  for (const char* page : {"barewire.1", "barewired.8"}) {
    const test::CommandResult result = test::run(
        test::command_of("groff", {"-mandoc", "-ww", "-Tutf8", "-P-cbou", std::string(BAREWIRE_DOCS "/man/") + page}));
    if (result.exit_status == 127) GTEST_SKIP() << "groff is not installed";
    EXPECT_TRUE(result.ok()) << page;
    EXPECT_EQ(result.err, "") << page;
    EXPECT_THAT(result.out, HasSubstr("EXIT STATUS")) << page;
  }
}

TEST(Daemon, ItsManualPageNamesEveryOption) {
  daemon::Options options;
  const auto app = daemon::make_app(options);
  const std::string page = manual("barewired.8");
  for (const CLI::Option* option : app->get_options()) {
    EXPECT_THAT(page, HasSubstr("-" + option->get_lnames().front())) << option->get_name();
  }
}

}  // namespace
}  // namespace barewire::cli
