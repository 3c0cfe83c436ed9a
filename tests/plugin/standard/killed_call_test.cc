// SPDX-License-Identifier: Apache-2.0
/// A runtime kills a plugin that takes too long. What the plugin had called must not go on and reserve or add after the
/// DEL that follows.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/fd.h"
#include "tests/support/command.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using namespace std::chrono_literals;

/// An IPAM plugin whose ADD holds a lock, as host-local holds that of its network, and takes its time.
constexpr const char* kSlowIpam = R"(#!/bin/bash
[ "$CNI_COMMAND" = ADD ] || exit 0
exec 9>"$(dirname "$0")/lock"
flock 9
touch "$(dirname "$0")/begun"
exec sleep 600
)";

class KilledCall : public NetnsTest {
 protected:
  void install_slow_ipam() {
    write_text(runner_.directory() + "/slow", kSlowIpam);
    ::chmod((runner_.directory() + "/slow").c_str(), 0755);
  }
  bool becomes(const std::function<bool()>& is_so) const {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!is_so() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(10ms);
    return is_so();
  }
  bool is_free(const std::string& name) const {
    const Fd file(::open((runner_.directory() + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0;
  }

  PluginRunner runner_;
};

TEST_F(KilledCall, TakesAnIpamPluginOfAnotherSuiteAlong) {
  install_slow_ipam();
  make_netns("pod1");
  const std::string config = R"({"cniVersion":"1.0.0","name":"n","type":"ptp","ipam":{"type":"slow"}})";
  {
    ChildProcess add(runner_.command("ADD", "ptp", config));
    ASSERT_TRUE(becomes([&] { return std::filesystem::exists(runner_.directory() + "/begun"); }));
    ASSERT_FALSE(is_free("lock"));
    add.signal(SIGKILL);
    add.wait(60s);
  }
  EXPECT_TRUE(becomes([&] { return is_free("lock"); })) << "the IPAM plugin goes on";
  const PluginResult del = runner_.del("ptp", config);
  EXPECT_TRUE(del.ok()) << del;
}

}  // namespace
}  // namespace barewire::test
