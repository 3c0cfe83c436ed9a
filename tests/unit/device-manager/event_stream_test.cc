// SPDX-License-Identifier: Apache-2.0
#include "device-manager/daemon/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace barewire::daemon {
namespace {

using Outcome = EventStream::Outcome;

/// A listener that reads in pieces of `room` bytes.
struct Browser {
  explicit Browser(EventStream& stream)
      : stream_(stream), listener(stream.join({[this] { ++suspended; }, [this] { ++resumed; }})) {}
  /// All there is until it would have to wait, or the end.
  std::string read(std::size_t room = 7) const {
    std::string text, piece(room, ' ');
    while (true) {
      const EventStream::Read read = stream_.read(*listener, piece.data(), room);
      if (read.outcome != Outcome::bytes) return text + (read.outcome == Outcome::ended ? "(end)" : "");
      text.append(piece, 0, read.size);
    }
  }
  EventStream& stream_;
  int suspended = 0, resumed = 0;
  std::shared_ptr<EventStream::Listener> listener;
};

TEST(EventStream, SendsTheLatestOfEachEventAndNothingTwice) {
  EventStream stream({});
  stream.publish("traffic", "{1}");
  stream.publish("node", "{2}");
  Browser browser(stream);
  EXPECT_EQ(browser.read(), "retry: 3000\n\nevent: node\ndata: {2}\n\nevent: traffic\ndata: {1}\n\n");
  EXPECT_EQ(browser.suspended, 1);
  stream.publish("node", "{3}");
  stream.publish("node", "{4}");
  EXPECT_EQ(browser.resumed, 1) << "it is awake since the first";
  EXPECT_EQ(browser.read(), "event: node\ndata: {4}\n\n");
}

TEST(EventStream, WhoReadsSlowlyGetsWholeEventsAndMissesThoseInBetween) {
  EventStream stream({});
  Browser slow(stream);
  slow.read();
  stream.publish("node", "first");
  std::string begun(9, ' ');
  ASSERT_EQ(stream.read(*slow.listener, begun.data(), begun.size()).size, begun.size());
  for (int i = 0; i < 1000; ++i) stream.publish("node", std::to_string(i));
  EXPECT_EQ(begun + slow.read(), "event: node\ndata: first\n\nevent: node\ndata: 999\n\n");
}

TEST(EventStream, ACommentKeepsItAlive) {
  EventStream stream({});
  Browser browser(stream);
  browser.read();
  stream.keep_alive();
  stream.keep_alive();
  EXPECT_EQ(browser.read(), ":\n\n") << "one is enough";
}

TEST(EventStream, TellsThatSomebodyListensAfterNobodyDid) {
  int first = 0;
  EventStream stream([&] { ++first; });
  Browser one(stream), two(stream);
  EXPECT_EQ(first, 1);
  stream.leave(one.listener);
  stream.leave(two.listener);
  EXPECT_EQ(stream.listeners(), 0U);
  stream.publish("node", "old");
  stream.forget();
  Browser three(stream);
  EXPECT_EQ(first, 2);
  EXPECT_EQ(three.read(), "retry: 3000\n\n") << "what was forgotten is not sent";
}

TEST(EventStream, TakesSoManyListenersAndNoMore) {
  EventStream stream({});
  std::vector<std::shared_ptr<EventStream::Listener>> listeners;
  for (std::size_t i = 0; i < EventStream::kMostListeners; ++i) listeners.push_back(stream.join({}));
  EXPECT_EQ(stream.join({}), nullptr);
  stream.leave(listeners.front());
  EXPECT_NE(stream.join({}), nullptr);
}

TEST(EventStream, EndsBetweenTwoEvents) {
  EventStream stream({});
  Browser browser(stream);
  browser.read();
  stream.publish("node", "whole");
  char byte = 0;
  stream.read(*browser.listener, &byte, 1);
  stream.close();
  EXPECT_EQ(byte + browser.read(), "event: node\ndata: whole\n\n(end)");
  EXPECT_EQ(stream.join({}), nullptr);
}

TEST(EventStream, NobodySleepsThroughAnEvent) {
  EventStream stream({});
  std::mutex mutex;
  std::condition_variable woken;
  bool awake = true;
  const auto listener = stream.join({[&] {
                                       const std::lock_guard lock(mutex);
                                       awake = false;
                                     },
                                     [&] {
                                       const std::lock_guard lock(mutex);
                                       awake = true;
                                       woken.notify_one();
                                     }});
  constexpr int kEvents = 20'000;
  std::thread writer([&] {
    for (int i = 1; i <= kEvents; ++i) stream.publish("node", std::to_string(i));
  });
  std::string text, piece(64, ' ');
  while (text.find(fmt::format("data: {}\n", kEvents)) == std::string::npos) {
    const auto read = stream.read(*listener, piece.data(), piece.size());
    text.append(piece, 0, read.size);
    std::unique_lock lock(mutex);
    ASSERT_TRUE(woken.wait_for(lock, std::chrono::seconds(20), [&] { return awake; })) << text.size();
  }
  writer.join();
}

}  // namespace
}  // namespace barewire::daemon
