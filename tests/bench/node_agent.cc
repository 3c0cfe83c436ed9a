// SPDX-License-Identifier: Apache-2.0
/// What the node daemon takes on a large node, printed as it is found: four PFs with 127 VFs each in a fake sysfs,
/// offered to a kubelet and an API server of the tests' own. It fails where a bound is passed. BAREWIRE_BIN_DIR says
/// whose daemon (the release tree's); docs/kubernetes.md has the figures. $BAREWIRE_IDLE_SECONDS (60) is how long it is
/// left alone.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "tests/plugin/device-manager/claim_fixture.h"
#include "tests/support/dra_kubelet.h"

namespace barewire::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLong{60};
constexpr int kPfs = 4, kVfs = 127;
constexpr const char* kSlices = "/apis/resource.k8s.io/v1/resourceslices";

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// Of `key` in a file of /proc: kB, or a count.
long number_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key + ":")) return std::stol(line.substr(key.size() + 1));
  return 0;
}

double mebibytes(long kilobytes) {
  return static_cast<double>(kilobytes) / 1024;
}

class NodeAgent : public AdminTest {
 protected:
  static std::string pf(int p) { return fmt::format("0000:{:02x}:00.0", p + 1); }
  static std::string vf(int p, int v) { return fmt::format("0000:{:02x}:{:02x}.{}", p + 1, 1 + v / 8, v % 8); }
  static std::string name_of(const std::string& address) {
    std::string name = address;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == ':' || c == '.'; }, '-');
    return name;
  }
  void SetUp() override {
    AdminTest::SetUp();
    if (IsSkipped()) return;
    make_private_directory("/var/run/cdi");
    std::string pools;
    for (int p = 0; p < kPfs; ++p) {
      sysfs_.add({.address = pf(p), .driver = "mlx5_core", .netdev = "", .total_vfs = kVfs, .numa_node = p / 2});
      // 01.0 is 8 functions behind 00.0.
      sysfs_.tree().write("bus/pci/devices/" + pf(p) + "/sriov_offset", "8\n");
      sysfs_.tree().write("bus/pci/devices/" + pf(p) + "/sriov_stride", "1\n");
      for (int v = 0; v < kVfs; ++v) {
        sysfs_.add(
            {.address = vf(p, v), .driver = "vfio-pci", .netdev = "", .iommu_group = fmt::format("{}", 200 * p + v)});
        sysfs_.join(pf(p), v, vf(p, v));
      }
      pools += fmt::format(R"({}"p{}":{{"vfs":"{}","driver":"vfio-pci","offer":"both"}})", p == 0 ? "" : ",", p, pf(p));
    }
    must_run("mount --bind " + sysfs_.root() + " /sys");
    write_text("/run/pools.json", R"({"prefix":"example.com","pools":{)" + pools + "}}");
    server_.emplace();
    server_->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
    server_->write_kubeconfig("/run/kubeconfig");
    kubelet_.emplace(directory_ / "kubelet");
    daemon_.emplace(command_of(built_program("barewired"),
                               {"--own-pid-namespace", "--kubelet", directory_ / "kubelet", "--pools",
                                "/run/pools.json", "--kubeconfig", "/run/kubeconfig", "--node-name", "n1"}));
  }
  void TearDown() override {
    daemon_.reset();
    ::umount2("/sys", MNT_DETACH);
  }
  /// Devices there are in slices; a slice that the API would not take, or of another generation than its pool's, counts
  /// as a failure.
  std::size_t published() {
    std::size_t count = 0;
    for (const auto& slice : server_->list(kSlices)) {
      const auto& devices = slice.at("spec").at("devices").as_array();
      bool tainted = false;
      for (const auto& each : devices) tainted |= each.as_object().contains("taints");
      EXPECT_LE(devices.size(), tainted ? 64U : 128U);
      count += devices.size();
    }
    return count;
  }
  std::string proc(const std::string& file) const { return fmt::format("/proc/{}/{}", daemon_->pid(), file); }
  std::map<std::string, long> switches() const {
    std::map<std::string, long> counts;
    for (const auto& task : std::filesystem::directory_iterator(proc("task"))) {
      std::ifstream comm(task.path() / "comm");
      std::string name;
      std::getline(comm, name);
      counts[task.path().filename().string() + " " + name] =
          number_in(task.path() / "status", "voluntary_ctxt_switches");
    }
    return counts;
  }

  FakeSysfs sysfs_;
  TempDir directory_;
  std::optional<TestApiServer> server_;
  std::optional<TestDraKubelet> kubelet_;
  std::optional<ChildProcess> daemon_;
};

TEST_F(NodeAgent, OfFourPfsWith127VfsEach) {
  const auto begun = Clock::now();
  ASSERT_TRUE(within(kLong, [&] { return published() == std::size_t{kPfs} * kVfs; }));
  std::cout << fmt::format("published {} devices in {} slices after {:.0f} ms\n", published(),
                           server_->list(kSlices).size(), milliseconds(Clock::now() - begun));
  ASSERT_TRUE(within(kLong, [&] { return kubelet_->find_driver("v1"); }));

  // One VF bound to another driver: the kernel would tell of it; here a link that comes and goes does.
  std::this_thread::sleep_for(std::chrono::seconds(5));
  server_->take_log();
  sysfs_.tree().link("bus/pci/devices/" + vf(2, 100) + "/driver", "../../../../bus/pci/drivers/mlx5_core");
  const auto bound = Clock::now();
  must_run("ip link add wake type veth peer name wake1; ip link del wake");
  std::vector<std::string> writes;
  ASSERT_TRUE(within(kLong, [&] { return !(writes = server_->take_writes()).empty(); }));
  const double told = milliseconds(Clock::now() - bound);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const auto more = server_->take_writes();
  std::cout << fmt::format("one VF re-bound: {} slice written after {:.0f} ms\n", writes.size() + more.size(), told);
  EXPECT_EQ(writes.size() + more.size(), 1U);
  EXPECT_LE(told, 1000);

  std::vector<double> took;
  for (int i = 0; i < 30; ++i) {
    const TestClaim claim{.name = fmt::format("c{}", i),
                          .uid = fmt::format("uid-{}", i),
                          .devices = {{"main", name_of(vf(0, i))}},
                          .pool = "n1/" + name_of(pf(0)).replace(10, 1, ".")};
    server_->put(claim.path(), claim.json());
    const auto asked = Clock::now();
    const auto answer = kubelet_->prepare({{"default", claim.uid, claim.name}});
    took.push_back(milliseconds(Clock::now() - asked));
    ASSERT_EQ(answer.at(claim.uid).error, "");
  }
  std::sort(took.begin(), took.end());
  std::cout << fmt::format("Prepare of one VF, {} times: median {:.1f} ms, longest {:.1f} ms\n", took.size(),
                           took[took.size() / 2], took.back());
  EXPECT_LE(took[took.size() / 2], 5);
}

TEST_F(NodeAgent, LeftAlone) {
  ASSERT_TRUE(within(kLong, [&] { return published() == std::size_t{kPfs} * kVfs; }));
  std::this_thread::sleep_for(std::chrono::seconds(15));
  const char* given = std::getenv("BAREWIRE_IDLE_SECONDS");
  const std::chrono::seconds idle(given != nullptr ? std::stol(given) : 60);
  const long early = number_in(proc("status"), "VmRSS");
  const auto before = switches();
  std::this_thread::sleep_for(idle);
  const auto after = switches();
  const long late = number_in(proc("status"), "VmRSS");
  std::cout << fmt::format("resident after 15 s {:.1f} MiB, after {} s more {:.1f} MiB, of these its own {:.1f} MiB\n",
                           mebibytes(early), idle.count(), mebibytes(late),
                           mebibytes(number_in(proc("status"), "RssAnon")));
  EXPECT_LE(late, 40 * 1024);
  long all = 0;
  for (const auto& [thread, count] : after) {
    const auto found = before.find(thread);
    const long woken = count - (found == before.end() ? 0 : found->second);
    all += woken;
    if (woken > 0) std::cout << fmt::format("  woken {} times: {}\n", woken, thread);
  }
  std::cout << fmt::format("woken {} times in {} s\n", all, idle.count());
}

}  // namespace
}  // namespace barewire::test
