// SPDX-License-Identifier: Apache-2.0
/// What kubelet asks when it finds a plugin, while the daemon's own thread is busy.
#include "device-manager/kubelet/registration.h"

#include <gtest/gtest.h>

#include "core/fd.h"
#include "device-manager/dra/endpoint.h"
#include "device-manager/kubelet/resource.h"
#include "tests/support/process.h"

namespace barewire {
namespace {

using namespace std::chrono_literals;
using kubelet::rpc_call;

/// The thread is at something else for ever: what it is given waits here.
class RegistrationTest : public ::testing::Test {
 protected:
  std::function<void(std::function<void()>)> post() {
    return [this](std::function<void()> work) {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(work));
    };
  }
  void expect_registration(const std::string& socket) {
    EXPECT_FALSE(rpc_call(socket, "/pluginregistration.Registration/GetInfo", "", 1s).empty());
    // Field 1, true.
    EXPECT_EQ(rpc_call(socket, "/pluginregistration.Registration/NotifyRegistrationStatus", "\x08\x01", 1s), "");
    EXPECT_THROW(rpc_call(socket, "/pluginregistration.Registration/NotifyRegistrationStatus", "\xff", 1s), Error);
    EXPECT_EQ(registered_, 0);
    std::vector<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(waiting_);
    }
    for (const auto& each : work) each();
    EXPECT_EQ(registered_, 1);
  }
  std::function<void(const kubelet::RegistrationStatus&)> counter() {
    return [this](const kubelet::RegistrationStatus& status) { registered_ += status.registered ? 1 : 0; };
  }

  test::TempDir directory_;
  std::mutex mutex_;
  std::vector<std::function<void()>> waiting_;  ///< under mutex_
  int registered_ = 0;
};

TEST_F(RegistrationTest, OfADevicePluginDoesNotWaitForItsThread) {
  kubelet::Resource resource({.resource = "example.com/vf", .path = directory_ / "vf.sock"},
                             {.post = post(), .prefer = {}, .allocate = {}, .on_registered = counter(), .on_lost = {}});
  ASSERT_TRUE(resource.serve());
  EXPECT_FALSE(rpc_call(directory_ / "vf.sock", "/v1beta1.DevicePlugin/GetDevicePluginOptions", "", 1s).empty());
  expect_registration(directory_ / "vf.sock");
}

TEST_F(RegistrationTest, OfADraDriverDoesNotWaitForItsThread) {
  make_directories(directory_ / "plugins_registry");
  const auto paths = dra::endpoint_paths(directory_ / "", "barewire.io", "");
  dra::Endpoint endpoint("barewire.io", paths,
                         {.post = post(), .prepare = {}, .unprepare = {}, .on_registered = counter()});
  ASSERT_TRUE(endpoint.serve());
  expect_registration(paths.registration);
}

TEST_F(RegistrationTest, OfADraDriverIsMadeAnewWhenAnotherInstanceGoes) {
  make_directories(directory_ / "plugins_registry");
  const auto endpoint = [&](const std::string& instance) {
    return std::make_unique<dra::Endpoint>(
        "barewire.io", dra::endpoint_paths(directory_ / "", "barewire.io", instance),
        dra::EndpointHandlers{.post = post(), .prepare = {}, .unprepare = {}, .on_registered = counter()});
  };
  auto older = endpoint("old");
  const auto newer = endpoint("new");
  ASSERT_TRUE(older->serve());
  ASSERT_TRUE(newer->serve());
  EXPECT_FALSE(newer->serve());
  older.reset();
  EXPECT_TRUE(newer->serve());
  EXPECT_FALSE(newer->serve());
}

}  // namespace
}  // namespace barewire
