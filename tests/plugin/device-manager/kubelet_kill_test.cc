// SPDX-License-Identifier: Apache-2.0
/// The daemon before a kubelet, killed at each call and at each file that it writes.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/plugin/device-manager/kubelet_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

class KubeletKill : public KubeletTest {
 protected:
  bool gets_both(const std::string& pod) {
    try {
      kubelet_->allocate(kResource, {vf(0), vf(1)}, pod);
      return true;
    } catch (const Error&) {
      kubelet_->look_for_plugins();
      return false;
    }
  }
};

TEST_F(KubeletKill, KilledAtAnyMomentOfAllocateNothingIsPromisedTwiceOrForEver) {
  start_kubelet(true);
  for (const int delay : {0, 1, 2, 4, 8, 16}) {
    start_daemon();
    ASSERT_TRUE(is_listed(4));
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay));
      daemon_->signal(SIGKILL);
    });
    const std::string pod = fmt::format("web-{}", delay);
    bool given = true;
    try {
      kubelet_->allocate(kResource, {vf(0), vf(1)}, pod);
    } catch (const Error&) {
      given = false;
    }
    killer.join();
    daemon_->wait(kLong);
    start_daemon();
    ASSERT_TRUE(is_listed(4));
    if (given) {
      EXPECT_TRUE(promise(0) && promise(1));
      kubelet_->forget(pod);
    }
    EXPECT_TRUE(within(kLong, [] { return !promise(0) && !promise(1); })) << delay;
    kill_daemon();
  }
}

TEST_F(KubeletKill, KilledAtEachFileThatAllocateWritesNothingIsPromisedTwiceOrForEver) {
  if (const std::string why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  start_kubelet(true);
  // The promise and then the device-info file of each VF, in the order in which they are put into place.
  struct Kill {
    std::string file;
    KillTime when;
  };
  std::vector<Kill> kills;
  for (const int id : {0, 1}) {
    kills.push_back({"/allocations/" + vf(id), KillTime::before});
    kills.push_back({"/allocations/" + vf(id), KillTime::after});
  }
  for (const int id : {0, 1}) kills.push_back({"/dp/example.com-dpdk-" + vf(id), KillTime::after});
  for (const Kill& kill : sampled(kills)) {
    FaultOutcome outcome;
    std::atomic<bool> ended = false;
    std::thread daemon([&] {
      outcome = kill_at(daemon_command(), kill.file, kill.when);
      ended = true;
    });
    bool given = false;
    EXPECT_TRUE(within(kLong, [&] { return (given = gets_both("web-0")) || ended; })) << kill.file;
    daemon.join();
    EXPECT_TRUE(outcome.struck) << kill.file;
    EXPECT_FALSE(given) << kill.file;
    start_daemon();
    ASSERT_TRUE(is_listed(4));
    // kubelet's next try is served, once the new socket is there: what is left of this one is nobody's.
    EXPECT_TRUE(within(kLong, [&] { return gets_both("web-1"); })) << kill.file;
    EXPECT_TRUE(promise(0) && promise(1)) << kill.file;
    kubelet_->forget("web-1");
    EXPECT_TRUE(within(kLong, [] { return !promise(0) && !promise(1); })) << kill.file;
    kill_daemon();
  }
}

TEST_F(KubeletKill, KilledAtAnyOtherCallItIsFoundAgainWithAllItsDevices) {
  start_kubelet(true);
  const std::vector<std::string> calls = {
      "/pluginregistration.Registration/GetInfo",     "/pluginregistration.Registration/NotifyRegistrationStatus",
      "/v1beta1.DevicePlugin/GetDevicePluginOptions", "/v1beta1.DevicePlugin/ListAndWatch",
      "/v1beta1.DevicePlugin/GetPreferredAllocation", "/v1beta1.DevicePlugin/PreStartContainer"};
  for (const std::string& call : sampled(calls)) {
    start_daemon();
    ASSERT_TRUE(is_listed(4));
    const std::string socket = kubelet_->socket_of(kResource);
    std::thread caller([&] {
      try {
        kubelet::rpc_call(socket, call, "", kLong);
      } catch (const Error&) {  // it died before the answer
      }
    });
    daemon_->signal(SIGKILL);
    caller.join();
    daemon_->wait(kLong);
    start_daemon();
    ASSERT_TRUE(is_listed(4)) << call;
    for (int id = 0; id < 4; ++id) EXPECT_TRUE(becomes(id, "Healthy") && !promise(id)) << call;
    kill_daemon();
  }
}

}  // namespace
}  // namespace barewire::test
