// SPDX-License-Identifier: Apache-2.0
#include "core/journal.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "core/journal_search.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::journal {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Event sample() {
  return {.kind = Kind::refusal,
          .time = *parse_time("2026-11-28T02:14:03.123456Z"),
          .boot = "6fb0a6f4-8a7f-4fd8-9f5d-5a2d0a3c1b11",
          .up = std::chrono::microseconds(81234567),
          .cause = "runtime",
          .plugin = "sriov",
          .command = "ADD",
          .network = "fast",
          .name_space = "default",
          .pod = "web-0",
          .container = "0123abcd",
          .ifname = "net1",
          .device = "0000:01:10.0",
          .pf = "0000:01:00.0",
          .took = std::chrono::microseconds(1500),
          .code = 102,
          .what = "0000:01:10.0 is held by default/web-1",
          .hint = "delete that pod"};
}

std::string line_of(const Event& event) {
  std::string line = to_line(event);
  EXPECT_TRUE(line.ends_with('\n'));
  line.pop_back();
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  return line;
}

TEST(JournalLine, HoldsAllOfAnEvent) {
  const Event event = sample();
  const auto read = parse_line(line_of(event));
  ASSERT_TRUE(read);
  EXPECT_EQ(to_line(*read), to_line(event));
  EXPECT_EQ(read->device, event.device);
  EXPECT_EQ(read->took, event.took);
  EXPECT_EQ(time_text(read->time), "2026-11-28T02:14:03.123456Z");
}

TEST(JournalLine, IsRefusedWhenAnyByteIsAnother) {
  const std::string line = line_of(sample());
  for (std::size_t at = 0; at < line.size(); ++at) {
    std::string damaged = line;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(parse_line(damaged)) << at << ": " << damaged;
    EXPECT_FALSE(parse_line(line.substr(0, at))) << at;
  }
}

TEST(JournalLine, StaysOneShortLineOfText) {
  Event event = sample();
  event.what = std::string(100'000, '\x01') + "\n\xff";
  event.pod = "\xc3\x28\nbw1 ";
  event.network = std::string(5000, 'x');
  const std::string line = line_of(event);
  EXPECT_LE(line.size(), kLongestLine);
  const auto read = parse_line(line);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->pod, "\\xc3(\nbw1 ");
  event = sample();
  event.what = std::string(1023, 'x') + "\xc3\xa4";  // a character across the place where it is cut
  EXPECT_EQ(parse_line(line_of(event))->what, std::string(1023, 'x'));
}

TEST(JournalTime, IsReadInEveryLength) {
  EXPECT_EQ(parse_time("2026-11-28"), parse_time("2026-11-28T00:00:00Z"));
  EXPECT_EQ(parse_time("2026-11-28T02:14"), parse_time("2026-11-28 02:14:00"));
  EXPECT_EQ(time_text(*parse_time("2026-11-28T02:14:03.5Z")), "2026-11-28T02:14:03.500000Z");
  for (const char* wrong : {"", "yesterday", "2026-13-01", "2026-11-28T02:14:03+01:00", "2026-11-28T02:14:03Zx"})
    EXPECT_FALSE(parse_time(wrong)) << wrong;
}

class JournalFile : public ::testing::Test {
 protected:
  JournalFile() { record_in(directory()); }
  ~JournalFile() override { record_in(""); }
  std::string directory() const { return directory_.path() + "/barewire/journal"; }
  std::string current() const { return directory() + "/events"; }
  static void record_pod(const std::string& pod) { record({.pod = pod}); }
  std::vector<std::string> pods() const {
    std::vector<std::string> names;
    for (const Event& event : read(directory()).events) names.push_back(event.pod);
    return names;
  }
  void append(std::string_view text) const { std::ofstream(current(), std::ios::app) << text; }

  test::PrivateDirectory directory_;
};

TEST_F(JournalFile, IsMadeForRootAloneAndStamped) {
  const mode_t before = ::umask(0);
  record_pod("a");
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(current().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  const History history = read(directory());
  ASSERT_THAT(history.events, SizeIs(1));
  const Event& event = history.events.front();
  EXPECT_EQ(event.boot.size(), 36U);
  EXPECT_GT(event.up.count(), 0);
  EXPECT_LT(std::chrono::system_clock::now() - event.time, std::chrono::minutes(1));
}

TEST_F(JournalFile, WhereNothingIsAskedForNothingIsWritten) {
  record_in("");
  record_pod("a");
  EXPECT_FALSE(fs::exists(directory()));
  EXPECT_THAT(read(directory()).events, IsEmpty());
  EXPECT_THAT(read(directory()).problems, IsEmpty());
}

TEST_F(JournalFile, DamagedLinesAreLeftOutAndCounted) {
  record_pod("a");
  append("\nnot a line of ours\nbw1 00000000 {}\n");
  const std::string torn = to_line({.pod = "torn"});
  append(torn.substr(0, torn.size() / 2));
  record_pod("b");  // follows the torn line without an end between them
  append(torn.substr(0, torn.size() - 1));
  const History history = read(directory());
  EXPECT_THAT(history.events, ElementsAre(Field(&Event::pod, "a"), Field(&Event::pod, "b")));
  EXPECT_EQ(history.damaged, 5U);
}

TEST_F(JournalFile, IsBoundedAndLosesTheOldestFirst) {
  const std::string filler(900, 'x');
  Event event{.network = filler, .container = filler, .what = filler, .hint = filler};
  const std::size_t lines = 2 * kFullSize / 3700 + 300;
  for (std::size_t i = 0; i < lines; ++i) {
    event.pod = std::to_string(i);
    record(event);
  }
  EXPECT_LE(fs::file_size(current()), kFullSize + kLongestLine);
  EXPECT_LE(fs::file_size(directory() + "/events.1"), kFullSize + kLongestLine);
  const auto names = pods();
  EXPECT_EQ(names.back(), std::to_string(lines - 1));
  EXPECT_GT(names.size(), kFullSize / 4096);
  for (std::size_t i = 1; i < names.size(); ++i) EXPECT_EQ(std::stoul(names[i]), std::stoul(names[i - 1]) + 1);
}

TEST_F(JournalFile, WhereItCannotBeTurnedOverItEndsAndFailsNobody) {
  record_pod("a");
  fs::create_directories(directory() + "/events.1/in-the-way");
  std::ofstream(current(), std::ios::app) << std::string(2 * kFullSize, '\n');
  const auto size = fs::file_size(current());
  record_pod("b");
  EXPECT_EQ(fs::file_size(current()), size);
}

TEST_F(JournalFile, WhatIsNotOursIsNeitherWrittenNorRead) {
  const std::string target = directory_.write("target", "untouched\n");
  const auto put = [&](const std::function<void()>& make) {
    fs::remove_all(directory());
    fs::create_directories(directory());
    make();
    record_pod("a");
    EXPECT_THAT(read(directory()).events, IsEmpty());
    EXPECT_THAT(read(directory()).problems, ElementsAre(HasSubstr("is not the journal")));
  };
  put([&] { fs::create_symlink(target, current()); });
  put([&] { fs::create_hard_link(target, current()); });
  put([&] { ASSERT_EQ(::mkfifo(current().c_str(), 0600), 0); });
  put([&] { fs::create_directory(current()); });
  put([&] {
    std::ofstream(current()).flush();
    ASSERT_EQ(::chmod(current().c_str(), 0666), 0);
  });
  if (::geteuid() == 0)
    put([&] {
      std::ofstream(current()).flush();
      ASSERT_EQ(::chmod(current().c_str(), 0600), 0);
      if (::chown(current().c_str(), 1, 1) != 0)
        fs::create_symlink("x", current() + "x"), fs::rename(current() + "x", current());
    });
  std::ifstream file(target);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "untouched\n");
}

TEST_F(JournalFile, AFullDiskLosesTheEventAlone) {
  record_pod("a");
  const pid_t child = ::fork();
  if (child == 0) {
    // A limit is to write(2) what a full disk is: a part, then nothing.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{fs::file_size(current()) + 10, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    record_pod("b");
    record_pod("c");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  record_pod("d");
  EXPECT_THAT(pods(), ElementsAre("a", "d"));
  EXPECT_EQ(read(directory()).damaged, 1U);
}

TEST_F(JournalFile, ParallelWritersThatAreKilledLoseNoOthersLine) {
  constexpr int kWriters = 4, kLines = 150;
  record_pod("first");
  std::ofstream(current(), std::ios::app) << std::string(kFullSize - 30'000, '\n');  // turned over on the way
  std::vector<pid_t> children;
  for (int writer = 0; writer < kWriters; ++writer) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    for (int line = 0;; ++line) {
      record({.pod = std::to_string(line), .container = std::to_string(writer)});
      if (line == kLines) ::kill(::getpid(), SIGKILL);
    }
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  std::map<std::string, int> next;
  for (const Event& event : read(directory()).events)
    if (!event.container.empty()) {
      EXPECT_EQ(event.pod, std::to_string(next[event.container]++));
    }
  EXPECT_THAT(next, SizeIs(kWriters));
  for (const auto& [writer, count] : next) EXPECT_EQ(count, kLines + 1) << writer;
}

TEST_F(JournalFile, IsAskedAboutOnePodWithoutReadingTheRest) {
  for (const char* pod : {"web-0", "web-1", "web-10", "a\"b"}) record_pod(pod);
  append(to_line({.pod = "web-1"}).substr(0, 20));  // torn, and nobody can tell of whom
  const History about = read_about(directory(), "web-1");
  EXPECT_THAT(about.events, ElementsAre(Field(&Event::pod, "web-1"), Field(&Event::pod, "web-10")));
  EXPECT_EQ(read_about(directory(), "").events.size(), 4U);
  // JSON writes it otherwise, so all is read.
  EXPECT_EQ(read_about(directory(), "a\"b").events.size(), 4U);
  EXPECT_EQ(read_about(directory(), "n\xc3\xa4").events.size(), 4U);
}

std::vector<std::string> lines_of(const History& history) {
  std::vector<std::string> lines;
  for (const Event& event : history.events) lines.push_back(to_line(event));
  return lines;
}

/// A journal of `pieces` whole, torn, changed, endless and empty lines, in an order of their own for each seed.
std::string jumble(unsigned seed, int pieces) {
  std::minstd_rand random(seed);
  const std::string line = to_line(sample());
  std::string text;
  for (int piece = 0; piece < pieces; ++piece) {
    switch (random() % 16) {
      case 0:
        text += line.substr(0, random() % line.size());
        break;
      case 1:
        text += "no line of ours\n\n";
        break;
      case 2:
        text += std::string(random() % (200 << 10), piece % 2 == 0 ? '\0' : 'x');
        break;
      default:
        text += to_line({.pod = std::to_string(piece), .what = std::string(random() % 3000, 'w')});
    }
  }
  return text;
}

TEST_F(JournalFile, ReadBackwardsItIsTheSame) {
  const auto never = [](const std::vector<Event>&) { return false; };
  EXPECT_THAT(read_back(directory(), never).events, IsEmpty());
  record_pod("a");
  for (unsigned seed = 0; seed < 4; ++seed) {
    std::ofstream(current()) << jumble(seed, 60);
    std::ofstream(directory() + "/events.1") << jumble(seed + 1000, 40);
    fs::permissions(directory() + "/events.1", fs::perms(0640));
    const History forward = read(directory()), backward = read_back(directory(), never);
    EXPECT_EQ(lines_of(forward), lines_of(backward)) << "seed " << seed;
    EXPECT_EQ(forward.damaged, backward.damaged) << "seed " << seed;
    EXPECT_THAT(backward.problems, IsEmpty());
  }
}

TEST_F(JournalFile, ReadBackwardsItEndsWhereThatIsEnough) {
  record_pod("first");
  fs::rename(current(), directory() + "/events.1");
  record_pod("0");
  std::string lines;
  for (int i = 1; i < 3000; ++i) lines += to_line({.pod = std::to_string(i)});
  append(lines + "torn");
  std::size_t blocks = 0;
  const History last = read_back(directory(), [&](const std::vector<Event>&) { return ++blocks == 2; });
  EXPECT_EQ(blocks, 2U);
  EXPECT_EQ(last.events.back().pod, "2999");
  EXPECT_EQ(last.damaged, 1U);
  EXPECT_LT(last.events.size(), 2900U);
  for (std::size_t i = 1; i < last.events.size(); ++i)
    EXPECT_EQ(std::stoul(last.events[i].pod), std::stoul(last.events[i - 1].pod) + 1);
  bool reached = false;
  read_back(directory(), [&](const std::vector<Event>& block) {
    reached = reached || (!block.empty() && block.front().pod == "first");
    return false;
  });
  EXPECT_TRUE(reached) << "the older file follows";
}

TEST_F(JournalFile, AReaderGoesOnWhereItWas) {
  Position position;
  record_pod("a");
  EXPECT_THAT(read_on(directory(), position).events, SizeIs(1));
  EXPECT_THAT(read_on(directory(), position).events, IsEmpty());
  const std::string line = to_line({.pod = "b"});
  append(line.substr(0, 20));  // not whole yet
  EXPECT_THAT(read_on(directory(), position).events, IsEmpty());
  append(line.substr(20));
  EXPECT_THAT(read_on(directory(), position).events, ElementsAre(Field(&Event::pod, "b")));
  append(std::string(kFullSize, '\n'));
  record_pod("c");
  record_pod("d");
  EXPECT_TRUE(fs::exists(directory() + "/events.1"));
  EXPECT_THAT(read_on(directory(), position).events, ElementsAre(Field(&Event::pod, "c"), Field(&Event::pod, "d")));
}

}  // namespace
}  // namespace barewire::journal
