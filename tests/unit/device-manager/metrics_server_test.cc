// SPDX-License-Identifier: Apache-2.0
#include "device-manager/daemon/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>

#include "core/error.h"
#include "core/fd.h"

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

  std::atomic<int> pages_ = 0;
  std::atomic<bool> well_ = true;
  MetricsServer server_{{"127.0.0.1", 0},
                        {.metrics =
                             [this] {
                               ++pages_;
                               return std::string("barewire_up 1\n");
                             },
                         .is_well = [this] { return well_.load(); }}};
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

TEST(MetricsServer, APortThatIsTakenIsSaid) {
  const MetricsServer::Sources sources{.metrics = [] { return std::string(); }, .is_well = [] { return true; }};
  const MetricsServer first({"127.0.0.1", 0}, sources);
  try {
    const MetricsServer second({"127.0.0.1", first.port()}, sources);
    // With SO_REUSEPORT both would get a part of the connections.
    FAIL() << "two servers have one port";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(first.port())));
  }
}

}  // namespace
}  // namespace barewire::daemon
