// SPDX-License-Identifier: Apache-2.0
/// The daemon as a DRA driver, between a kubelet and an API server of the tests' own.
#pragma once

#include <signal.h>

#include <iostream>

#include "tests/plugin/device-manager/claim_fixture.h"
#include "tests/support/dra_kubelet.h"

namespace barewire::test {

inline constexpr std::chrono::seconds kLong{30};
inline constexpr const char* kSlices = "/apis/resource.k8s.io/v1/resourceslices";

/// The daemon as a DRA driver on that node.
class DraTest : public ClaimTest {
 protected:
  void SetUp() override {
    ClaimTest::SetUp();
    if (IsSkipped()) return;
    kubelet_.emplace(directory_ / "kubelet");
    server_->write_kubeconfig("/run/kubeconfig");
  }
  void TearDown() override {
    if (daemon_ && HasFailure()) {
      daemon_->signal(SIGTERM);
      std::cerr << daemon_->wait(kLong).err;
    }
    daemon_.reset();
    ClaimTest::TearDown();
  }
  Command daemon_command(const std::string& interval, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{
        "--own-pid-namespace", "--interval",           interval,  "--grace",         "1",
        "--kubelet",           directory_ / "kubelet", "--pools", "/run/pools.json", "--kubeconfig",
        "/run/kubeconfig",     "--node-name",          "n1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return command_of(built_program("barewired"), arguments);
  }
  void start_daemon(const std::string& interval = "1", const std::vector<std::string>& more = {}) {
    daemon_.emplace(daemon_command(interval, more));
  }
  bool is_served(const std::string& version = "v1") {
    return within(kLong, [&] { return kubelet_->find_driver(version); });
  }
  /// The kernel would tell of it; here a link that comes and goes does.
  void bind(int id, const std::string& driver) {
    sysfs_.tree().link("bus/pci/devices/" + vf(id) + "/driver", "../../../../bus/pci/drivers/" + driver);
    must_run("ip link add wake type veth peer name wake1; ip link del wake");
  }
  void kill_daemon() {
    daemon_->signal(SIGKILL);
    daemon_->wait(kLong);
    daemon_.reset();
  }
  std::string prepare(const TestClaim& claim) { return kubelet_->prepare({ref(claim)})[claim.uid].error; }
  std::string unprepare(const TestClaim& claim) { return kubelet_->unprepare({ref(claim)})[claim.uid]; }
  boost::json::object slice() {
    const auto found = server_->find(std::string(kSlices) + "/n1-barewire.io-0000-01-00.0-0");
    return found ? found->as_object() : boost::json::object();
  }
  bool slice_has(std::size_t count) {
    return within(kLong, [&] {
      const auto now = slice();
      return !now.empty() && now.at("spec").at("devices").as_array().size() == count;
    });
  }

  TempDir directory_;
  std::optional<TestDraKubelet> kubelet_;
  std::optional<ChildProcess> daemon_;
};

}  // namespace barewire::test
