// SPDX-License-Identifier: Apache-2.0
/// The journal and the metrics of a node, as an administrator and Prometheus get at them.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <regex>
#include <set>

#include "core/fd.h"
#include "core/journal.h"
#include "core/unix_socket.h"
#include "tests/plugin/device-manager/admin_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kJournal = "/var/lib/cni/barewire/journal";

class HistoryTest : public AdminTest {
 protected:
  static std::vector<journal::Event> events() { return journal::read(kJournal).events; }
  PluginResult attach_missing(const std::string& pod) {
    return runner_.add("host-device", config("nowhere0"), call(pod));
  }
};

TEST_F(HistoryTest, TellsOfAPodThatIsGone) {
  attach("web-0", "h0");
  ASSERT_TRUE(runner_.del("host-device", config("h0"), call("web-0")).ok());
  const CommandResult shown = barewire({"history", "default/web-0"});
  EXPECT_EQ(shown.exit_status, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("attach"), HasSubstr("detach"), HasSubstr("host-device"), HasSubstr("blue")));
  const auto document = barewire_json({"history", "web-0", "--since", "1h"});
  ASSERT_EQ(document.at("events").as_array().size(), 2U);
  EXPECT_EQ(document.at("events").at(0).at("event").as_string(), "attach");
  EXPECT_EQ(document.at("events").at(0).at("cause").as_string(), "runtime");
  EXPECT_THAT(barewire({"history", "web-1"}).out, HasSubstr("Nothing is recorded"));
  EXPECT_EQ(barewire({"history", "--since", "yesterday"}).exit_status, 2);
}

TEST_F(HistoryTest, SaysWhyAPodFailedAndWhetherItStillDoes) {
  make_netns("web-0");
  const PluginResult refused = attach_missing("web-0");
  ASSERT_FALSE(refused.ok());
  CommandResult why = barewire({"why", "default/web-0"});
  EXPECT_EQ(why.exit_status, 1);
  EXPECT_THAT(why.out, AllOf(HasSubstr(refused.msg()), HasSubstr("default/web-0: ADD of host-device in network blue")));
  must_run("ip link add h0 type veth peer name peer");
  ASSERT_TRUE(runner_.add("host-device", config("h0"), call("web-0")).ok());
  why = barewire({"why", "web-0"});
  EXPECT_EQ(why.exit_status, 0);
  EXPECT_THAT(why.out, HasSubstr("It has succeeded since"));
  EXPECT_EQ(barewire({"why", "default/other"}).exit_status, 1);
}

TEST_F(HistoryTest, SaysWhoHadADevice) {
  attach("web-0", "h0");
  EXPECT_THAT(barewire({"who", "h0"}).out, HasSubstr("default/web-0 had h0"));
  const CommandResult before = barewire({"who", "h0", "--at", "2001-01-01"});
  EXPECT_EQ(before.exit_status, 1);
  EXPECT_THAT(before.out, HasSubstr("is not known"));
  ASSERT_TRUE(runner_.del("host-device", config("h0"), call("web-0")).ok());
  EXPECT_THAT(barewire({"who", "h0"}).out, HasSubstr("Nobody had h0"));
}

TEST_F(HistoryTest, TellsWhatIsReaped) {
  attach("web-0", "h0");
  delete_netns("web-0");
  ASSERT_EQ(barewire({"gc", "--own-pid-namespace", "--min-age", "0"}).exit_status, 0);
  ASSERT_THAT(events(), SizeIs(2));
  const journal::Event reaped = events().back();
  EXPECT_EQ(reaped.kind, journal::Kind::reap);
  EXPECT_EQ(reaped.cause, "barewire");
  EXPECT_EQ(reaped.pod, "web-0");
}

TEST_F(HistoryTest, TellsOfDriftThatACheckFinds) {
  make_netns("web-0");
  must_run("ip link add h0 type veth peer name peer");
  const PluginResult added = runner_.add("host-device", config("h0"), call("web-0"));
  ASSERT_TRUE(added.ok()) << added;
  must_run_in("/run/netns/web-0", "ip link set net1 name other");
  std::string with_previous = config("h0");
  with_previous.insert(with_previous.rfind('}'), ",\"prevResult\":" + added.out);
  EXPECT_EQ(runner_.check("host-device", with_previous, call("web-0")).code(), 104);
  ASSERT_THAT(events(), SizeIs(2));
  EXPECT_EQ(events().back().kind, journal::Kind::drift);
  EXPECT_EQ(events().back().command, "CHECK");
  EXPECT_EQ(events().back().code, 104);
  EXPECT_THAT(barewire({"why", "default/web-0"}).out, HasSubstr("CHECK of host-device"));
}

TEST_F(HistoryTest, ShowsTheNewestAlone) {
  for (const char* pod : {"web-0", "web-1", "web-2"}) attach(pod, "h" + std::string(pod).substr(4));
  const auto document = barewire_json({"history", "--last", "2"});
  ASSERT_EQ(document.at("events").as_array().size(), 2U);
  EXPECT_EQ(document.at("events").at(0).at("pod"), "web-1");
  EXPECT_EQ(barewire_json({"history", "web-0", "--last", "2"}).at("events").as_array().size(), 1U);
  EXPECT_EQ(barewire({"history", "--last", "0"}).exit_status, 2);
}

TEST_F(HistoryTest, NoCallFailsForAJournalThatCannotBeWritten) {
  const auto add_and_del = [&](const std::string& place) {
    must_run("ip link del h0 2>/dev/null; ip netns del web-0 2>/dev/null; true");
    attach("web-0", "h0");
    EXPECT_TRUE(runner_.del("host-device", config("h0"), call("web-0")).ok()) << place;
    EXPECT_THAT(events(), IsEmpty()) << place;
    delete_netns("web-0");
  };
  std::filesystem::create_directories("/var/lib/cni/barewire");
  write_text(kJournal, "a file in the directory's place");
  add_and_del("a file");
  std::filesystem::remove(kJournal);
  std::filesystem::create_directories(kJournal);
  must_run(fmt::format("mkfifo {}/events", kJournal));
  add_and_del("a FIFO that nobody reads");
  must_run(fmt::format("rm {0}/events; mount -t tmpfs -o size=4k,nr_inodes=2 none {0}", kJournal));
  must_run(fmt::format("head -c 4096 /dev/zero > {}/full", kJournal));
  add_and_del("a full disk");
}

TEST_F(HistoryTest, ATornTailIsPassedOverAndSaid) {
  attach("web-0", "h0");
  const std::string events_file = std::string(kJournal) + "/events";
  std::filesystem::resize_file(events_file, std::filesystem::file_size(events_file) - 20);
  attach("web-1", "h1");
  const CommandResult shown = barewire({"history"});
  EXPECT_THAT(shown.out, AllOf(HasSubstr("web-1"), Not(HasSubstr("web-0"))));
  EXPECT_THAT(shown.err, HasSubstr("1 lines of the journal are torn"));
}

/// What is wrong with a page in Prometheus' text format; empty: nothing.
/// Source: prometheus.io, "Exposition formats".
std::string fault_of(const std::string& page) {
  static const std::regex kHelp("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\\n]*"),
      kType("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)"),
      kSample(
          "([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{([a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\\\n]|\\\\[\\\\n\"])*\",?)*\\})? "
          "([0-9]+(\\.[0-9]+)?(e-?[0-9]+)?)");
  std::set<std::string> families, samples;
  std::string family;
  std::smatch match;
  if (!page.ends_with('\n')) return "no newline at the end";
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, kHelp)) {
      if (!families.insert(family = match[1]).second) return "a family comes twice: " + line;
    } else if (std::regex_match(line, match, kType)) {
      if (match[1] != family) return "a type of another family: " + line;
    } else if (std::regex_match(line, match, kSample)) {
      const std::string rest =
          match[1].str().substr(0, family.size()) == family ? match[1].str().substr(family.size()) : "?";
      if (rest != "" && rest != "_bucket" && rest != "_sum" && rest != "_count")
        return "a sample of no family: " + line;
      if (!samples.insert(line.substr(0, line.rfind(' '))).second) return "a sample comes twice: " + line;
    } else {
      return "no line of the format: " + line;
    }
  }
  return families.empty() ? "no family" : "";
}

TEST_F(HistoryTest, MetricsAreWhatPrometheusReads) {
  attach("web-0", "h0");
  attach_missing("web-0");
  const CommandResult printed = barewire({"metrics"});
  EXPECT_EQ(printed.err, "");
  EXPECT_EQ(printed.exit_status, 0);
  EXPECT_EQ(fault_of(printed.out), "");
  EXPECT_EQ(std::filesystem::status(std::string(kJournal) + "/totals.json").permissions(),
            std::filesystem::perms(0600));
  for (const char* line :
       {"barewire_attachments{plugin=\"host-device\"} 1\n", "barewire_events_total{event=\"attach\"} 1\n",
        "barewire_events_total{event=\"refusal\"} 1\n", "barewire_collector_success{collector=\"journal\"} 1\n",
        "barewire_device_attachment{pciAddr=\"h0\",namespace=\"default\",pod=\"web-0\",network=\"blue\",interface="
        "\"net1\","
        "plugin=\"host-device\"} 1\n",
        "barewire_cni_call_duration_seconds_count{plugin=\"host-device\",command=\"ADD\",code=\"0\"} 1\n"})
    EXPECT_THAT(printed.out, HasSubstr(line));
  EXPECT_EQ(barewire({"metrics", "--output", "/run/barewire.prom"}).exit_status, 0);
  EXPECT_EQ(fault_of(read_file("/run/barewire.prom").value_or("")), "");
  EXPECT_EQ(fault_of("a 1\n"), "a sample of no family: a 1") << "the test can fail";
  EXPECT_NE(fault_of("# HELP a b\n# TYPE a gauge\na{b=\"c\"d\"} 1\n"), "");
}

TEST_F(HistoryTest, ADamagedRecordTakesNothingElseAway) {
  attach("web-0", "h0");
  write_text("/run/barewire/attachments/blue/x@eth0.bridge.json", "{");
  const CommandResult printed = barewire({"metrics"});
  EXPECT_EQ(printed.exit_status, 1);
  EXPECT_THAT(printed.out, AllOf(HasSubstr("barewire_unreadable_records 1\n"),
                                 HasSubstr("barewire_collector_success{collector=\"records\"} 0\n"),
                                 HasSubstr("barewire_attachments{plugin=\"host-device\"} 1\n")));
}

/// What barewired answers on its port; empty while nobody listens.
std::string get(const std::string& path) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9808);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  write_all(fd.get(), request, "a request");
  return read_all(fd.get(), "the answer");
}

TEST_F(HistoryTest, TheDaemonServesThem) {
  attach("web-0", "h0");
  ChildProcess barewired(command_of(
      built_program("barewired"), {"--own-pid-namespace", "--interval", "3600", "--metrics-listen", "127.0.0.1:9808"}));
  EXPECT_TRUE(within(std::chrono::seconds(20), [] { return !get("/healthz").empty(); }));
  EXPECT_THAT(get("/healthz"), HasSubstr("200 OK"));
  const std::string answer = get("/metrics");
  EXPECT_THAT(answer, HasSubstr("barewire_attachments{plugin=\"host-device\"} 1\n"));
  EXPECT_EQ(fault_of(answer.substr(answer.find("\r\n\r\n") + 4)), "");
  // Local addresses alone: ss shows of each listener also that anybody may call.
  EXPECT_EQ(must_run("ss -Hltn | awk '{print $4}'"), "127.0.0.1:9808\n");
  barewired.signal(SIGTERM);
  EXPECT_EQ(barewired.wait(std::chrono::seconds(20)).exit_status, 0);
}

TEST_F(HistoryTest, TheDaemonAnswersWhileTheSwitchesDatabaseHangs) {
  std::filesystem::create_directories("/run/openvswitch");
  const Fd database(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address("/run/openvswitch/db.sock");
  ASSERT_EQ(::bind(database.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(database.get(), 8), 0);  // and never a word
  ChildProcess barewired(command_of(
      built_program("barewired"), {"--own-pid-namespace", "--interval", "3600", "--metrics-listen", "127.0.0.1:9808"}));
  EXPECT_TRUE(within(std::chrono::seconds(20), [] { return !get("/healthz").empty(); }));
  std::atomic<bool> answered = false;
  std::string page;
  std::thread scrape([&] {
    page = get("/metrics");
    answered = true;
  });
  EXPECT_THAT(get("/healthz"), HasSubstr("200 OK"));
  EXPECT_FALSE(answered) << "the switch was not asked";
  scrape.join();
  EXPECT_THAT(page, AllOf(HasSubstr("barewire_collector_success{collector=\"switch\"} 0\n"),
                          HasSubstr("barewire_collector_success{collector=\"records\"} 1\n")));
}

TEST_F(HistoryTest, TheDaemonListensNowhereElse) {
  for (const char* wrong : {"0.0.0.0:9808", ":9808", "example.org:80"})
    EXPECT_EQ(run(command_of(built_program("barewired"), {"--once", "--metrics-listen", wrong})).exit_status, 2)
        << wrong;
}

}  // namespace
}  // namespace barewire::test
