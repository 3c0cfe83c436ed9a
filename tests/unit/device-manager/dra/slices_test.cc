// SPDX-License-Identifier: Apache-2.0
#include "device-manager/dra/slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "device-manager/kubernetes/backoff.h"
#include "device-manager/kubernetes/cluster.h"

namespace barewire::dra {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using Kind = SliceWrite::Kind;

/// Four PFs with 127 VFs each, and an API server that keeps what is written.
class Slices : public ::testing::Test {
 protected:
  Slices() {
    for (int pf = 0; pf < 4; ++pf)
      for (int vf = 126; vf >= 0; --vf) offers_.push_back(offer(pf, vf));
  }
  static Offer offer(int pf, int vf) {
    Offer offer;
    offer.device.pf = fmt::format("0000:{:02x}:00.0", pf + 1);
    offer.device.id = fmt::format("0000:{:02x}:{:02x}.{}", pf + 1, (vf + 8) / 8, vf % 8);
    offer.device.number = vf;
    offer.device.driver = "mlx5_core";
    offer.device.numa_node = 1;
    offer.device.pcie_root = "pci0000:00";
    offer.device.pf_names = {fmt::format("ens{}f0", pf)};
    offer.resource = "example.com/fast";
    return offer;
  }
  std::vector<SliceWrite> sync(bool with_taints = true) {
    const auto writes =
        plan_writes(lay_out(offers_, facts_, identity_, {.taints = with_taints}), published_, identity_);
    for (const SliceWrite& write : writes) {
      if (write.kind == Kind::remove) {
        published_.erase(write.name);
        continue;
      }
      boost::json::object stored = write.body;
      stored["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
      published_[write.name] = parse_slice(stored, identity_);
    }
    return writes;
  }
  Offer& find(int pf, int vf) {
    const std::string id = offer(pf, vf).device.id;
    return *std::find_if(offers_.begin(), offers_.end(), [&](const Offer& each) { return each.device.id == id; });
  }
  void expect_sound() const {
    std::map<std::string, std::set<std::int64_t>> generations;
    std::map<std::string, std::int64_t> counts;
    for (const auto& [name, slice] : published_) {
      EXPECT_LE(slice.devices.size(), kMostTaintedDevices);
      EXPECT_LE(name.size(), 253U);
      generations[slice.pool].insert(slice.generation);
      ++counts[slice.pool];
    }
    for (const auto& [name, slice] : published_) EXPECT_EQ(slice.count, counts[slice.pool]);
    for (const auto& [pool, of_slices] : generations) EXPECT_THAT(of_slices, SizeIs(1)) << pool;
  }

  Identity identity_{.driver = "barewire.io", .node = "n1", .node_uid = "uid", .api_version = "v1"};
  std::map<std::string, NicFacts> facts_;
  std::vector<Offer> offers_;
  std::map<std::string, PublishedSlice> published_;
  int version_ = 0;
};

TEST_F(Slices, FiveHundredVfsLieInValidSlicesInTheOrderOfTheirNumbers) {
  EXPECT_THAT(sync(), SizeIs(8));
  expect_sound();
  const PublishedSlice& first = published_.at("n1-barewire.io-0000-01-00.0-0");
  EXPECT_EQ(first.pool, "n1/0000-01-00.0");
  EXPECT_EQ(first.devices[0].at("name"), "0000-01-01-0");
  EXPECT_EQ(first.devices[9].at("attributes").at("vf").at("int"), 9);
  EXPECT_THAT(sync(), IsEmpty());
}

TEST_F(Slices, OneVfThatIsBoundAnewIsOneWriteAndNoGeneration) {
  sync();
  const std::int64_t before = published_.begin()->second.generation;
  find(2, 77).device.driver = "vfio-pci";
  const auto writes = sync();
  ASSERT_THAT(writes, SizeIs(1));
  EXPECT_EQ(writes[0].kind, Kind::update);
  EXPECT_EQ(writes[0].name, "n1-barewire.io-0000-03-00.0-1");
  EXPECT_EQ(published_.at(writes[0].name).generation, before);
  EXPECT_EQ(writes[0].body.at("metadata").at("ownerReferences").at(0).at("uid"), "uid");
}

TEST_F(Slices, AVfMoreWritesTheSlicesOfItsPfAlone) {
  sync();
  offers_.push_back(offer(1, 127));
  offers_.push_back(offer(1, 128));
  const auto writes = sync();
  EXPECT_THAT(writes, SizeIs(3));
  for (const SliceWrite& write : writes) EXPECT_THAT(write.name, HasSubstr("0000-02-00.0"));
  expect_sound();
}

TEST_F(Slices, DevicesThatMoveBetweenSlicesRaiseTheGeneration) {
  sync();
  const std::int64_t before = published_.at("n1-barewire.io-0000-01-00.0-0").generation;
  std::erase_if(offers_, [](const Offer& each) { return each.device.id == offer(0, 3).device.id; });
  EXPECT_THAT(sync(), SizeIs(2));
  EXPECT_GT(published_.at("n1-barewire.io-0000-01-00.0-0").generation, before);
  expect_sound();
}

TEST_F(Slices, APfThatIsGoneTakesItsSlicesAlong) {
  sync();
  std::erase_if(offers_, [](const Offer& each) { return each.device.pf == "0000:04:00.0"; });
  const auto writes = sync();
  ASSERT_THAT(writes, SizeIs(2));
  EXPECT_EQ(writes[0].kind, Kind::remove);
  EXPECT_THAT(published_, SizeIs(6));
}

TEST_F(Slices, TroubleIsATaintOrWhereThereIsNoneTheDeviceIsLeftOut) {
  sync();
  find(0, 5).trouble = {Trouble::Kind::unhealthy, "its PF has no carrier"};
  EXPECT_THAT(sync(), SizeIs(1));
  const auto& device = published_.at("n1-barewire.io-0000-01-00.0-0").devices[5];
  EXPECT_EQ(device.at("taints").at(0).at("key"), "barewire.io/unhealthy");
  EXPECT_EQ(device.at("taints").at(0).at("effect"), "NoSchedule");
  published_.clear();
  EXPECT_THAT(sync(false), SizeIs(4));  // 128 fit then
  EXPECT_THAT(published_.at("n1-barewire.io-0000-01-00.0-0").devices, SizeIs(126));
}

TEST_F(Slices, TheOlderVersionIsReadBackAsTheSame) {
  identity_.api_version = "v1beta1";
  const auto writes = sync();
  EXPECT_TRUE(writes[0].body.at("spec").at("devices").at(0).as_object().contains("basic"));
  EXPECT_THAT(sync(), IsEmpty());
}

TEST_F(Slices, WhatTheServerAddsIsNoDifference) {
  find(0, 5).trouble = {Trouble::Kind::taken, "resource a/b promises it"};
  auto writes = plan_writes(lay_out(offers_, facts_, identity_, {}), {}, identity_);
  boost::json::object& stored = writes[0].body;
  auto& device = stored["spec"].as_object()["devices"].as_array()[5].as_object();
  device["taints"].as_array()[0].as_object()["timeAdded"] = "2026-01-01T00:00:00Z";
  device["bindsToNode"] = false;
  stored["metadata"].as_object()["resourceVersion"] = "7";
  const PublishedSlice read = parse_slice(stored, identity_);
  published_[read.name] = read;
  for (std::size_t i = 1; i < writes.size(); ++i) published_[writes[i].name] = parse_slice(writes[i].body, identity_);
  EXPECT_THAT(sync(), IsEmpty());
}

TEST_F(Slices, LongNodeNamesMakeNamesThatTheApiTakes) {
  identity_.node = std::string(240, 'n');
  sync();
  expect_sound();
  EXPECT_THAT(published_, SizeIs(8));
}

TEST_F(Slices, ABridgeIsOneDeviceThatManyClaimsShare) {
  Offer bridge{.resource = "example.com/lan-a", .ports = 70};
  bridge.device.type = inventory::DeviceType::bridge;
  bridge.device.id = "br0";
  Offer same = bridge, odd = bridge;
  same.resource = "example.com/lan-b";
  odd.resource = "example.com/Lan_a";
  offers_ = {bridge, same, odd};
  EXPECT_THAT(sync(), SizeIs(3)) << "a pool of the API each";
  EXPECT_THAT(sync(), IsEmpty()) << "what was written is read back";
  const PublishedSlice& slice = published_.at("n1-barewire.io-ovs-lan-a-0");
  EXPECT_EQ(slice.pool, "n1/ovs-lan-a");
  ASSERT_THAT(slice.devices, SizeIs(1));
  const auto& device = slice.devices[0].as_object();
  EXPECT_EQ(device.at("name"), "lan-a");
  EXPECT_EQ(device.at("allowMultipleAllocations"), true);
  EXPECT_EQ(device.at("capacity").at("ports").at("value"), "70");
  EXPECT_EQ(device.at("capacity").at("ports").at("requestPolicy").at("default"), "1");
  EXPECT_EQ(device.at("attributes").at("resource").at("string"), "example.com/lan-a");
  for (const auto& [id, value] : device.at("attributes").as_object())
    EXPECT_EQ(id.find("k8s.cni.cncf.io"), std::string_view::npos) << "for Multus it is no device";

  offers_[1].trouble = {Trouble::Kind::unhealthy, "no switch"};
  EXPECT_THAT(sync(), SizeIs(1));
  EXPECT_THAT(published_, SizeIs(2)) << "not there while the switch is not";
}

TEST_F(Slices, WhereNothingIsSharedEachPortIsADevice) {
  Offer bridge{.resource = "example.com/lan", .ports = 70};
  bridge.device.id = "br0";
  const auto pools = lay_out({bridge}, {}, identity_, {.sharing = false});
  ASSERT_THAT(pools, SizeIs(1));
  ASSERT_THAT(pools[0].slices, SizeIs(2));
  EXPECT_EQ(pools[0].slices[1].back().at("name"), "lan-69");
  EXPECT_FALSE(pools[0].slices[0][0].as_object().contains("allowMultipleAllocations"));
  EXPECT_EQ(parse_port_name("lan-a-69"), std::pair(std::string("lan-a"), 69));
  for (const char* none : {"lan", "lan-", "lan-x", "lan-1x", ""}) EXPECT_FALSE(parse_port_name(none)) << none;
}

TEST(Quantity, IsReadAndWrittenAsTheApiServerDoes) {
  EXPECT_EQ(quantity_of_mbps(25000), "25G");
  EXPECT_EQ(quantity_of_mbps(2500), "2500M");
  EXPECT_EQ(mbps_of_quantity("25G"), 25000U);
  EXPECT_EQ(mbps_of_quantity("1500000000"), 1500U);
  EXPECT_EQ(mbps_of_quantity("0.5G"), 500U);
  EXPECT_EQ(mbps_of_quantity("1"), 1U);
  for (const char* bad : {"", "x", "-1G", "1Q", "nan", "1e300G"}) EXPECT_EQ(mbps_of_quantity(bad), std::nullopt) << bad;
}

TEST(Backoff, DoublesUpToAMinuteAndForgets) {
  kubernetes::Backoff backoff;
  auto now = std::chrono::steady_clock::now();
  EXPECT_TRUE(backoff.is_due(now));
  for (int i = 0; i < 20; ++i) backoff.failed(now);
  EXPECT_EQ(backoff.left(now), std::chrono::minutes(1));
  backoff.succeeded();
  EXPECT_TRUE(backoff.is_due(now));
}

TEST(Kubeconfig, GivesServerAndUserOfTheCurrentContext) {
  const auto cluster = kubernetes::parse_kubeconfig(R"(apiVersion: v1
current-context: b
clusters:
- {name: one, cluster: {server: "https://one:6443"}}
- name: two
  cluster:
    server: https://two:6443/
    certificate-authority: pki/ca.crt
contexts:
- {name: a, context: {cluster: one, user: u}}
- {name: b, context: {cluster: two, user: u}}
users:
- name: u
  user: {client-certificate-data: aGVsbG8=, token: t}
)",
                                                    "/etc/k/config");
  EXPECT_EQ(cluster.url, "https://two:6443");
  EXPECT_EQ(cluster.ca_file, "/etc/k/pki/ca.crt");
  EXPECT_EQ(cluster.certificate, "hello");
  EXPECT_EQ(cluster.token, "t");
}

TEST(Kubeconfig, ThatCannotBeUsedIsRefusedByName) {
  const auto refusal = [](const std::string& bytes) -> std::string {
    try {
      kubernetes::parse_kubeconfig(bytes, "/k");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal("a: ["), HasSubstr("kubeconfig /k"));
  EXPECT_THAT(refusal("{}"), HasSubstr("current-context"));
  EXPECT_THAT(refusal(R"({"current-context":"x","contexts":[]})"), HasSubstr("\"contexts\" has no entry \"x\""));
  EXPECT_THAT(refusal(R"({"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],
    "clusters":[{"name":"c","cluster":{"server":"https://h"}}],"users":[{"name":"u","user":{"exec":{}}}]})"),
              HasSubstr("\"exec\" is not supported"));
}

}  // namespace
}  // namespace barewire::dra
