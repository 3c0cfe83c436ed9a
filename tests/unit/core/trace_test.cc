// SPDX-License-Identifier: Apache-2.0
/// What counts as a trace context, and what a traced call leaves. Cases of the formats are those of the W3C's trace
/// context, level 1.
#include "core/trace.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/directory.h"
#include "core/fd.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::trace {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParent, IsReadAsTheStandardSays) {
  const auto context = parse_traceparent(kParent);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->parent, 0x00f067aa0ba902b7U);
  EXPECT_TRUE(context->is_sampled());
  EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")->is_sampled());
  EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe")->is_sampled());
  EXPECT_TRUE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff")->is_sampled());
  // A later version may say more, behind what is known.
  EXPECT_TRUE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_TRUE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"));
}

TEST(TraceParent, OfAnotherFormIsNone) {
  const std::string good = kParent;
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_traceparent(good.substr(0, size))) << size;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (const char wrong : {'G', 'A', ' ', '_', '\0', '\xff'}) {
      std::string changed = good;
      changed[at] = wrong;
      EXPECT_FALSE(parse_traceparent(changed)) << at << wrong;
    }
  for (const char* text : {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
                           "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what"})
    EXPECT_FALSE(parse_traceparent(text)) << text;
}

TEST(TraceState, IsAListOfFewMembers) {
  for (const char* text :
       {"", "congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7 , congo=t61", "fw529a3039@dt=FfAB", "a=b,,c=d", "1a_-*/=! x"})
    EXPECT_TRUE(is_tracestate(text)) << text;
  std::string many = "a=b";
  for (int i = 0; i < 31; ++i) many += ",a=b";
  EXPECT_TRUE(is_tracestate(many));
  for (const std::string& text :
       {std::string("congo"), std::string("=x"), std::string("a="), std::string("A=b"), std::string("_a=b"),
        std::string("a=b=c"), std::string("a=\x01"), std::string("a=\xc3\xa4"), many + ",a=b",
        "a=" + std::string(257, 'x'), "a=" + std::string(255, 'x') + ",b=" + std::string(255, 'x')})
    EXPECT_FALSE(is_tracestate(text)) << text;
}

class TraceTest : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("TRACEPARENT", kParent, 1); }
  void TearDown() override {
    ::unsetenv("TRACEPARENT");
    ::unsetenv("TRACESTATE");
  }

  std::vector<std::string> files() const { return list_directory(directory_.path()); }
  json::array spans() const {
    const auto names = files();
    if (names.size() != 1) return {};
    return json::parse(read_file(directory_.path() + "/" + names.at(0)).value()).at("spans").as_array();
  }
  static std::string text(const json::value& span, const char* key) { return std::string(span.at(key).as_string()); }

  test::PrivateDirectory directory_;
};

TEST_F(TraceTest, LeavesItsSpansWithTheirParents) {
  ::setenv("TRACESTATE", "congo=t61rcWkgMzE", 1);
  {
    const Trace trace(directory_.path());
    Span call("bridge", "ADD");
    call.set("cni.network", "lan");
    { const Span lock("lock"); }
    {
      const Span outer("host-local", "ADD");
      const Span inner("lock");
    }
    try {
      const Span step("netlink");
      throw std::runtime_error("no");
    } catch (const std::exception&) {
    }
    call.fail("no route");
    EXPECT_THAT(files(), IsEmpty());
  }
  const auto noted = spans();
  ASSERT_THAT(noted, SizeIs(5));
  const std::string call = text(noted[0], "spanId");
  EXPECT_EQ(text(noted[0], "name"), "bridge ADD");
  EXPECT_EQ(text(noted[0], "parentSpanId"), "00f067aa0ba902b7");
  EXPECT_EQ(noted[0].at("kind").as_int64(), 2);
  EXPECT_EQ(text(noted[0].at("status"), "message"), "no route");
  EXPECT_EQ(text(noted[0].at("attributes").at(0).at("value"), "stringValue"), "lan");
  for (const std::size_t direct : {1U, 2U, 4U}) EXPECT_EQ(text(noted[direct], "parentSpanId"), call) << direct;
  EXPECT_EQ(text(noted[3], "parentSpanId"), text(noted[2], "spanId"));
  EXPECT_EQ(noted[4].at("status").at("code").as_int64(), 2);  // an exception went through it
  EXPECT_FALSE(noted[1].as_object().contains("status"));
  for (const json::value& span : noted) {
    EXPECT_EQ(text(span, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(text(span, "traceState"), "congo=t61rcWkgMzE");
    EXPECT_LE(std::stoll(text(span, "startTimeUnixNano")), std::stoll(text(span, "endTimeUnixNano")));
  }
  struct stat status {};
  ASSERT_EQ(::stat((directory_.path() + "/" + files().at(0)).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(TraceTest, IsNothingWithoutAContextThatAsksForIt) {
  for (const char* parent : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "nonsense"}) {
    ::setenv("TRACEPARENT", parent, 1);
    const Trace trace(directory_.path());
    const Span call("bridge", "ADD");
    std::vector<std::string> environment{"TRACEPARENT=as it was"};
    hand_on(environment);
    EXPECT_THAT(environment, ::testing::ElementsAre("TRACEPARENT=as it was")) << parent;
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(TraceTest, HandsOnTheSpanAtHand) {
  ::setenv("TRACESTATE", "not a list", 1);
  std::vector<std::string> environment{"TRACEPARENT=old", "TRACESTATE=old", "BAGGAGE=kept", "PATH=/bin"};
  {
    const Trace trace(directory_.path());
    const Span call("bridge", "ADD");
    const Span delegate("dhcp", "ADD");
    hand_on(environment);
  }
  ASSERT_THAT(environment, SizeIs(3));  // a list that is none is not handed on
  EXPECT_THAT(environment, AllOf(Contains("BAGGAGE=kept"), Contains("PATH=/bin")));
  EXPECT_EQ(environment.back(),
            "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-" + text(spans().at(1), "spanId") + "-01");
}

TEST_F(TraceTest, LeavesNothingWhereNobodyWantsSpans) {
  const std::string missing = directory_.path() + "/missing";
  {
    const Trace trace(missing);
    const Span call("bridge", "ADD");
  }
  EXPECT_FALSE(fs::exists(missing));
}

TEST_F(TraceTest, IsBounded) {
  {
    const Trace trace(directory_.path());
    const Span call("bridge", "ADD");
    for (std::size_t i = 0; i < kMostSpans + 10; ++i) {
      Span step("netlink");
      step.set("barewire.what", std::string(100'000, 'x'));
    }
  }
  EXPECT_THAT(spans(), SizeIs(kMostSpans));
  EXPECT_EQ(json::parse(read_file(directory_.path() + "/" + files().at(0)).value()).at("droppedSpans").as_int64(), 11);
  EXPECT_LE(fs::file_size(directory_.path() + "/" + files().at(0)), kLargestFile);
  for (std::size_t i = files().size(); i < kMostFiles; ++i)
    write_file_atomically(directory_.path() + "/" + std::to_string(i), "", Durability::until_reboot);
  {
    const Trace trace(directory_.path());
    const Span call("bridge", "ADD");
  }
  EXPECT_THAT(files(), SizeIs(kMostFiles));
}

TEST_F(TraceTest, SurvivesADirectoryThatIsNone) {
  const std::string file = directory_.path() + "/file";
  write_file_atomically(file, "x", Durability::until_reboot);
  {
    const Trace trace(file);
    const Span call("bridge", "ADD");
  }
  EXPECT_EQ(read_file(file), "x");
}

}  // namespace
}  // namespace barewire::trace
