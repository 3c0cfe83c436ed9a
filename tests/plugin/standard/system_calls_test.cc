// SPDX-License-Identifier: Apache-2.0
/// How many system calls a plugin makes: what it does beside them is little, so they are what a call costs. A ceiling
/// for each, so that they do not become more unseen.
#include <fstream>
#include <utility>

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

// Of what a sanitizer does too, at moments of its own: no plugin has reason to call these.
constexpr const char* kTraced =
    "trace=!mmap,munmap,mremap,mprotect,madvise,brk,futex,sigaltstack,rt_sigaction,rt_sigprocmask,getrandom,prctl";

class SystemCalls : public StandardTest {
 protected:
  /// Of one call, beyond those of a VERSION call: without what it takes to start a program, and to sanitize it.
  int count(const std::string& verb, const std::string& plugin, const std::string& config, const CniCall& call) {
    return trace(verb, plugin, config, call) - trace("VERSION", plugin, "", call);
  }

  std::string calls_;  ///< of the last call that was counted, for messages
  TempDir directory_;

 private:
  int trace(const std::string& verb, const std::string& plugin, const std::string& config, const CniCall& call) {
    Command command = runner_.command(verb, plugin, config, call);
    const std::string file = directory_ / "calls";
    command.arguments = {"-f", "-qq", "--signal=none", "-o",
                         file, "-e",  kTraced,         std::exchange(command.program, "strace")};
    command.argv0.reset();
    command.environment["ASAN_OPTIONS"] = "detect_leaks=0";  // it cannot look while another traces
    const CommandResult result = run(command);
    EXPECT_TRUE(result.ok()) << verb << " " << plugin << ": " << result.out << result.err;
    std::ifstream lines(file);
    int count = 0;
    std::string all;
    for (std::string line; std::getline(lines, line); ++count) {
      all += line.substr(0, 160) + "\n";
      // A sanitizer looks whether memory may be read by writing it into a pipe, which it makes and closes. Plugins make
      // none.
      if (line.find("pipe2(") != std::string::npos) count -= 4;
      // How often a link is asked whether it is up yet, and then slept, is the machine's affair.
      if (line.find("clock_nanosleep(") != std::string::npos) count -= 3;
    }
    if (verb != "VERSION") calls_ = all;
    return count;
  }
};

TEST_F(SystemCalls, OfAPodAreFew) {
  if (!run_in("", "strace -V").ok()) GTEST_SKIP() << "there is no strace";
  const std::string ipam = R"("ipam":{"type":"host-local","subnet":"10.22.0.0/16"}})";
  const std::string config = R"({"cniVersion":"1.0.0","name":"mynet","type":"bridge","isDefaultGateway":true,)" + ipam;
  make_netns("first");
  ASSERT_TRUE(runner_.add("bridge", config, pod("first")).ok());  // what all pods share
  EXPECT_LE(count("ADD", "bridge", config, pod("pod1")), 120) << calls_;
  EXPECT_LE(count("DEL", "bridge", config, pod("pod1")), 60) << calls_;
}

}  // namespace
}  // namespace barewire::test
