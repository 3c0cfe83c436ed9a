// SPDX-License-Identifier: Apache-2.0
#include "device-manager/daemon/page_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include <boost/json/parse.hpp>
#include <future>
#include <thread>

#include "core/journal.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/within.h"

namespace barewire::daemon {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Pace, LooksAfterAChangeAndNowAndThenButATenthOfTheTimeAtMost) {
  Pace pace;
  Pace::Time now{};
  EXPECT_TRUE(pace.is_due(now)) << "nobody has looked yet";
  pace.begin(now);
  pace.end(now += milliseconds(100));
  EXPECT_FALSE(pace.is_due(now + milliseconds(5000)));
  EXPECT_TRUE(pace.is_due(now + Pace::kLongest));
  pace.on_change();
  EXPECT_FALSE(pace.is_due(now + milliseconds(899)));
  EXPECT_TRUE(pace.is_due(now + milliseconds(900)));
  pace.begin(now);
  pace.on_change();
  pace.end(now);
  EXPECT_TRUE(pace.is_due(now)) << "what changed meanwhile is looked at again";
}

/// A daemon's page over a node of one PF with two VFs.
class Page : public ::testing::Test {
 protected:
  Page() {
    sysfs_.add({.address = "0000:01:00.0", .driver = "igb", .netdev = "", .total_vfs = 7});
    for (int id = 0; id < 2; ++id) {
      const std::string address = fmt::format("0000:01:10.{}", id);
      sysfs_.add({.address = address, .driver = "vfio-pci", .netdev = ""});
      sysfs_.join("0000:01:00.0", id, address);
    }
    page_.emplace(node_, state_.path() + "/none.json", log_, loop_);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Page() override {
    for (const Route& route : page_->routes())
      if (route.events != nullptr) route.events->close();
    loop_.post([this] { loop_.stop(); });
    thread_.join();
    page_.reset();
  }
  Route route(const std::string& path) {
    for (Route& each : page_->routes())
      if (each.path == path) return each;
    throw std::runtime_error("no such route");
  }
  Answer ask(const std::string& path, const std::string& argument = {}) {
    const auto answer = std::make_shared<std::promise<Answer>>();
    route(path).later(argument, [answer](Answer given) { answer->set_value(std::move(given)); });
    return answer->get_future().get();
  }

  test::FakeSysfs sysfs_;
  const test::PrivateDirectory state_;
  const Node node_{.sysfs = sysfs_.root(), .run_dir = state_.path() + "/run", .cni_state_dir = state_.path() + "/lib"};
  std::shared_ptr<spdlog::logger> log_ =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>());
  EventLoop loop_{[](std::string_view) {}};
  std::optional<PageSide> page_;
  std::thread thread_;
};

TEST_F(Page, IsThreeFilesThatNameNothingElsewhere) {
  for (const char* path : {"/", "/page.css", "/page.js"}) {
    const Answer answer = route(path).now();
    EXPECT_EQ(answer.status, 200U);
    EXPECT_GT(answer.body->size(), 1000U) << path;
    EXPECT_THAT(*answer.body, Not(HasSubstr("http"))) << path;
    EXPECT_THAT(*answer.body, Not(HasSubstr("innerHTML"))) << path;
  }
}

TEST_F(Page, TellsTheNode) {
  const Answer answer = ask("/node.json");
  EXPECT_EQ(answer.content_type, "application/json");
  const auto document = boost::json::parse(*answer.body);
  EXPECT_EQ(document.at("numaNodes").at(0).at("pfs").at(0).at("vfs").at(1).at("state").as_string(), "free");
}

TEST_F(Page, TellsTheHistoryOfAVf) {
  EXPECT_EQ(ask("/history").status, 400U);
  EXPECT_EQ(ask("/history", std::string(257, 'x')).status, 400U);
  EXPECT_THAT(*ask("/history", "0000:01:10.0").body, HasSubstr("\"events\":[]"));
  const std::string line = journal::to_line({.kind = journal::Kind::attach, .pod = "web-0", .device = "0000:01:10.0"});
  state_.write("lib/barewire/journal/events", line + "torn\n");
  std::filesystem::permissions(state_.path() + "/lib/barewire/journal/events", std::filesystem::perms(0600));
  const auto document = boost::json::parse(*ask("/history", "0000:01:10.0").body);
  ASSERT_EQ(document.at("events").as_array().size(), 1U);
  EXPECT_EQ(document.at("events").at(0).at("pod").as_string(), "web-0");
  EXPECT_EQ(document.at("damagedLines").to_number<int>(), 1);
  EXPECT_THAT(*ask("/history", "0000:01:10.1").body, HasSubstr("\"events\":[]"));
}

TEST_F(Page, LooksWhileSomebodyListensAndTellsAChange) {
  EventStream& events = *route("/events").events;
  const auto listener = events.join({[] {}, [] {}});
  std::string text, piece(4096, ' ');
  const auto told = [&](const std::string& what) {
    const auto read = events.read(*listener, piece.data(), piece.size());
    text.append(piece, 0, read.size);
    return text.find(what) != std::string::npos;
  };
  EXPECT_TRUE(test::within(std::chrono::seconds(30), [&] { return told("\"state\":\"free\""); })) << text;
  sysfs_.tree().link("bus/pci/devices/0000:01:10.1/driver", "../../../../bus/pci/drivers/iavf");
  loop_.post([this] { page_->on_change(); });
  EXPECT_TRUE(test::within(std::chrono::seconds(30), [&] { return told("in_use_elsewhere"); })) << text;
  events.leave(listener);
}

}  // namespace
}  // namespace barewire::daemon
