// SPDX-License-Identifier: Apache-2.0
#include "device-manager/daemon/loopback_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "core/error.h"
#include "core/fd.h"
#include "tests/support/within.h"

namespace barewire::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ListenAddress, IsLoopbackAndAPort) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:9808").port, 9808);
  EXPECT_EQ(parse_listen_address("localhost:1").host, "127.0.0.1");
  EXPECT_EQ(parse_listen_address("[::1]:65535").host, "::1");
  for (const char* wrong : {"", "9808", ":9808", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                            "127.0.0.1:80x", "0.0.0.0:9808", "[::]:9808", "[::1]9808", "[::1:9808", "10.0.0.1:9808",
                            "example.org:9808", "127.0.0.1.example.org:80"})
    EXPECT_THROW(parse_listen_address(wrong), Error) << wrong;
}

TEST(OwnHost, IsLoopbackByNameOrAddress) {
  for (const char* own : {"localhost", "LocalHost:9808", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:9808"})
    EXPECT_TRUE(is_own_host(own)) << own;
  for (const char* foreign :
       {"", "evil.example", "evil.example:9808", "localhost.evil.example", "127.0.0.1.evil.example",
        "127.0.0.1:9808@evil.example", "[::1", "[::1]x", "::1", "localhost:"})
    EXPECT_EQ(is_own_host(foreign), std::string_view(foreign) == "localhost:") << foreign;
}

bool within(const std::function<bool()>& done) {
  return test::within(std::chrono::seconds(20), done);
}

class Server : public ::testing::Test {
 protected:
  /// A connection that has sent `bytes`.
  Fd send(const std::string& bytes) const {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
      throw sys_error("connecting");
    // A server that refuses may close before it has read all.
    (void)::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return fd;
  }
  /// All that comes back until the server closes; "" when it only closes.
  static std::string answer_of(const Fd& fd) {
    std::string text;
    char buffer[4096];
    pollfd readable{.fd = fd.get(), .events = POLLIN, .revents = 0};
    while (::poll(&readable, 1, 20'000) == 1) {
      const ssize_t size = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (size <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(size));
    }
    return text + "(the server went on waiting)";
  }
  std::string ask(const std::string& first_line, const std::string& headers = "Host: localhost\r\n") const {
    return answer_of(send(first_line + " HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n"));
  }

  /// As it is after `text` has come; for what does not end by itself.
  static std::string until(const Fd& fd, const std::string& text) {
    std::string read;
    char buffer[4096];
    pollfd readable{.fd = fd.get(), .events = POLLIN, .revents = 0};
    std::size_t from = 0;  // what is before it has been searched
    while (read.find(text, from) == std::string::npos && ::poll(&readable, 1, 20'000) == 1) {
      from = read.size() - std::min(read.size(), text.size());
      const ssize_t size = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (size <= 0) break;
      read.append(buffer, static_cast<std::size_t>(size));
    }
    return read;
  }
  std::vector<Route> routes() {
    return {{.path = "/metrics",
             .now =
                 [this] {
                   return Answer{200, "text/plain; version=0.0.4", metrics_.get()};
                 }},
            {.path = "/healthz", .now = [this] { return well_ ? text_answer(200, "ok") : text_answer(503, "ill"); }},
            {.path = "/slow",
             .later =
                 [this](const std::string& argument, const Route::Reply& reply) {
                   const std::lock_guard lock(mutex_);
                   asked_.push_back(argument);
                   replies_.push_back(reply);
                 },
             .takes = "vf"},
            {.path = "/at-once",
             .later = [](const std::string&, const Route::Reply& reply) { reply(text_answer(200, "here")); }},
            {.path = "/events", .events = &events_}};
  }
  std::size_t asked() {
    const std::lock_guard lock(mutex_);
    return asked_.size();
  }
  static constexpr const char* kRest = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

  std::atomic<int> pages_ = 0;
  std::atomic<bool> well_ = true;
  RecentText metrics_{[this] {
    ++pages_;
    return std::string("barewire_up 1\n");
  }};
  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::vector<Route::Reply> replies_;
  EventStream events_{{}};
  LoopbackServer server_{{"127.0.0.1", 0}, routes()};
};

TEST_F(Server, ServesTheMetricsAndItsHealth) {
  const std::string answer = ask("GET /metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nbarewire_up 1\n"));
  EXPECT_THAT(ask("GET /healthz"), HasSubstr("\r\n\r\nok\n"));
  well_ = false;
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 503 "));
  const std::string head = ask("HEAD /metrics");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(head, Not(HasSubstr("barewire_up")));
}

TEST_F(Server, RefusesEverythingElse) {
  EXPECT_THAT(ask("GET /"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("GET /metrics/../etc/passwd"), StartsWith("HTTP/1.1 404 "));
  for (const char* method : {"PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"})
    EXPECT_THAT(ask(std::string(method) + " /metrics"), StartsWith("HTTP/1.1 405 ")) << method;
  EXPECT_THAT(ask("POST /metrics", "Host: localhost\r\nContent-Length: 4\r\n"), Not(HasSubstr("barewire_up")));
  EXPECT_THAT(ask("GET /metrics", "Host: evil.example\r\n"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(answer_of(send("GET /metrics HTTP/1.0\r\n\r\n")), StartsWith("HTTP/1."));
  EXPECT_THAT(answer_of(send("GET /metrics HTTP/1.0\r\n\r\n")), Not(HasSubstr("barewire_up")));
  EXPECT_EQ(pages_, 0);
}

TEST_F(Server, BoundsWhatARequestMayBe) {
  EXPECT_THAT(ask("GET /metrics", "Host: localhost\r\nX: " + std::string(100'000, 'x') + "\r\n"),
              Not(HasSubstr("barewire_up")));
  std::string many = "Host: localhost\r\n";
  for (int i = 0; i < 10'000; ++i) many += fmt::format("X-{}: y\r\n", i);
  EXPECT_THAT(ask("GET /metrics", many), Not(HasSubstr("barewire_up")));
  EXPECT_THAT(ask("GET /" + std::string(100'000, 'a')), Not(HasSubstr("barewire_up")));
  EXPECT_THAT(ask("GET /metrics"), HasSubstr("barewire_up")) << "the server goes on";
}

TEST_F(Server, AThousandSlowConnectionsHoldUpNobody) {
  std::vector<Fd> slow;
  for (int i = 0; i < 1000; ++i) slow.push_back(send("GET /metrics HTTP/1.1\r\nHost: loc"));
  EXPECT_THAT(ask("GET /metrics"), HasSubstr("barewire_up"));
}

TEST_F(Server, LooksAtTheNodeOnceHoweverManyAsk) {
  std::vector<Fd> open;
  for (int i = 0; i < 50; ++i)
    open.push_back(send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  for (const Fd& fd : open) EXPECT_THAT(answer_of(fd), HasSubstr("barewire_up"));
  EXPECT_LT(pages_, 25);
}

TEST_F(Server, EveryAnswerForbidsWhatAPageOfOthersMightDo) {
  for (const char* path : {"/metrics", "/nothing", "/at-once"}) {
    const std::string answer = ask(std::string("GET ") + path);
    EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self';")) << path;
    EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff")) << path;
  }
}

TEST_F(Server, WhatTakesLongHoldsUpNobody) {
  const Fd waiting = send(std::string("GET /slow?vf=0000%3a01%3A10.0") + kRest);
  EXPECT_TRUE(within([this] { return asked() == 1; }));
  EXPECT_THAT(ask("GET /metrics"), HasSubstr("barewire_up"));
  EXPECT_EQ(asked_.front(), "0000:01:10.0");
  std::thread([this] { replies_.front()(text_answer(200, "at last")); }).join();
  EXPECT_THAT(answer_of(waiting), HasSubstr("\r\n\r\nat last\n"));
  replies_.front()(text_answer(200, "twice"));
  EXPECT_THAT(ask("GET /at-once"), HasSubstr("\r\n\r\nhere\n"));
}

TEST_F(Server, SoManyAreAnsweredFromElsewhereAndNoMore) {
  std::vector<Fd> waiting;
  for (int i = 0; i < 64; ++i) waiting.push_back(send(std::string("GET /slow") + kRest));
  EXPECT_TRUE(within([this] { return asked() == 64; }));
  EXPECT_THAT(ask("GET /slow"), StartsWith("HTTP/1.1 503 "));
  for (int i = 0; i < 64; ++i) replies_[static_cast<std::size_t>(i)](text_answer(200, "done"));
  for (const Fd& fd : waiting) EXPECT_THAT(answer_of(fd), HasSubstr("done"));
}

TEST_F(Server, EventsComeAsTheyHappen) {
  const Fd first = send(std::string("GET /events") + kRest);
  EXPECT_THAT(until(first, "retry: 3000"), HasSubstr("text/event-stream"));
  events_.publish("node", std::string(300'000, 'x'));
  const std::string big = until(first, "xxx\r\n");
  EXPECT_THAT(big, HasSubstr("event: node"));
  events_.publish("node", "small");
  EXPECT_THAT(until(first, "small"), HasSubstr("data: small"));
  EXPECT_THAT(ask("HEAD /events"), HasSubstr("text/event-stream")) << "and no listener";
  EXPECT_EQ(events_.listeners(), 1U);
}

TEST_F(Server, ListenersThatGoMakeRoomForOthers) {
  {
    std::vector<Fd> listeners;
    for (std::size_t i = 0; i < EventStream::kMostListeners; ++i)
      listeners.push_back(send(std::string("GET /events") + kRest));
    EXPECT_TRUE(within([this] { return events_.listeners() == EventStream::kMostListeners; }));
    EXPECT_THAT(ask("GET /events"), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(ask("GET /metrics"), HasSubstr("barewire_up"));
  }
  EXPECT_TRUE(within([this] {
    events_.keep_alive();
    return events_.listeners() == 0;
  }));
}

TEST_F(Server, HalfOpenAndSlowReadersOfEventsHoldUpNobody) {
  std::vector<Fd> half;
  for (int i = 0; i < 500; ++i) half.push_back(send("GET /events HTTP/1.1\r\nHost: local"));
  const Fd deaf = send(std::string("GET /events") + kRest);  // never reads
  EXPECT_TRUE(within([this] { return events_.listeners() == 1; }));
  const Fd good = send(std::string("GET /events") + kRest);
  until(good, "retry");
  const std::string page(256 << 10, 'y');
  for (int i = 0; i < 20; ++i) {
    events_.publish("node", fmt::format("{}-{}.", page, i));
    ASSERT_THAT(until(good, fmt::format("-{}.", i)), HasSubstr(fmt::format("y-{}.", i)));
  }
  EXPECT_THAT(ask("GET /metrics"), HasSubstr("barewire_up"));
}

TEST(LoopbackServer, EndsWhileSomeSleep) {
  EventStream events({});
  std::vector<Route::Reply> replies;
  std::optional<LoopbackServer> server;
  server.emplace(
      ListenAddress{"127.0.0.1", 0},
      std::vector<Route>{
          {.path = "/slow", .later = [&](const std::string&, const Route::Reply& reply) { replies.push_back(reply); }},
          {.path = "/events", .events = &events}});
  std::vector<Fd> clients;
  for (const char* path : {"/slow", "/events"}) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(clients.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    ASSERT_EQ(::send(clients.back().get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  }
  EXPECT_TRUE(within([&] { return events.listeners() == 1; }));
  server.reset();
  for (const Route::Reply& reply : replies) reply(text_answer(200, "too late"));
  EXPECT_EQ(events.listeners(), 0U);
}

TEST(LoopbackServer, APortThatIsTakenIsSaid) {
  const LoopbackServer first({"127.0.0.1", 0}, {});
  try {
    const LoopbackServer second({"127.0.0.1", first.port()}, {});
    // With SO_REUSEPORT both would get a part of the connections.
    FAIL() << "two servers have one port";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(first.port())));
  }
}

}  // namespace
}  // namespace barewire::daemon
