// SPDX-License-Identifier: Apache-2.0
#include "core/state/store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/temporary_file.h"

namespace barewire::state {
namespace {

class Records : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-store-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  static Attachment attachment(const std::string& container) {
    Attachment result;
    result.id = {"lan", container, "net1", "sriov"};
    result.netns = "/run/netns/" + container;
    result.netns_id = kernel::NetNsId{4, 4026532000, 77};
    result.pod = {"default", "web-0", "uid"};
    result.config = "{\"name\":\"lan\"}";
    result.data["pci"] = "0000:01:10.0";
    return result;
  }
  std::string root_;
};

TEST_F(Records, ComeBackAsTheyWereSaved) {
  Store store(root_);
  EXPECT_FALSE(store.find(attachment("a").id));
  store.save(attachment("a"));
  const auto found = store.find(attachment("a").id);
  ASSERT_TRUE(found);
  EXPECT_EQ(to_json(*found), to_json(attachment("a")));
  store.remove(found->id);
  store.remove(found->id);
  EXPECT_FALSE(store.find(found->id));
}

TEST_F(Records, AreListedSortedAndDamagedOnesAreNamed) {
  Store store(root_);
  store.save(attachment("b"));
  store.save(attachment("a"));
  const std::string damaged = store.path_of({"lan", "c", "net1", "sriov"});
  write_file_atomically(damaged, "{\"format\":1}", Durability::until_reboot);
  std::vector<std::pair<std::string, std::string>> unreadable;
  const auto all = store.list(&unreadable);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id.container_id, "a");
  ASSERT_EQ(unreadable.size(), 1u);
  EXPECT_EQ(unreadable[0].first, damaged);
  EXPECT_THAT(unreadable[0].second, ::testing::HasSubstr("key \"network\" is missing"));
}

TEST_F(Records, ThatAreEmptyNeverMeanNothingToDo) {
  Store store(root_);
  store.save(attachment("a"));
  write_file_atomically(store.path_of(attachment("a").id), "", Durability::until_reboot);
  try {
    store.find(attachment("a").id);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::state));
  }
}

TEST_F(Records, OfAKilledWriterAreClearedByTheNextThatLocks) {
  Store store(root_);
  store.save(attachment("a"));
  const std::string directory = std::filesystem::path(store.path_of(attachment("a").id)).parent_path();
  write_all(open_temporary(store.path_of(attachment("a").id), 0600).get(), "{\"form", "the temporary file");
  EXPECT_EQ(store.list().size(), 1u);
  const FileLock lock = store.lock_attachment(attachment("a").id);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1);
  EXPECT_TRUE(store.find(attachment("a").id));
}

TEST_F(Records, HoldADeviceForOneAttachment) {
  Store store(root_);
  const auto a = attachment("a").id, b = attachment("b").id;
  store.save(attachment("a"));
  store.save(attachment("b"));
  EXPECT_TRUE(store.claim("0000:01:10.0", a));
  EXPECT_TRUE(store.claim("0000:01:10.0", a)) << "again by its holder";
  EXPECT_FALSE(store.claim("0000:01:10.0", b));
  EXPECT_EQ(store.holder("0000:01:10.0"), a);
  store.release("0000:01:10.0", b);
  EXPECT_EQ(store.holder("0000:01:10.0"), a) << "released by someone else";
  store.release("0000:01:10.0", a);
  EXPECT_FALSE(store.holder("0000:01:10.0"));
  EXPECT_TRUE(store.claim("0000:01:10.0", b));
}

TEST_F(Records, NameThePodWhereItIsKnown) {
  Store store(root_);
  Attachment a = attachment("a");
  a.pod = {};
  EXPECT_EQ(a.text(), a.id.text());
  a.pod = {.name_space = "shop", .name = "web", .uid = {}};
  store.save(a);
  store.claim("0000:01:10.0", a.id);
  EXPECT_EQ(store.holding("0000:01:10.0").value().text(), a.id.text() + " of pod shop/web");
}

TEST_F(Records, LoseAClaimWhoseRecordIsGone) {
  Store store(root_);
  store.save(attachment("b"));
  EXPECT_TRUE(store.claim("0000:01:10.0", attachment("a").id));
  EXPECT_TRUE(store.claim("0000:01:10.0", attachment("b").id));
  EXPECT_EQ(store.holder("0000:01:10.0"), attachment("b").id);
}

TEST_F(Records, OnlyOneOfManyClaimsWins) {
  Store store(root_);
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) store.save(attachment(fmt::format("c{}", i)));
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] { won += Store(root_).claim("dev", attachment(fmt::format("c{}", i)).id); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

TEST_F(Records, OnlyOneOfManyTakesOverAStaleClaim) {
  Store store(root_);
  for (int i = 0; i < 6; ++i) store.save(attachment(fmt::format("c{}", i)));
  for (int round = 0; round < 20; ++round) {
    std::filesystem::remove(root_ + "/devices/dev");
    ASSERT_TRUE(store.claim("dev", attachment("gone").id));
    const Claim stale = store.claims().at(0);
    std::atomic<int> won = 0;
    std::vector<std::thread> threads;
    threads.emplace_back([&] { Store(root_).release_stale(stale); });
    for (int i = 0; i < 6; ++i)
      threads.emplace_back([&, i] { won += Store(root_).claim("dev", attachment(fmt::format("c{}", i)).id); });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    EXPECT_TRUE(store.holder("dev"));
  }
}

TEST_F(Records, OfANetworkNameWhatCannotBeRead) {
  Store store(root_);
  store.save(attachment("a"));
  const std::string directory = std::filesystem::path(store.path_of(attachment("a").id)).parent_path();
  ASSERT_EQ(::mkfifo((directory + "/x@net1.sriov.json").c_str(), 0600), 0);
  std::filesystem::create_directories(root_ + "/attachments/other");
  write_file_atomically(root_ + "/attachments/other/y@net1.sriov.json", "{", Durability::until_reboot);
  Store::Unreadable unreadable;
  EXPECT_EQ(store.list(attachment("a").id.network, &unreadable).size(), 1U);
  ASSERT_EQ(unreadable.size(), 1U);
  EXPECT_THAT(unreadable[0].first, ::testing::HasSubstr("x@net1.sriov.json"));
  EXPECT_THAT(unreadable[0].second, ::testing::HasSubstr("a FIFO"));
}

TEST_F(Records, ALockThatTheParentHoldsIsTheChildsToo) {
  const Store store(root_);
  const FileLock held = store.lock_attachment(attachment("a").id);
  const pid_t child = ::fork();
  if (child == 0) {
    FileLock::inherit(held.path());
    try {
      { const FileLock again = Store(root_).lock_attachment(attachment("a").id); }
      ::_exit(std::filesystem::is_empty(root_ + "/locks") ? 2 : 0);  // it is not the child's to remove
    } catch (const Error&) {
      ::_exit(1);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Records, LockMakesASecondCallerTryAgain) {
  const Store store(root_);
  const FileLock held = store.lock("pf", "PF 0000:01:00.0");
  try {
    store.lock("pf", "PF 0000:01:00.0", std::chrono::milliseconds(20));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), 11);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("PF 0000:01:00.0 is locked"));
  }
}

TEST_F(Records, AttachmentLockIsExclusiveAndLeavesNoFile) {
  Store store(root_);
  int inside = 0, most = 0, done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const FileLock lock = Store(root_).lock_attachment(attachment("a").id);
        most = std::max(most, ++inside);
        std::this_thread::yield();
        --inside;
        ++done;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(done, 120);
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/locks"));
}

}  // namespace
}  // namespace barewire::state
