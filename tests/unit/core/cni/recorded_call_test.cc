// SPDX-License-Identifier: Apache-2.0
#include "core/cni/recorded_call.h"

#include <gmock/gmock.h>

#include "core/cni/delegate.h"
#include "core/cni/plugin.h"
#include "core/state/store.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::cni {
namespace {

using journal::Kind;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kVf = "0000:01:10.0";
constexpr const char* kPf = "0000:01:00.0";

state::Attachment attachment_of(const Request& request, const char* plugin) {
  state::Attachment attachment;
  attachment.id = state::attachment_id(request, plugin);
  attachment.pod = {"default", "web-0", ""};
  return attachment;
}

Result add_claiming(const Request& request, Node& node) {
  state::Store store(node.run_dir);
  store.save(attachment_of(request, "claiming"));
  EXPECT_TRUE(store.claim(kVf, state::attachment_id(request, "claiming")));
  return {};
}
void take_down(const Request& request, Node& node) {
  state::Store store(node.run_dir);
  store.release(kVf, state::attachment_id(request, "claiming"));
  store.remove(state::attachment_id(request, "claiming"));
}
void collect(const Request& request, Node& node) {
  state::Store store(node.run_dir);
  for (const auto& attachment : store.list(request.conf.name, nullptr)) store.remove(attachment.id);
}
Result add_delegating(const Request& request, Node& node) {
  return ipam_add(request, node);
}
Result add_failing(const Request&, Node&) {
  throw Error(Error::Code::held, "0000:01:10.0 is held by default/web-1", "delete that pod");
}
void fail(const Request&, Node&) {
  throw Error(Error::Code::kernel, "refused");
}
Result give_address(const Request&, Node&) {
  Result result;
  result.ips = {{.address = *IpPrefix::parse("10.1.2.3/24")}};
  return result;
}

const std::array<Plugin, 4> kPlugins = {{
    {.name = "claiming", .about = "", .add = add_claiming, .del = take_down, .gc = collect},
    {.name = "failing", .about = "", .add = add_failing, .del = fail, .check = fail, .gc = fail, .status = fail},
    {.name = "delegating", .about = "", .add = add_delegating},
    {.name = "addresses", .about = "", .add = give_address, .role = Plugin::Role::gives_addresses},
}};

class RecordedCallTest : public ::testing::Test {
 protected:
  RecordedCallTest() {
    sysfs_.add({.address = kPf, .driver = "igb", .netdev = "eth0", .total_vfs = 7});
    sysfs_.add({.address = kVf, .driver = "igbvf", .netdev = ""});
    sysfs_.join(kPf, 0, kVf);
    journal::record_in(journal());
  }
  ~RecordedCallTest() override { journal::record_in(""); }
  std::string journal() const { return directory_.path() + "/journal"; }

  std::vector<journal::Event> events_of(const char* plugin, const char* command, const std::string& keys = "") {
    const PluginTable table(kPlugins);
    Node node{.plugins = &table};
    node.sysfs = sysfs_.root();
    node.run_dir = directory_.path() + "/run";
    const Environment environment{.command = command,
                                  .container_id = "pod",
                                  .netns = "/nowhere",
                                  .ifname = "net1",
                                  .path = "/nowhere",
                                  .args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0",
                                  .netns_override = ""};
    const std::size_t before = journal::read(journal()).events.size();
    run(*table.find(plugin), environment, R"({"cniVersion":"1.1.0","name":"fast","type":"x")" + keys + "}", node);
    auto events = journal::read(journal()).events;
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(before));
    return events;
  }

  test::PrivateDirectory directory_;
  test::FakeSysfs sysfs_;
};

TEST_F(RecordedCallTest, AnAddAndADelWithWhatTheyWereAbout) {
  const auto added = events_of("claiming", "ADD");
  ASSERT_THAT(added, SizeIs(1));
  const journal::Event& event = added.front();
  EXPECT_EQ(event.kind, Kind::attach);
  EXPECT_EQ(event.cause, "runtime");
  EXPECT_EQ(event.plugin + " " + event.command + " " + event.network, "claiming ADD fast");
  EXPECT_EQ(event.name_space + "/" + event.pod + " " + event.container + " " + event.ifname, "default/web-0 pod net1");
  EXPECT_EQ(event.device, kVf) << "the plugin chose it: the configuration does not name it";
  EXPECT_EQ(event.pf, kPf);
  EXPECT_TRUE(event.took);
  EXPECT_EQ(event.code, 0);
  const auto deleted = events_of("claiming", "DEL");
  ASSERT_THAT(deleted, ElementsAre(Field(&journal::Event::kind, Kind::detach)));
  EXPECT_EQ(deleted.front().device, kVf);
}

TEST_F(RecordedCallTest, AFailureWithItsCodeAndWords) {
  for (const char* command : {"ADD", "DEL", "CHECK", "GC"}) {
    const auto events = events_of("failing", command, R"(,"deviceID":"0000:01:10.0","cni.dev/valid-attachments":[])");
    ASSERT_THAT(events, ElementsAre(Field(&journal::Event::kind, Kind::refusal))) << command;
    EXPECT_EQ(events.front().command, command);
    EXPECT_EQ(events.front().device, kVf);
  }
  const auto events = events_of("failing", "ADD");
  EXPECT_EQ(events.front().code, 102);
  EXPECT_EQ(events.front().what, "0000:01:10.0 is held by default/web-1");
  EXPECT_EQ(events.front().hint, "delete that pod");
}

TEST_F(RecordedCallTest, ACallThatCannotEvenBeRead) {
  const auto events = events_of("claiming", "ADD", R"(,"name":)");
  ASSERT_THAT(events, ElementsAre(Field(&journal::Event::kind, Kind::refusal)));
  EXPECT_EQ(events.front().pod, "web-0");
  EXPECT_EQ(events.front().network, "");
}

TEST_F(RecordedCallTest, WhatSaysNothingOfAPodIsLeftOut) {
  for (const char* command : {"CHECK", "STATUS", "VERSION"}) EXPECT_THAT(events_of("claiming", command), IsEmpty());
  EXPECT_THAT(events_of("failing", "STATUS"), IsEmpty());
}

TEST_F(RecordedCallTest, ACallWithinACallIsTheOuterOnes) {
  EXPECT_THAT(events_of("delegating", "ADD", R"(,"ipam":{"type":"addresses"})"),
              ElementsAre(Field(&journal::Event::plugin, "delegating")));
  EXPECT_THAT(events_of("addresses", "ADD"), ElementsAre(Field(&journal::Event::plugin, "addresses")))
      << "an IPAM plugin that another suite's plugin calls is called as by a runtime";
}

TEST_F(RecordedCallTest, EachAttachmentThatGcTakesDown) {
  events_of("claiming", "ADD");
  const auto events = events_of("claiming", "GC", R"(,"cni.dev/valid-attachments":[])");
  ASSERT_THAT(events, ElementsAre(Field(&journal::Event::kind, Kind::reap)));
  EXPECT_EQ(events.front().pod, "web-0");
  EXPECT_EQ(events.front().container, "pod");
}

}  // namespace
}  // namespace barewire::cni
