// SPDX-License-Identifier: Apache-2.0
#include "ipam/host_local/reservation_index.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/support/process.h"

namespace barewire::ipam::host_local {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
constexpr Seal kSeal{1, 2, 3, 4};

class Index : public ::testing::Test {
 protected:
  std::string path() const { return dir_ / "x.index"; }
  test::TempDir dir_;
};

TEST_F(Index, FindsWhatItWasBuiltFromAfterBeingOpenedAgain) {
  {
    auto index = ReservationIndex::build(path(), {{ip("10.0.0.2"), "a\r\neth0"}, {ip("2001:db8::2"), "a\r\neth0"}});
    index.seal(kSeal);
  }
  const auto index = ReservationIndex::open(path(), kSeal);
  ASSERT_TRUE(index);
  EXPECT_THAT(index->find("a\r\neth0"), UnorderedElementsAre(ip("10.0.0.2"), ip("2001:db8::2")));
  EXPECT_THAT(index->find("a\r\neth1"), IsEmpty());
  EXPECT_EQ(index->size(), 2U);
}

/// Says that nearly all slots are free while none is: what a crash of the machine can leave.
void occupy_every_slot(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  constexpr std::streamoff kHeader = 56, kSlot = 24;
  const auto slots = (static_cast<std::streamoff>(fs::file_size(path)) - kHeader) / kSlot;
  const std::uint64_t owner = 0x1234567;
  for (std::streamoff i = 0; i < slots; ++i) {
    file.seekp(kHeader + i * kSlot);
    file.write(reinterpret_cast<const char*>(&owner), sizeof owner);
  }
}

TEST_F(Index, ThatHasNoFreeSlotIsDamagedAndNeverLoops) {
  ReservationIndex::build(path(), {{ip("10.0.0.2"), "a\r\neth0"}}).seal(kSeal);
  occupy_every_slot(path());
  auto index = ReservationIndex::open(path(), kSeal);
  ASSERT_TRUE(index);
  EXPECT_THROW(index->find("b\r\neth0"), DamagedIndex);
  EXPECT_THROW(index->add(ip("10.0.0.3"), "b\r\neth0"), DamagedIndex);
  EXPECT_THROW(index->remove(ip("10.0.0.2"), "b\r\neth0"), DamagedIndex);
}

TEST_F(Index, IsRefusedForAnyOtherSeal) {
  ReservationIndex::build(path(), {}).seal(kSeal);
  EXPECT_TRUE(ReservationIndex::open(path(), kSeal));
  for (const Seal& other : {Seal{9, 2, 3, 4}, Seal{1, 9, 3, 4}, Seal{1, 2, 9, 4}, Seal{1, 2, 3, 9}})
    EXPECT_FALSE(ReservationIndex::open(path(), other));
}

TEST_F(Index, IsRefusedBeforeItIsSealed) {
  ReservationIndex::build(path(), {});
  EXPECT_FALSE(ReservationIndex::open(path(), kSeal));
}

TEST_F(Index, IsRefusedWhenAbsentCutOrForeign) {
  EXPECT_FALSE(ReservationIndex::open(path(), kSeal));
  ReservationIndex::build(path(), {}).seal(kSeal);
  fs::resize_file(path(), fs::file_size(path()) - 1);
  EXPECT_FALSE(ReservationIndex::open(path(), kSeal));
  test::write_text(path(), std::string(100'000, 'x'));
  EXPECT_FALSE(ReservationIndex::open(path(), kSeal));
  test::write_text(path(), "");
  EXPECT_FALSE(ReservationIndex::open(path(), kSeal));
}

TEST_F(Index, LivesInMemoryWhereNoFileCanBeMade) {
  auto index = ReservationIndex::build("/proc/nonexistent/directory/x.index", {{ip("10.0.0.2"), "a"}});
  index.add(ip("10.0.0.3"), "b");
  EXPECT_THAT(index.find("b"), ElementsAre(ip("10.0.0.3")));
}

TEST_F(Index, RemovesOneAddressAndKeepsTheOwnersOthers) {
  auto index = ReservationIndex::build(path(), {{ip("10.0.0.2"), "a"}, {ip("10.0.0.3"), "a"}});
  index.remove(ip("10.0.0.2"), "a");
  index.remove(ip("10.0.0.9"), "a");
  index.remove(ip("10.0.0.3"), "b");
  EXPECT_THAT(index.find("a"), ElementsAre(ip("10.0.0.3")));
}

TEST_F(Index, AgreesWithAMapThroughManyAdditionsAndRemovals) {
  auto index = ReservationIndex::build(path(), {});
  std::multimap<std::string, IpAddress> expected;
  std::mt19937 random(1);
  IpAddress next = ip("10.0.0.1");
  for (int step = 0; step < 20'000; ++step, next = next.next()) {
    if (expected.empty() || random() % 5 < 3) {
      const std::string owner = fmt::format("pod{}\r\neth0", random() % 3000);
      index.add(next, owner);
      expected.emplace(owner, next);
    } else {
      const auto gone =
          std::next(expected.begin(), static_cast<long>(random() % std::min<std::size_t>(expected.size(), 50)));
      index.remove(gone->second, gone->first);
      expected.erase(gone);
    }
  }
  EXPECT_EQ(index.size(), expected.size());
  EXPECT_EQ(index.addresses().size(), expected.size());
  index.seal(kSeal);
  const auto again = ReservationIndex::open(path(), kSeal);
  ASSERT_TRUE(again) << "it has grown several times";
  for (int pod = 0; pod < 3000; ++pod) {
    const std::string owner = fmt::format("pod{}\r\neth0", pod);
    std::vector<IpAddress> addresses;
    for (auto [it, end] = expected.equal_range(owner); it != end; ++it) addresses.push_back(it->second);
    EXPECT_THAT(again->find(owner), ::testing::UnorderedElementsAreArray(addresses)) << owner;
  }
}

}  // namespace
}  // namespace barewire::ipam::host_local
