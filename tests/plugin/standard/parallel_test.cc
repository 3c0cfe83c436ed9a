// SPDX-License-Identifier: Apache-2.0
/// Two hundred pods (fewer in a sample) on one bridge with masquerade and port maps, eight calls at a time: no error,
/// no address twice, nothing left.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

constexpr int kAtATime = 8;

class Parallel : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    for (const char* plugin : {"bridge", "portmap"}) runner_.install(plugin, built_program("barewire-cni"));
    for (int number = 0; number < pods_; ++number) make_netns(name(number));
    // What the first pod of all leaves for the others: the bridge, forwarding, empty tables.
    attach(kFirst);
    detach(kFirst);
  }
  static std::string name(int number) { return number == kFirst ? "pod1" : fmt::format("n{}", number); }
  static std::string bridge(const std::string& more = {}) {
    return R"({"cniVersion":"1.1.0","name":"many","type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,)"
           R"("ipam":{"type":"host-local","subnet":"10.31.0.0/16"})" +
           more + "}";
  }
  static std::string portmap(int number, const std::string& previous) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"many","type":"portmap","runtimeConfig":{{"portMappings":[)"
                       R"({{"hostPort":{},"containerPort":80,"protocol":"tcp"}}]}},"prevResult":{}}})",
                       20000 + number, previous);
  }
  std::string address_of(const PluginResult& result) const {
    return std::string(result.json.at("ips").at(0).at("address").as_string());
  }
  void attach(int number) {
    const PluginResult added = runner_.add("bridge", bridge(), pod(name(number)));
    ASSERT_TRUE(added.ok()) << number << added;
    const PluginResult mapped = runner_.add("portmap", portmap(number, added.out), pod(name(number)));
    ASSERT_TRUE(mapped.ok()) << number << mapped;
    const std::lock_guard hold(mutex_);
    results_[number] = added.out;
    addresses_.insert(address_of(added));
  }
  void detach(int number) {
    const PluginResult unmapped = runner_.del("portmap", portmap(number, results_[number]), pod(name(number)));
    EXPECT_TRUE(unmapped.ok()) << number << unmapped;
    const PluginResult gone = runner_.del("bridge", bridge(",\"prevResult\":" + results_[number]), pod(name(number)));
    EXPECT_TRUE(gone.ok()) << number << gone;
  }
  void for_each_pod(const std::function<void(int)>& work) {
    std::atomic<int> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kAtATime; ++i)
      threads.emplace_back([&] {
        for (int number = next++; number < pods_; number = next++) work(number);
      });
    for (std::thread& thread : threads) thread.join();
  }
  static std::size_t reservations() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/var/lib/cni/networks/many"))
      if (entry.path().filename().string().starts_with("10.")) ++count;
    return count;
  }

  static constexpr int kFirst = 200;
  const std::size_t stride_ = plan_sweep(1).stride;
  const int pods_ = stride_ == 1 ? 200 : stride_ <= 3 ? 64 : 24;
  std::mutex mutex_;
  std::map<int, std::string> results_;
  std::set<std::string> addresses_;
};

TEST_F(Parallel, ManyPodsComeAndGo) {
  const NodeSnapshot before = NodeSnapshot::take();
  addresses_.clear();
  for_each_pod([&](int number) { attach(number); });
  EXPECT_EQ(static_cast<std::size_t>(pods_), addresses_.size());
  EXPECT_EQ(static_cast<std::size_t>(pods_), reservations());
  EXPECT_TRUE(reaches("/run/netns/" + name(pods_ - 1), "10.31.0.1"));
  for_each_pod([&](int number) { detach(number); });
  EXPECT_EQ(0U, reservations());
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
