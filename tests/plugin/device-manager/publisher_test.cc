// SPDX-License-Identifier: Apache-2.0
/// ResourceSlices through a real HTTP server, which does all that an API server may do to a client.
#include "device-manager/dra/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "device-manager/dra/scan.h"
#include "tests/support/api_server.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/netns_fixture.h"

namespace barewire::dra {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

constexpr const char* kSlices = "/apis/resource.k8s.io/v1/resourceslices";

class PublisherTest : public test::NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    server_.emplace();
    server_->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
    connect(server_->cluster());
    for (int vf = 0; vf < 3; ++vf) offers_.push_back(offer(vf));
  }
  void connect(const kubernetes::Cluster& cluster) {
    publisher_.reset();
    client_.emplace(cluster, 1s);
    publisher_.emplace(*client_, "barewire.io", "n1");
  }
  static Offer offer(int vf, const std::string& pf = "0000:01:00.0") {
    Offer offer;
    offer.device.pf = pf;
    offer.device.id = fmt::format("{}10.{}", pf.substr(0, 8), vf);
    offer.device.number = vf;
    offer.device.driver = "igbvf";
    return offer;
  }
  bool sync() {
    publisher_->offer(offers_, {});
    now_ += 2min;  // any back-off is over
    return publisher_->sync(now_);
  }
  std::string failure() {
    try {
      sync();
    } catch (const Error& error) {
      return std::string(error.what()) + error.hint();
    }
    return "";
  }

  std::optional<test::TestApiServer> server_;
  std::optional<kubernetes::ApiClient> client_;
  std::optional<Publisher> publisher_;
  std::vector<Offer> offers_;
  kubernetes::Backoff::Time now_ = std::chrono::steady_clock::now();
};

TEST_F(PublisherTest, SlicesAreMadeAndOnlyWhatDiffersIsWritten) {
  ASSERT_TRUE(sync());
  ASSERT_THAT(server_->list(kSlices), SizeIs(1));
  EXPECT_EQ(server_->list(kSlices)[0].at("metadata").at("ownerReferences").at(0).at("uid"), "node-uid");
  server_->take_log();
  EXPECT_TRUE(sync());
  EXPECT_THAT(server_->take_log(), IsEmpty());
  offers_[1].device.driver = "vfio-pci";
  offers_.push_back(offer(0, "0000:02:00.0"));
  EXPECT_TRUE(sync());
  EXPECT_THAT(server_->take_writes(), ElementsAre(fmt::format("PUT {}/n1-barewire.io-0000-01-00.0-0", kSlices),
                                                  fmt::format("POST {}", kSlices)));
}

TEST_F(PublisherTest, ADaemonThatStartsAnewWritesNothingThatIsThere) {
  ASSERT_TRUE(sync());
  server_->set(R"({"page":1})");
  offers_.push_back(offer(0, "0000:02:00.0"));
  offers_.push_back(offer(0, "0000:03:00.0"));
  ASSERT_TRUE(sync());
  server_->take_log();
  connect(server_->cluster());
  EXPECT_TRUE(sync());
  EXPECT_THAT(server_->take_writes(), IsEmpty());
}

TEST_F(PublisherTest, SlicesOfAnotherNodeOrDriverAreLeftAlone) {
  server_->put(std::string(kSlices) + "/other",
               R"({"metadata":{"name":"other"},"spec":{"driver":"x.io","nodeName":"n1","pool":{"name":"p"}}})");
  server_->put(std::string(kSlices) + "/far",
               R"({"metadata":{"name":"far"},"spec":{"driver":"barewire.io","nodeName":"n2","pool":{"name":"p"}}})");
  ASSERT_TRUE(sync());
  EXPECT_THAT(server_->list(kSlices), SizeIs(3));
}

TEST_F(PublisherTest, WhatKubeletWipedIsThereAgain) {
  ASSERT_TRUE(sync());
  server_->remove(std::string(kSlices) + "/n1-barewire.io-0000-01-00.0-0");
  publisher_->forget();
  EXPECT_TRUE(sync());
  EXPECT_THAT(server_->list(kSlices), SizeIs(1));
}

TEST_F(PublisherTest, AConflictIsReadAgainAndSettled) {
  ASSERT_TRUE(sync());
  const std::string path = std::string(kSlices) + "/n1-barewire.io-0000-01-00.0-0";
  server_->put(path, boost::json::serialize(*server_->find(path)));  // another resourceVersion
  offers_[0].device.driver = "vfio-pci";
  EXPECT_THAT(failure(), HasSubstr("was answered 409"));
  EXPECT_FALSE(publisher_->sync(now_)) << "not before the back-off is over";
  EXPECT_TRUE(sync());
  EXPECT_EQ(server_->find(path)->at("spec").at("devices").at(0).at("attributes").at("driver").at("string"), "vfio-pci");
}

TEST_F(PublisherTest, RefusalsAreToldWithWhatToDoAndEndByThemselves) {
  for (const int status : {401, 403, 404, 409, 410, 429, 500, 503}) {
    server_->answer(fmt::format(R"([{{"method":"POST","prefix":"/apis/","status":{},"times":1}}])", status));
    EXPECT_THAT(failure(), HasSubstr(fmt::format("was answered {}: as the test asked for", status)));
    EXPECT_GT(publisher_->until_due(now_), 0ms);
    EXPECT_TRUE(sync()) << status;
    server_->remove(std::string(kSlices) + "/n1-barewire.io-0000-01-00.0-0");
    publisher_->forget();
  }
}

TEST_F(PublisherTest, AServerThatHangsOrTalksNonsenseIsLeftAloneForAWhile) {
  server_->answer(R"([{"prefix":"/apis/","hang":3,"times":1}])");
  EXPECT_THAT(failure(), HasSubstr("imed out"));
  server_->answer(R"([{"prefix":"/apis/","body":"<html>","times":1}])");
  EXPECT_THAT(failure(), HasSubstr("is not valid JSON"));
  server_->answer(R"([{"prefix":"/apis/","body":"[]","times":1}])");
  EXPECT_NE(failure(), "");
  server_->answer(
      R"([{"method":"GET","prefix":"/apis/resource.k8s.io/v1/","body":"{\"items\":[{\"spec\":7}]}","times":1}])");
  EXPECT_NE(failure(), "");
  server_->answer(R"([{"method":"POST","prefix":"/apis/","status":201,"times":1,
    "body":"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"pool\":{\"name\":\"p\"}}}"}])");
  EXPECT_THAT(failure(), HasSubstr("no resourceVersion"));
  EXPECT_TRUE(sync());
}

TEST_F(PublisherTest, AServerWithoutTaintsIsToldOfHealthyDevicesAlone) {
  server_->set(R"({"drop":["taints"]})");
  offers_[1].trouble = {Trouble::Kind::unhealthy, "gone"};
  ASSERT_TRUE(sync());
  EXPECT_THAT(server_->list(kSlices)[0].at("spec").at("devices").as_array(), SizeIs(2));
  server_->take_log();
  EXPECT_TRUE(sync());
  EXPECT_THAT(server_->take_log(), IsEmpty());
}

TEST_F(PublisherTest, AServerWithoutSharedDevicesIsToldOfEachPort) {
  Offer bridge{.resource = "example.com/lan", .ports = 3};
  bridge.device.type = inventory::DeviceType::bridge;
  bridge.device.id = "br0";
  offers_ = {bridge};
  ASSERT_TRUE(sync());
  const auto devices = [&] { return server_->list(kSlices).at(0).at("spec").at("devices").as_array(); };
  EXPECT_THAT(devices(), SizeIs(1));
  server_->set(R"({"drop":["allowMultipleAllocations","requestPolicy"]})");
  publisher_->forget();
  server_->remove(std::string(kSlices) + "/n1-barewire.io-ovs-lan-0");
  ASSERT_TRUE(sync());
  ASSERT_THAT(devices(), SizeIs(3));
  EXPECT_EQ(devices()[2].at("name"), "lan-2");
  server_->take_log();
  EXPECT_TRUE(sync());
  EXPECT_THAT(server_->take_log(), IsEmpty());
}

TEST_F(PublisherTest, TheVersionIsTheNewestThatBothKnow) {
  server_->set(R"({"versions":["v1beta1","v1alpha3"]})");
  ASSERT_TRUE(sync());
  EXPECT_EQ(publisher_->api_version(), "v1beta1");
  EXPECT_THAT(server_->list(kSlices), SizeIs(1));
  server_->set(R"({"versions":["v1alpha3"]})");
  connect(server_->cluster());
  EXPECT_THAT(failure(), HasSubstr("neither v1 nor v1beta1"));
}

TEST_F(PublisherTest, FiveHundredVfsOfANodeLieInValidSlicesAndOneThatIsBoundAnewIsOneWrite) {
  test::FakeSysfs sysfs;
  const auto address = [](int pf, int vf) { return fmt::format("0000:{:02x}:{:02x}.{}", pf, 1 + vf / 8, vf % 8); };
  for (int pf = 1; pf <= 4; ++pf) {
    const std::string name = fmt::format("0000:{:02x}:00.0", pf);
    sysfs.add({.address = name, .driver = "mlx5_core", .netdev = "", .total_vfs = 127});
    for (int vf = 0; vf < 127; ++vf) {
      sysfs.add({.address = address(pf, vf), .driver = "vfio-pci", .netdev = ""});
      sysfs.join(name, vf, address(pf, vf));
    }
  }
  test::TempDir directory;
  Node node;
  node.sysfs = sysfs.root();
  node.run_dir = directory / "run";
  node.cni_state_dir = directory / "cni";
  const auto pools = inventory::parse_pools(
      R"({"pools":{"dpdk":{"vfs":["0000:01:00.0","0000:02:00.0","0000:03:00.0","0000:04:00.0"],
                           "driver":"vfio-pci","offer":"claims"}}})",
      "pools", "example.com");
  inventory::Watches watches;
  offers_ = scan(node, pools.pools, {}, watches, now_).offers;
  ASSERT_THAT(offers_, SizeIs(508));
  ASSERT_TRUE(sync());
  std::size_t count = 0;
  for (const auto& slice : server_->list(kSlices)) count += slice.at("spec").at("devices").as_array().size();
  EXPECT_EQ(count, 508U);
  server_->take_log();
  sysfs.tree().link("bus/pci/devices/" + address(3, 77) + "/driver", "../../../../bus/pci/drivers/mlx5_core");
  offers_ = scan(node, pools.pools, {}, watches, now_).offers;
  ASSERT_TRUE(sync());
  EXPECT_THAT(server_->take_log(), ElementsAre(fmt::format("PUT {}/n1-barewire.io-0000-03-00.0-1", kSlices)));
}

TEST_F(PublisherTest, TheTokenIsReadAgainForEveryRequest) {
  test::TempDir directory;
  server_->set(R"({"token":"two"})");
  kubernetes::Cluster cluster = server_->cluster();
  cluster.token_file = directory / "token";
  connect(cluster);
  EXPECT_THAT(failure(), HasSubstr("there is no token"));
  test::write_text(directory / "token", "one\n");
  EXPECT_THAT(failure(), HasSubstr("401"));
  test::write_text(directory / "token", "two\n");
  EXPECT_TRUE(sync());
}

TEST_F(PublisherTest, TheServersCertificateIsHeldAgainstTheCa) {
  test::TempDir directory;
  const std::string certificate = directory / "tls.crt", key = directory / "tls.key";
  test::must_run(
      fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                  "-subj /CN=k8s -addext subjectAltName=IP:127.0.0.1 -out {} -keyout {} 2>&1",
                  certificate, key));
  server_.emplace(certificate, key);
  server_->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
  kubernetes::Cluster cluster = server_->cluster();
  connect(cluster);
  EXPECT_THAT(failure(), HasSubstr("certificate"));
  cluster.ca_file = certificate;
  connect(cluster);
  EXPECT_TRUE(sync());
  cluster.ca_file.clear();
  cluster.ca = *read_file(certificate);
  connect(cluster);
  EXPECT_TRUE(sync());
}

}  // namespace
}  // namespace barewire::dra
