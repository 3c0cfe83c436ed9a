// SPDX-License-Identifier: Apache-2.0
/// What flows between two pods over VFs that kubelet gave them is what metrics, page and `barewire list` say, with the
/// pods' names. igb counts no VF on its PF.
#include "core/fd.h"
#include "tests/lab/device-manager/admin_lab.h"
#include "tests/support/kubelet.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr int kPackets = 200;
constexpr double kSent = kPackets * 1442.0;  // 1400 bytes in ICMP, IPv4 and Ethernet; both ways
constexpr int kPort = 9808;
constexpr std::chrono::seconds kLong{60};
constexpr const char* kResource = "example.com/fast";

/// By three ways, of the VF `address`.
struct Counted {
  double scraped = -1;
  double on_page = -1;
  double listed = -1;
};

class TrafficLab : public AdminLab {
 protected:
  void SetUp() override {
    write_text("/run/pools.json", R"({"prefix":"example.com","pools":{"fast":{"vfs":"0000:01:00.0"}}})");
    kubelet_.emplace(directory_ / "kubelet", true);
    kubelet_->start();
    daemon_.emplace(command_of(built_program("barewired"),
                               {"--own-pid-namespace", "--interval", "600", "--kubelet", directory_ / "kubelet",
                                "--pools", "/run/pools.json", "--metrics-listen", fmt::format("127.0.0.1:{}", kPort)}));
    ASSERT_TRUE(within(kLong, [] { return get("/healthz").find("200 OK") != std::string::npos; }));
    ASSERT_TRUE(within(kLong, [&] {
      kubelet_->look_for_plugins();
      return kubelet_->devices(kResource).contains(address_of(1));
    }));
  }
  void TearDown() override {
    if (!daemon_) return;
    daemon_->signal(SIGTERM);
    const CommandResult ended = daemon_->wait(kLong);
    if (HasFailure()) std::cerr << ended.err;
  }
  /// As kubelet and Multus do it: the device plugin gives the VF, its address is the plugin's deviceID.
  void run_pod(const std::string& name, int id, const std::string& address) {
    const Allocated given = kubelet_->allocate(kResource, {address_of(id)}, name);
    ASSERT_EQ(given.environment.at("PCIDEVICE_EXAMPLE_COM_FAST"), address_of(id));
    attach_with_address(name, id, address);
  }
  void attach_with_address(const std::string& name, int id, const std::string& address) {
    attach(name, id, 0);
    must_run_in("/run/netns/" + name, "ip addr add " + address + "/24 dev net1");
  }
  static std::string get(const std::string& path) {
    const std::string script = fmt::format(
        "exec 3<>/dev/tcp/127.0.0.1/{0} && printf 'GET {1} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: "
        "close\\r\\n\\r\\n' >&3 "
        "&& cat <&3",
        kPort, path);
    return run(command_of("bash", {"-c", script})).out;
  }
  static Counted count(const std::string& address);

  TempDir directory_;
  std::optional<TestKubelet> kubelet_;
  std::optional<ChildProcess> daemon_;
};

/// The value of the line of `page` that begins with `name` and names the device.
double metric(const std::string& page, const std::string& name, const std::string& address) {
  for (std::size_t at = 0; (at = page.find("\n" + name + "{", at)) != std::string::npos; ++at) {
    const std::string line = page.substr(at + 1, page.find('\n', at + 1) - at - 1);
    if (line.find("pciAddr=\"" + address + "\"") != std::string::npos) return std::stod(line.substr(line.rfind(' ')));
  }
  return -1;
}

double number(const boost::json::value& value) {
  return value.is_number() ? value.to_number<double>() : -1;
}

Counted TrafficLab::count(const std::string& address) {
  Counted counted;
  counted.scraped = metric(get("/metrics"), "sriov_vf_tx_bytes", address);
  const std::string page = get("/node.json");
  const auto json = boost::json::parse(page.substr(page.find("\r\n\r\n{") + 4));
  counted.on_page = number(json.at("traffic").at(address).at("txBytes"));
  const auto list = barewire_json({"list", "--pf", kPf});
  for (const auto& vf : list.at("pfs").at(0).at("vfs").as_array())
    if (vf.at("pci") == boost::json::value(address)) counted.listed = number(vf.at("txBytes"));
  return counted;
}

TEST_F(TrafficLab, IsCountedAsSent) {
  run_pod("web-0", 0, "10.1.1.1");
  run_pod("web-1", 1, "10.1.1.2");
  must_run_in("/run/netns/web-0", "for i in $(seq 30); do ping -c1 -W1 -n 10.1.1.2 && exit 0; done; exit 1");
  const std::string address = address_of(0);
  const Counted before = count(address);
  must_run_in("/run/netns/web-0", fmt::format("ping -q -c{} -i0.01 -s1400 -W5 -n 10.1.1.2", kPackets));
  // The driver reads the NIC's counters every two seconds.
  Counted after;
  within(kLong, [&] {
    after = count(address);
    return after.listed - before.listed >= kSent && after.on_page - before.on_page >= kSent;
  });
  EXPECT_NEAR(after.scraped - before.scraped, kSent, kSent * 0.02);
  EXPECT_NEAR(after.on_page - before.on_page, kSent, kSent * 0.02);
  EXPECT_NEAR(after.listed - before.listed, kSent, kSent * 0.02);
  std::cout << "sent " << kSent << ", scraped " << after.scraped - before.scraped << ", page "
            << after.on_page - before.on_page << ", list " << after.listed - before.listed << "\n";
  const std::string wide = barewire({"list", "-o", "wide"}).out;
  EXPECT_THAT(wide, HasSubstr("TX BYTES"));
  EXPECT_THAT(wide, HasSubstr("default/web-0"));
  EXPECT_THAT(get("/metrics"), HasSubstr("barewire_device_attachment{pciAddr=\"" + address +
                                         "\",namespace=\"default\",pod=\"web-0\",network=\"vlan0\""));
  EXPECT_THAT(get("/node.json"), HasSubstr("default/web-0"));
  // Pod and container as pod-resources has them: kubelet is asked after it has answered the allocation.
  EXPECT_TRUE(within(kLong, [&] {
    return get("/metrics")
               .find("sriov_kubepoddevice{pciAddr=\"" + address +
                     "\",dev_type=\"example.com/fast\",pod=\"web-0\",namespace=\"default\",container=\"main\"} 1") !=
           std::string::npos;
  })) << get("/metrics");
}

}  // namespace
}  // namespace barewire::test
