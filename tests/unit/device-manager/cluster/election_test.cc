// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cluster/election.h"

#include <gtest/gtest.h>

#include "device-manager/cluster/objects.h"
#include "tests/unit/device-manager/cluster/fake_api.h"

namespace barewire::cluster {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPath = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/lead";

class ElectionTest : public ::testing::Test {
 protected:
  Election one(const std::string& identity) { return {api_, "ns", "lead", identity, 15s}; }
  std::string holder() { return text_at(api_.objects.at(kPath), {"spec", "holderIdentity"}); }

  test::FakeApi api_;
  Election::Time now_{std::chrono::hours(1)};
};

TEST_F(ElectionTest, OneOfTwoLeadsAndRenews) {
  Election a = one("a"), b = one("b");
  a.run(now_), b.run(now_);
  EXPECT_TRUE(a.is_leader(now_));
  EXPECT_FALSE(b.is_leader(now_));
  for (int i = 0; i < 20; ++i) {
    now_ += 5s;
    a.run(now_), b.run(now_);
  }
  EXPECT_TRUE(a.is_leader(now_));
  EXPECT_FALSE(b.is_leader(now_));
  EXPECT_EQ(holder(), "a");
}

TEST_F(ElectionTest, AHolderThatIsGoneIsFollowedAfterItsTimeOnTheClockOfWhoWaits) {
  Election a = one("a"), b = one("b");
  a.run(now_);
  // Whatever the holder's clock said: what counts is how long nothing changed.
  api_.objects.at(kPath)["spec"].as_object()["renewTime"] = "1999-01-01T00:00:00.000000Z";
  b.run(now_);
  b.run(now_ + 14s);
  EXPECT_FALSE(b.is_leader(now_ + 14s));
  b.run(now_ + 15s);
  EXPECT_TRUE(b.is_leader(now_ + 15s));
  EXPECT_EQ(holder(), "b");
  EXPECT_FALSE(a.is_leader(now_ + 10s)) << "it stops before others may take over";
  a.run(now_ + 16s);
  EXPECT_FALSE(a.is_leader(now_ + 16s));
}

TEST_F(ElectionTest, WhoCannotRenewStopsInTime) {
  Election a = one("a");
  a.run(now_);
  api_.status = 500;
  EXPECT_THROW(a.run(now_ + 6s), kubernetes::ApiRefusal);
  EXPECT_TRUE(a.is_leader(now_ + 6s));
  EXPECT_FALSE(a.is_leader(now_ + 10s));
}

TEST_F(ElectionTest, WhatIsGivenUpIsTakenAtOnce) {
  Election a = one("a"), b = one("b");
  a.run(now_), b.run(now_);
  a.give_up();
  EXPECT_FALSE(a.is_leader(now_));
  b.run(now_ + 1s);
  EXPECT_TRUE(b.is_leader(now_ + 1s));
  a.give_up();
  EXPECT_EQ(holder(), "b");
}

}  // namespace
}  // namespace barewire::cluster
