// SPDX-License-Identifier: Apache-2.0
/// The daemon as what serves Kubernetes, on real VFs: what becomes of them reaches kubelet, a container runtime has
/// them put into pods, and three ways of asking never get the same one.
#include <signal.h>

#include <atomic>
#include <thread>

#include "core/fd.h"
#include "core/state/allocation.h"
#include "core/state/claim_record.h"
#include "core/state/store.h"
#include "tests/lab/device-manager/admin_lab.h"
#include "tests/support/api_server.h"
#include "tests/support/claim_json.h"
#include "tests/support/dra_kubelet.h"
#include "tests/support/kubelet.h"
#include "tests/support/nri_runtime.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kLong{60};
constexpr const char* kResource = "example.com/vf";
constexpr int kVfs = 7;

class KubeletLab : public AdminLab {
 protected:
  void SetUp() override {
    for (int id = 0; id < kVfs; ++id) vfs_.push_back(address_of(id));
    kubelet_.emplace(directory_ / "kubelet", true);
    kubelet_->start();
    claims_.emplace(directory_ / "kubelet");
    server_.emplace();
    server_->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
    server_->write_kubeconfig("/run/kubeconfig");
  }
  void TearDown() override {
    if (!daemon_) return;
    daemon_->signal(SIGTERM);
    const CommandResult ended = daemon_->wait(kLong);
    if (HasFailure()) std::cerr << ended.err;
  }
  void start_daemon(const std::string& pool_keys, std::vector<std::string> more = {}) {
    write_text("/run/pools.json", R"({"prefix":"example.com","pools":{"vf":{"vfs":"0000:01:00.0")" + pool_keys + "}}}");
    std::vector<std::string> arguments = {
        "--own-pid-namespace", "--interval",           "2",       "--grace",         "1",
        "--kubelet",           directory_ / "kubelet", "--pools", "/run/pools.json", "--kubeconfig",
        "/run/kubeconfig",     "--node-name",          "n1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    daemon_.emplace(command_of(built_program("barewired"), arguments));
  }
  bool all_are(const std::string& health, std::size_t count = kVfs) {
    return within(kLong, [&] {
      kubelet_->look_for_plugins();
      std::size_t found = 0;
      for (const auto& [device, now] : kubelet_->devices(kResource)) found += now == health ? 1 : 0;
      return found == count;
    });
  }
  static void bind(const std::string& vf, const std::string& driver) {
    must_run(
        fmt::format("cd /sys/bus/pci/devices/{0} && echo {1} > driver_override && "
                    "{{ [ ! -e driver ] || echo {0} > driver/unbind; }} && echo {0} > /sys/bus/pci/drivers_probe",
                    vf, driver));
  }
  static std::string label(const std::string& vf) {
    std::string name = vf;
    for (char& c : name) c = c == ':' || c == '.' ? '-' : c;
    return name;
  }

  TempDir directory_;
  std::vector<std::string> vfs_;
  std::optional<TestKubelet> kubelet_;
  std::optional<TestDraKubelet> claims_;
  std::optional<TestApiServer> server_;
  std::optional<ChildProcess> daemon_;
};

TEST_F(KubeletLab, APfThatIsDownMakesItsVfsUnhealthyUntilItIsUp) {
  start_daemon(R"(,"carrier":true)");
  ASSERT_TRUE(all_are("Healthy"));
  must_run("ip link set pf0 down");
  EXPECT_TRUE(all_are("Unhealthy"));
  must_run("ip link set pf0 up");
  EXPECT_TRUE(all_are("Healthy"));
}

TEST_F(KubeletLab, AVfThatIsReboundIsAnothersUntilItIsBack) {
  must_run("modprobe vfio-pci");
  start_daemon(R"(,"driver":"netdev")");
  ASSERT_TRUE(all_are("Healthy"));
  bind(vfs_[2], "vfio-pci");
  EXPECT_TRUE(within(kLong, [&] { return kubelet_->devices(kResource)[vfs_[2]] == "Unhealthy"; }));
  EXPECT_TRUE(all_are("Healthy", kVfs - 1));
  EXPECT_THROW(kubelet_->allocate(kResource, {vfs_[2]}, "web-0"), Error);
  bind(vfs_[2], "igbvf");
  EXPECT_TRUE(all_are("Healthy"));
  kubelet_->allocate(kResource, {vfs_[2]}, "web-0");
}

TEST_F(KubeletLab, ARuntimeHasTheVfsOfAClaimPutIntoItsPodAndTakenBack) {
  TestRuntime runtime("/var/run/nri/nri.sock", std::chrono::seconds(50));
  start_daemon(R"(,"offer":"claims")", {"--nri", "/var/run/nri/nri.sock"});
  ASSERT_TRUE(runtime.accept());
  ASSERT_TRUE(within(kLong, [&] { return claims_->find_driver("v1"); }));
  const TestClaim claim{
      .devices = {{"data", label(vfs_[0])}, {"other", label(vfs_[1])}},
      .configs = TestClaim::config("FromClaim", R"("data")",
                                   R"("vlan":100,"mac":"02:00:5e:00:53:01","ifname":"data0",)"
                                   R"("ipam":{"type":"static","addresses":[{"address":"192.0.2.7/24"}]})")};
  server_->put(claim.path(), claim.json());
  ASSERT_EQ(claims_->prepare({{"default", claim.uid, claim.name}}).at(claim.uid).error, "");
  make_netns("web-0");
  const std::string before = barewire({"list", "--pf", kPf}).out;
  const auto reply = runtime.run_pod({.id = "sandbox-1", .netns = "/run/netns/web-0"});
  ASSERT_EQ(reply.code, 0) << reply.message;
  const std::string links = must_run("ip netns exec web-0 ip -o addr; ip netns exec web-0 ip -o link");
  EXPECT_THAT(links, HasSubstr("192.0.2.7/24"));
  EXPECT_THAT(links, HasSubstr("02:00:5e:00:53:01"));
  EXPECT_THAT(links, HasSubstr("net1"));
  EXPECT_THAT(must_run("ip link show pf0"), HasSubstr("vlan 100"));
  EXPECT_THAT(barewire({"list", "--pf", kPf}).out, HasSubstr("default/web-0"));
  EXPECT_EQ(runtime.stop_pod({.id = "sandbox-1"}).code, 0);
  EXPECT_EQ(barewire({"list", "--pf", kPf}).out, before);
  EXPECT_EQ(claims_->unprepare({{"default", claim.uid, claim.name}}).at(claim.uid), "");
}

/// What each way of asking has got in one round.
struct Round {
  int number = 0;
  std::mutex mutex{};
  std::map<std::string, int> got{};  ///< how many have each VF
  std::vector<std::string> pods{}, claims{}, attached{};
  void add(const std::string& vf, std::vector<std::string>& by, const std::string& name) {
    const std::lock_guard lock(mutex);
    ++got[vf];
    by.push_back(name);
  }
};

class RaceLab : public KubeletLab {
 protected:
  static constexpr int kPods = 3;
  static constexpr const char* kPool = R"({"cniVersion":"1.0.0","name":"pool","type":"sriov","pool":"pf0"})";

  static CniCall call_of(const Round& round, int pod) {
    CniCall made = call(fmt::format("pod-{}", pod));
    made.container_id += fmt::format("-{}", round.number);
    return made;
  }
  void ask_as_kubelet(Round& round) {
    for (const std::string& vf : vfs_) try {
        const std::string pod = fmt::format("by-kubelet-{}-{}", round.number, vf);
        kubelet_->allocate(kResource, {vf}, pod);
        round.add(vf, round.pods, pod);
      } catch (const Error&) {  // another was first
      }
  }
  void ask_by_claims(Round& round) {
    for (auto vf = vfs_.rbegin(); vf != vfs_.rend(); ++vf) {
      const std::string name = fmt::format("{}-{}", round.number, label(*vf));
      const TestClaim claim{.name = "c-" + name, .uid = "u-" + name, .devices = {{"main", label(*vf)}}};
      server_->put(claim.path(), claim.json());
      if (claims_->prepare({{"default", claim.uid, claim.name}}).at(claim.uid).error.empty())
        round.add(*vf, round.claims, name);
    }
  }
  void ask_by_pool(Round& round) {
    for (int pod = 0; pod < kPods; ++pod) {
      const CniCall made = call_of(round, pod);
      if (!runner_.add("sriov", kPool, made).ok()) continue;
      const auto record = state::Store("/run/barewire").find({"pool", made.container_id, "net1", "sriov"});
      round.add(std::string(record->data.at("device").as_string()), round.attached, made.container_id);
    }
  }
  void give_back(const Round& round) {
    for (const std::string& pod : round.pods) kubelet_->forget(pod);
    for (const std::string& name : round.claims) claims_->unprepare({{"default", "u-" + name, "c-" + name}});
    for (int pod = 0; pod < kPods; ++pod) EXPECT_TRUE(runner_.del("sriov", kPool, call_of(round, pod)).ok());
    EXPECT_TRUE(within(kLong, [] { return state::Allocations("/var/lib/cni/barewire/allocations").list().empty(); }));
  }
};

/// $BAREWIRE_RACES (7) VFs are wanted by all three at once, seven in each round.
TEST_F(RaceLab, DevicePluginClaimsAndPoolNeverGetTheSameVf) {
  start_daemon(R"(,"offer":"both")");
  ASSERT_TRUE(all_are("Healthy"));
  ASSERT_TRUE(within(kLong, [&] { return claims_->find_driver("v1"); }));
  const char* given = std::getenv("BAREWIRE_RACES");
  const int races = given != nullptr ? std::stoi(given) : kVfs;
  std::size_t by_kubelet = 0, by_claim = 0, by_pool = 0;
  for (int pod = 0; pod < kPods; ++pod) make_netns(fmt::format("pod-{}", pod));
  for (int race = 0; race < races && !HasFailure(); race += kVfs) {
    Round round{.number = race};
    std::thread first([&] { ask_as_kubelet(round); }), second([&] { ask_by_claims(round); });
    ask_by_pool(round);
    first.join();
    second.join();
    for (const auto& [vf, count] : round.got) EXPECT_EQ(count, 1) << vf << " in race " << race;
    EXPECT_FALSE(round.got.empty());
    by_kubelet += round.pods.size();
    by_claim += round.claims.size();
    by_pool += round.attached.size();
    give_back(round);
  }
  std::cout << fmt::format("{} races: {} by kubelet, {} by claims, {} by pool\n", races, by_kubelet, by_claim, by_pool);
}

}  // namespace
}  // namespace barewire::test
