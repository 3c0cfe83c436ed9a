// SPDX-License-Identifier: Apache-2.0
#include "tests/plugin/device-manager/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TerminalTest : public AdminTest {
 protected:
  void SetUp() override {
    AdminTest::SetUp();
    if (IsSkipped()) return;
    terminal_.emplace();
    ASSERT_THAT(terminal_->see(Terminal::kPrompt), HasSubstr(Terminal::kPrompt));
  }
  void load_completion() {
    EXPECT_THAT(terminal_->type("source <(barewire completion bash)\n"), Not(HasSubstr("error")));
  }
  /// What stands on the line after the Tab key, up to and with `expected`.
  std::string complete(const std::string& line, const std::string& expected) {
    const std::string seen = terminal_->type(line + "\t", expected);
    terminal_->give_up_line();
    return seen;
  }

  std::optional<Terminal> terminal_;
};

TEST_F(TerminalTest, TabCompletesCommandsOptionsAndChoices) {
  load_completion();
  for (const auto& [typed, whole] : {std::pair{"barewire prov", "barewire provision "},
                                     {"barewire list --sta", "barewire list --state "},
                                     {"barewire list --state in_u", "barewire list --state in_use_elsewhere "},
                                     {"barewire completion z", "barewire completion zsh "}})
    EXPECT_THAT(complete(typed, whole), HasSubstr(whole));
}

TEST_F(TerminalTest, TabCompletesWhoHoldsWhatFromTheRecords) {
  attach("web-0", "h0");
  load_completion();
  EXPECT_THAT(complete("barewire check --pod def", "default/web-0 "), HasSubstr("--pod default/web-0 "));
  EXPECT_THAT(complete("barewire list --container c", "cid-web-0 "), HasSubstr("--container cid-web-0 "));
}

TEST_F(TerminalTest, TabCompletesFilesWithBlanksAndGoesIntoDirectories) {
  make_private_directory("/run/site nets");
  write_text("/run/site nets/blue.json", "{}");
  load_completion();
  EXPECT_THAT(complete("barewire explain /run/si", "/run/site\\ nets/"), HasSubstr("/run/site\\ nets/"));
}

TEST_F(TerminalTest, ColoursAreOnATerminalAndNowhereElse) {
  attach("web-0", "h0");
  EXPECT_THAT(terminal_->type("TERM=xterm barewire list --all\n"), HasSubstr("\033[1m"));
  EXPECT_THAT(terminal_->type("NO_COLOR=1 TERM=xterm barewire list --all\n"), Not(HasSubstr("\033")));
  EXPECT_THAT(terminal_->type("barewire list --all\n"), Not(HasSubstr("\033")));  // TERM=dumb
  EXPECT_THAT(terminal_->type("TERM=xterm barewire list --all | cat\n"), Not(HasSubstr("\033")));
}

TEST_F(TerminalTest, WatchDrawsTheScreenAnewAndEndsWithControlC) {
  EXPECT_THAT(terminal_->type("TERM=xterm barewire list --watch --all\n", "No NIC"), HasSubstr("\033[H\033[2J"));
  attach("web-0", "h0");
  EXPECT_THAT(terminal_->see("default/web-0"), HasSubstr("default/web-0"));
  EXPECT_THAT(terminal_->type("\x03"), HasSubstr(Terminal::kPrompt));
}

}  // namespace
}  // namespace barewire::test
