// SPDX-License-Identifier: Apache-2.0
/// The store on real files, without the plugin around it: the layout, and when the index is believed.
#include "ipam/host_local/reservation_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/error.h"
#include "tests/support/fault.h"
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
const Owner kPod{"pod1", "eth0"};

class Store : public ::testing::Test {
 protected:
  ReservationStore open() const { return ReservationStore::open(directory(), indexes()); }
  std::string directory() const { return dir_ / "networks/n"; }
  std::string indexes() const { return dir_ / "run/host-local"; }
  std::string file(const std::string& name) const { return directory() + "/" + name; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory())) names.push_back(entry.path().filename());
    return names;
  }
  /// What another program does: the directory's time of change becomes the present.
  void write(const std::string& name, const std::string& content) const { test::write_text(file(name), content); }
  test::TempDir dir_;
};

TEST_F(Store, WritesTheReferencesLayout) {
  auto store = open();
  EXPECT_TRUE(store.reserve(ip("10.0.0.2"), kPod));
  EXPECT_TRUE(store.reserve(ip("2001:DB8::00a"), kPod));
  store.set_last_reserved(1, ip("10.0.0.2"));
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "10.0.0.2", "2001:db8::a", "last_reserved_ip.1"));
  EXPECT_EQ(read_file(file("10.0.0.2")), "pod1\r\neth0");
  EXPECT_EQ(read_file(file("last_reserved_ip.1")), "10.0.0.2");
}

TEST_F(Store, RefusesATakenAddress) {
  auto store = open();
  EXPECT_TRUE(store.reserve(ip("10.0.0.2"), kPod));
  EXPECT_FALSE(store.reserve(ip("10.0.0.2"), {"pod2", "eth0"}));
  EXPECT_EQ(read_file(file("10.0.0.2")), "pod1\r\neth0");
}

TEST_F(Store, GivesEachReservationAFileOfItsOwn) {
  auto store = open();
  store.reserve(ip("10.0.0.2"), kPod);
  store.reserve(ip("10.0.0.3"), kPod);
  EXPECT_EQ(fs::hard_link_count(file("10.0.0.2")), 1U);
}

TEST_F(Store, ReleasesAllOfAnOwnerAndNothingElse) {
  auto store = open();
  store.reserve(ip("10.0.0.2"), kPod);
  store.reserve(ip("10.0.0.3"), kPod);
  store.reserve(ip("10.0.0.4"), {"pod1", "eth1"});
  store.reserve(ip("10.0.0.5"), {"pod2", "eth0"});
  EXPECT_TRUE(store.release(kPod));
  EXPECT_FALSE(store.release(kPod));
  EXPECT_THAT(store.addresses(), UnorderedElementsAre(ip("10.0.0.4"), ip("10.0.0.5")));
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "10.0.0.4", "10.0.0.5"));
}

TEST_F(Store, ReleasesReservationsOfOldVersionsThatNameTheContainerAlone) {
  open();
  write("10.0.0.2", "pod1");
  write("10.0.0.3", " pod1\n");
  write("10.0.0.4", "pod10");
  EXPECT_THAT(open().held_by(kPod), ElementsAre(ip("10.0.0.2"), ip("10.0.0.3")));
  EXPECT_TRUE(open().release(kPod));
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "10.0.0.4"));
}

TEST_F(Store, KeepsOldReservationsWhileThereIsANewOne) {
  open().reserve(ip("10.0.0.2"), kPod);
  write("10.0.0.3", "pod1");
  EXPECT_TRUE(open().release(kPod));
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "10.0.0.3"));
}

TEST_F(Store, SeesWhatAnotherProgramReservedAndReleased) {
  open().reserve(ip("10.0.0.2"), kPod);
  write("10.0.0.3", "pod2\r\neth0");
  EXPECT_THAT(open().held_by({"pod2", "eth0"}), ElementsAre(ip("10.0.0.3")));
  fs::remove(file("10.0.0.2"));
  EXPECT_THAT(open().held_by(kPod), IsEmpty());
}

TEST_F(Store, SeesAChangeInTheSameInstantAsItsOwn) {
  // No pause between: a file system's clock ticks every few milliseconds.
  for (int round = 0; round < 100; ++round) {
    open().reserve(ip("10.0.0.2"), kPod);
    write("10.0.0.3", "pod2\r\neth0");
    ASSERT_THAT(open().held_by({"pod2", "eth0"}), ElementsAre(ip("10.0.0.3"))) << "round " << round;
    open().release(kPod);
    fs::remove(file("10.0.0.3"));
    ASSERT_THAT(open().held_by({"pod2", "eth0"}), IsEmpty()) << "round " << round;
  }
}

TEST_F(Store, BelievesTheFileWhereItsContentWasChangedInPlace) {
  open().reserve(ip("10.0.0.2"), kPod);
  write("10.0.0.2", "pod2\r\neth0");
  EXPECT_THAT(open().held_by(kPod), IsEmpty());
  EXPECT_THAT(open().held_by({"pod2", "eth0"}), ElementsAre(ip("10.0.0.2")));
}

TEST_F(Store, WorksWithoutAPlaceForTheIndex) {
  test::write_text(dir_ / "run", "a file where the directory should be");
  open().reserve(ip("10.0.0.2"), kPod);
  EXPECT_THAT(open().held_by(kPod), ElementsAre(ip("10.0.0.2")));
  EXPECT_TRUE(open().release(kPod));
}

TEST_F(Store, MakesALostIndexAnew) {
  open().reserve(ip("10.0.0.2"), kPod);
  fs::remove_all(indexes());
  EXPECT_THAT(open().held_by(kPod), ElementsAre(ip("10.0.0.2")));
  EXPECT_FALSE(fs::is_empty(indexes()));
}

TEST_F(Store, FreesTheEmptyFileOfAKilledProgram) {
  open();
  write("10.0.0.2", "");
  write("10.0.0.3", "\n");
  write("not-an-address", "");
  open();
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "not-an-address"));
}

TEST_F(Store, RemovesTheDraftOfAKilledProcess) {
  open();
  write(".barewire-draft.17", "pod1\r\neth0");
  open();
  EXPECT_THAT(files(), ElementsAre("lock"));
}

TEST_F(Store, LeavesAloneWhatIsNoReservation) {
  open();
  fs::create_directory(file("10.0.0.9"));
  write("10.0.0.08", "pod1\r\neth0");
  write("readme", "pod1\r\neth0");
  auto store = open();
  EXPECT_FALSE(store.release(kPod));
  EXPECT_FALSE(store.reserve(ip("10.0.0.9"), kPod)) << "the name is taken";
  EXPECT_EQ(store.release_unless([](std::string_view) { return false; }), 0U);
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "10.0.0.9", "10.0.0.08", "readme"));
}

TEST_F(Store, ReleasesWhatIsNotToBeKept) {
  open().reserve(ip("10.0.0.2"), kPod);
  write("10.0.0.3", "pod2");
  open().set_last_reserved(0, ip("10.0.0.2"));
  EXPECT_EQ(open().release_unless([](std::string_view content) { return content == "pod2"; }), 1U);
  EXPECT_THAT(files(), UnorderedElementsAre("lock", "10.0.0.3", "last_reserved_ip.0"));
  EXPECT_THAT(open().addresses(), ElementsAre(ip("10.0.0.3")));
}

TEST_F(Store, ReadsTheLastReservedAddress) {
  auto store = open();
  EXPECT_EQ(store.last_reserved(0), std::nullopt);
  store.set_last_reserved(0, ip("10.0.0.200"));
  store.set_last_reserved(0, ip("10.0.0.3"));
  EXPECT_EQ(store.last_reserved(0), ip("10.0.0.3")) << "a shorter text over a longer one";
  write("last_reserved_ip.0", "nonsense");
  EXPECT_EQ(store.last_reserved(0), std::nullopt);
}

TEST_F(Store, IsNotOpenedWhereThereIsNoDirectory) {
  EXPECT_FALSE(ReservationStore::open_existing(directory(), indexes()));
  test::write_text(directory(), "a file");
  EXPECT_FALSE(ReservationStore::open_existing(directory(), indexes()));
  EXPECT_THROW(open(), Error);
}

TEST_F(Store, ReadsNoReservationButItsOwnWhenTheIndexIsValid) {
  {
    auto store = open();
    IpAddress next = ip("10.1.0.1");
    for (int i = 0; i < 1000; ++i, next = next.next()) store.reserve(next, {"other" + std::to_string(i), "eth0"});
  }
  // An unreadable directory entry would be found by reading: make every file a trap by changing all contents in place,
  // which the seal does not show.
  for (const auto& entry : fs::directory_iterator(directory()))
    if (entry.path().filename().string().starts_with("10.")) test::write_text(entry.path(), "pod1\r\neth0");
  EXPECT_THAT(open().held_by(kPod), IsEmpty()) << "it has read the others";
}

}  // namespace
}  // namespace barewire::ipam::host_local
