// SPDX-License-Identifier: Apache-2.0
/// Where traces may be sent; how files become requests. tests/plugin/traces has the daemon and a collector.
#include "device-manager/traces/outbox.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "core/directory.h"
#include "core/fd.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::traces {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(CollectorUrl, HasAServerAndAPath) {
  EXPECT_EQ(parse_collector_url("http://127.0.0.1:4318/v1/traces").server, "http://127.0.0.1:4318");
  EXPECT_EQ(parse_collector_url("https://tempo.example/otlp/v1/traces?tenant=a").path, "/otlp/v1/traces?tenant=a");
  EXPECT_EQ(parse_collector_url("https://[::1]:4318").server, "https://[::1]:4318");
  EXPECT_EQ(parse_collector_url("https://[::1]:4318").path, "/v1/traces");
  for (const char* url :
       {"", "127.0.0.1:4318", "ftp://127.0.0.1/", "http://", "http:///v1/traces", "http://user:secret@host/",
        "http://host/a b", "http://host/\n", "HTTP://host", "http://host?x"})
    EXPECT_THROW(parse_collector_url(url), Error) << url;
}

/// Answers as told, and keeps what it was sent.
class Collector : public kubernetes::Api {
 public:
  kubernetes::ApiAnswer call(const kubernetes::ApiRequest& request) override {
    requests.push_back(request);
    return {.status = status};
  }
  int status = 200;
  std::vector<kubernetes::ApiRequest> requests;
};

class OutboxTest : public ::testing::Test {
 protected:
  void leave(const std::string& name, const std::string& text) const {
    write_file_atomically(directory_.path() + "/" + name, text, Durability::until_reboot);
  }
  std::vector<std::string> left() const { return list_directory(directory_.path()); }

  test::PrivateDirectory directory_;
  Collector collector_;
  std::vector<std::string> said_;
  Outbox outbox_{collector_, "/v1/traces", directory_.path(), "node-1",
                 [this](const std::string& line) { said_.push_back(line); }};
};

TEST_F(OutboxTest, SendsTheSpansOfManyCallsInOneRequest) {
  for (int i = 0; i < 20; ++i)
    leave(std::to_string(i) + ".json", R"({"format":1,"spans":[{"name":"a"},{"name":"b"}]})");
  leave(".half.tmp", "{");
  EXPECT_EQ(outbox_.send(), 20U);
  EXPECT_EQ(outbox_.take_counts().sent, 20U);
  ASSERT_THAT(collector_.requests, SizeIs(1));
  const auto body = boost::json::parse(collector_.requests.at(0).body);
  EXPECT_THAT(body.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").as_array(), SizeIs(40));
  EXPECT_THAT(left(), ElementsAre(".half.tmp"));
  EXPECT_EQ(outbox_.send(), 0U);
  EXPECT_THAT(collector_.requests, SizeIs(1));
}

TEST_F(OutboxTest, NoRequestIsLargerThanCollectorsTake) {
  const std::string span = R"({"name":")" + std::string(400'000, 'x') + R"("})";
  for (int i = 0; i < 5; ++i) leave(std::to_string(i) + ".json", R"({"format":1,"spans":[)" + span + "]}");
  EXPECT_EQ(outbox_.send(), 5U);
  EXPECT_THAT(collector_.requests, SizeIs(3));
  for (const auto& request : collector_.requests) EXPECT_LT(request.body.size(), 1100'000U);
}

TEST_F(OutboxTest, WhatNoPluginLeftIsOutOfTheWay) {
  leave("a.json", "not JSON");
  leave("b.json", R"({"spans":{}})");
  leave("c.json", R"({"spans":[1]})");
  leave("d.json", std::string(600 << 10, ' '));
  EXPECT_EQ(outbox_.send(), 0U);
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_THAT(said_, SizeIs(4));
  EXPECT_EQ(outbox_.take_counts().dropped, 4U);
  EXPECT_EQ(outbox_.take_counts().dropped, 0U);
  EXPECT_THAT(collector_.requests, IsEmpty());
}

TEST_F(OutboxTest, WhatTheCollectorCannotTakeNowStays) {
  leave("a.json", R"({"spans":[{}]})");
  for (const int status : {401, 404, 429, 500, 502, 503, 504}) {
    collector_.status = status;
    EXPECT_THROW(outbox_.send(), Error) << status;
    EXPECT_THAT(left(), SizeIs(1));
  }
  collector_.status = 400;
  EXPECT_EQ(outbox_.send(), 0U);
  EXPECT_THAT(left(), IsEmpty());
}

}  // namespace
}  // namespace barewire::traces
