// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/connection.h"

#include <signal.h>
#include <sys/socket.h>

#include <filesystem>

#include "core/unix_socket.h"
#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovsdb::Connection;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConnectionTest : public OvsTest {};

class NoServer : public ::testing::Test {
 protected:
  TempDir directory;
};

TEST_F(NoServer, AMissingSocketIsTryAgainAndSaysWhatIsDown) {
  const Error error = error_of([&] { connect(directory / "db.sock"); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("connecting to the Open vSwitch database at unix:" + (directory / "db.sock")));
  EXPECT_THAT(error.what(), HasSubstr("No such file or directory"));
  EXPECT_THAT(error.hint(), HasSubstr("is Open vSwitch started"));
}

TEST_F(NoServer, ASocketNobodyListensOnIsTryAgainAndSaysWhatIsDown) {
  const Fd bound(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = unix_address(directory / "db.sock");
  ASSERT_EQ(bind(bound.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const Error error = error_of([&] { connect(directory / "db.sock"); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("Connection refused"));
  EXPECT_THAT(error.hint(), HasSubstr("ovsdb-server is down"));
}

TEST_F(NoServer, AFileThatIsNoSocketIsTryAgain) {
  write_text(directory / "db.sock", "text");
  EXPECT_THAT(error_of([&] { connect(directory / "db.sock"); }), HasCode(Error::Code::try_again));
}

TEST_F(NoServer, ASilentServerIsGivenUpAtTheDeadline) {
  const OvsdbRelay silent(directory / "db.sock", "", [](const auto&) {
    return Treatment{Treatment::Kind::stay_silent, {}};
  });
  Connection connection = connect(directory / "db.sock");
  const auto start = ovsdb::Clock::now();
  const Error error = error_of([&] { bridges(connection, within(150ms)); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("no answer in time"));
  EXPECT_LT(ovsdb::Clock::now() - start, 3s);
}

TEST_F(NoServer, AServerThatAlwaysHangsUpIsGivenUpAtTheDeadline) {
  const OvsdbRelay rude(directory / "db.sock", "", [](const auto&) { return Treatment{Treatment::Kind::close, {}}; });
  Connection connection = connect(directory / "db.sock");
  const Error error = error_of([&] { bridges(connection, within(3s)); });  // for three sessions on any machine
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  // The deadline comes either while an answer is awaited or right after a hang-up.
  EXPECT_THAT(error.what(), ::testing::AnyOf(HasSubstr("closed the connection"), HasSubstr("no answer in time")));
  EXPECT_GT(rude.sessions(), 2U);
}

TEST_F(NoServer, AReplyWithoutEndIsGivenUpAtALimit) {
  const std::string endless = R"({"id":0,"error":null,"result":[")" + std::string(24 << 20, 'x');
  const OvsdbRelay fake(directory / "db.sock", "", [&](const auto&) { return Treatment::say(endless); });
  Connection connection = connect(directory / "db.sock");
  const Error error = error_of([&] { bridges(connection, within(20s)); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("a message of more than"));
}

TEST_F(NoServer, AServerThatTalksOfOtherThingsForEverIsGivenUpAtTheDeadline) {
  std::string updates;
  for (int i = 0; i < 20'000; ++i) updates += R"({"id":null,"method":"update","params":["x",{}]})";
  const OvsdbRelay fake(directory / "db.sock", "", [&](const auto&) { return Treatment::say(updates); });
  Connection connection = connect(directory / "db.sock");
  EXPECT_NE(error_of([&] { bridges(connection, within(5s)); }).code(), 0);
}

class Gibberish : public NoServer, public ::testing::WithParamInterface<const char*> {};

TEST_P(Gibberish, IsAnErrorOfItsOwn) {
  const OvsdbRelay fake(directory / "db.sock", "", [](const auto&) { return Treatment::say(GetParam()); });
  Connection connection = connect(directory / "db.sock");
  const Error error = error_of([&] { bridges(connection, within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("not JSON-RPC"));
}

INSTANTIATE_TEST_SUITE_P(Forms, Gibberish,
                         ::testing::Values("HTTP/1.1 400 Bad Request\r\n\r\n", "[1,2,3]", R"({"id":1})",
                                           R"({"id":1,"result":[],"error":null,"more":1})", "{\"a\":\x01}"));

TEST_F(NoServer, AnAnswerToAnotherRequestIsNotTakenForOurs) {
  const OvsdbRelay fake(directory / "db.sock", "", [](const auto& request) {
    return Treatment::say(R"({"id":"other","result":[{"rows":[{"name":"wrong"}]}],"error":null})" +
                          Treatment::answer(request, R"([{"rows":[{"name":"right"}]}])").bytes);
  });
  Connection connection = connect(directory / "db.sock");
  EXPECT_THAT(bridges(connection, within(10s)), ElementsAre("right"));
}

TEST_F(NoServer, TheServersProbesAreAnswered) {
  std::string echoed;
  const OvsdbRelay fake(directory / "db.sock", "", [&](const auto& request) {
    if (!request.contains("method")) {
      echoed = boost::json::serialize(request);
      return Treatment{Treatment::Kind::stay_silent, {}};
    }
    const auto answer = Treatment::answer(request, R"([{"rows":[]}])").bytes;
    return Treatment::say(R"({"method":"echo","params":["are you there"],"id":"echo"})" + answer);
  });
  Connection connection = connect(directory / "db.sock");
  bridges(connection, within(10s));
  bridges(connection, within(10s));
  EXPECT_THAT(echoed, AllOf(HasSubstr("are you there"), HasSubstr(R"("id":"echo")")));
}

TEST_F(NoServer, ALargeAnswerArrivesWhole) {
  std::string rows;
  for (int i = 0; i < 20000; ++i) rows += fmt::format(R"({}{{"name":"bridge number {}"}})", i ? "," : "", i);
  const OvsdbRelay fake(directory / "db.sock", "", [&](const auto& request) {
    return Treatment::answer(request, R"([{"rows":[)" + rows + "]}]");
  });
  Connection connection = connect(directory / "db.sock");
  EXPECT_EQ(bridges(connection, within(10s)).size(), 20000U);
}

TEST_F(ConnectionTest, ReadsOverAUnixSocket) {
  ovs->add_bridge("br0");
  Connection connection = connect(ovs->socket());
  EXPECT_THAT(bridges(connection, within(10s)), ElementsAre("br0"));
}

TEST_F(ConnectionTest, ReachesASocketWhosePathIsLongerThanAnAddressHolds) {
  const std::string deep = ovs->file(std::string(90, 'd')) + "/" + std::string(60, 'e');
  std::filesystem::create_directories(deep);
  std::filesystem::create_symlink(ovs->socket(), deep + "/db.sock");
  Connection connection = connect(deep + "/db.sock");
  EXPECT_THAT(bridges(connection, within(10s)), ElementsAre());
}

TEST_F(ConnectionTest, ReadsOverTcpOfBothFamilies) {
  ovs->kill_ovsdb();
  ovs->start_ovsdb({"ptcp:6640:127.0.0.1", "ptcp:6641:[::1]"});
  for (const char* address : {"tcp:127.0.0.1:6640", "tcp:127.0.0.1", "tcp:[::1]:6641"}) {
    Connection connection = connect(address);
    EXPECT_THAT(bridges(connection, within(10s)), ElementsAre()) << address;
  }
}

TEST_F(ConnectionTest, ATcpPortNobodyListensOnIsTryAgain) {
  const Error error = error_of([] { connect("tcp:127.0.0.1:6650"); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("tcp:127.0.0.1:6650 failed: Connection refused"));
}

TEST_F(ConnectionTest, AServerRestartedBetweenTwoRequestsIsNotNoticed) {
  Connection connection = connect(ovs->socket());
  bridges(connection, within(10s));
  ovs->kill_ovsdb();
  ovs->start_ovsdb();
  EXPECT_THAT(bridges(connection, within(10s)), ElementsAre());
  EXPECT_EQ(connection.session(), 2U);
}

TEST_F(ConnectionTest, AServerThatIsBackBeforeTheDeadlineIsWaitedFor) {
  Connection connection = connect(ovs->socket());
  ovs->kill_ovsdb();
  // A thread would be no place to start the server from: it is killed with the thread that started it.
  std::filesystem::rename(ovs->socket(), ovs->file("aside"));
  std::thread later([&] {
    std::this_thread::sleep_for(200ms);
    std::filesystem::create_symlink(ovs->file("new.sock"), ovs->socket());
  });
  const OvsdbRelay back(ovs->file("new.sock"), "", [](const auto& request) {
    return Treatment::answer(request, R"([{"rows":[{"name":"back"}]}])");
  });
  EXPECT_THAT(bridges(connection, within(10s)), ElementsAre("back"));
  later.join();
}

TEST_F(ConnectionTest, AServerKilledForGoodIsTryAgain) {
  Connection connection = connect(ovs->socket());
  ovs->kill_ovsdb();
  const Error error = error_of([&] { bridges(connection, within(300ms)); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.hint(), HasSubstr("ovsdb-server is down"));
}

TEST_F(ConnectionTest, AReadTheServerHangsUpOnIsRepeated) {
  std::atomic<int> requests = 0;
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [&](const auto&) {
    return ++requests == 1 ? Treatment{Treatment::Kind::close, {}} : Treatment{};
  });
  Connection connection = connect(ovs->file("relay.sock"));
  EXPECT_THAT(bridges(connection, within(10s)), ElementsAre());
  EXPECT_EQ(requests, 2);
}

TEST_F(ConnectionTest, AWriteTheServerHangsUpOnIsNotRepeatedAndSaysSo) {
  std::atomic<int> requests = 0;
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [&](const auto&) {
    ++requests;
    return Treatment{Treatment::Kind::close, {}};
  });
  Connection connection = connect(ovs->file("relay.sock"));
  ovsdb::Transaction write;
  write.mutate("Open_vSwitch", {}, {{"next_cfg", "+=", 1}});
  const Error error = error_of([&] { transact(connection, write, within(10s), "counting"); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.hint(), HasSubstr("may or may not have been carried out"));
  EXPECT_EQ(requests, 1);
}

TEST_F(ConnectionTest, NeitherSignalHandlersNorThreadsNorOutputAreLeftBehind) {
  struct sigaction before[NSIG] = {};
  for (int s = 1; s < NSIG; ++s) sigaction(s, nullptr, &before[s]);
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  {
    Connection connection = connect(ovs->socket());
    bridges(connection, within(10s));
    ovs->kill_ovsdb();
    error_of([&] { bridges(connection, within(50ms)); });
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  for (int s = 1; s < NSIG; ++s) {
    struct sigaction after = {};
    sigaction(s, nullptr, &after);
    EXPECT_EQ(after.sa_handler, before[s].sa_handler) << "signal " << s;
  }
  const auto threads = std::filesystem::directory_iterator("/proc/self/task");
  EXPECT_EQ(std::distance(begin(threads), end(threads)), 1);
}

}  // namespace
}  // namespace barewire::test
