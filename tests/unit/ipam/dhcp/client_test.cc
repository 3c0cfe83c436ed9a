// SPDX-License-Identifier: Apache-2.0
#include "ipam/dhcp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fd.h"
#include "ipam/dhcp/daemon_options.h"
#include "tests/unit/ipam/dhcp/dhcp_messages.h"

namespace barewire::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using State = Client::State;

constexpr Time kStart = 1000s;

Identity pod() {
  Identity identity;
  identity.hardware = kPodMac;
  identity.client_identifier = client_identifier("net", "cid", "eth0");
  identity.config.requested = {kRouters, kSubnetMask};
  identity.config.provided = {{kHostName, {'p'}}};
  return identity;
}

class DhcpClient : public ::testing::Test {
 protected:
  Client::Random random() {
    return [this] { return ++random_; };
  }
  Client fresh() { return Client(pod(), timing_, random(), kStart); }
  /// Bound at kStart, for 100 s: renewal after 50, rebinding after 85.
  Client bound() {
    Client client = fresh();
    const auto discover = client.advance(kStart);
    const auto request = client.receive(answer_to(discover->message, MessageType::offer), kStart);
    client.receive(answer_to(request->message, MessageType::ack), kStart);
    EXPECT_EQ(client.state(), State::bound);
    return client;
  }
  /// What is sent until `end`, by letting time run from one deadline to the next.
  static std::vector<Client::Sending> run(Client& client, Time end) {
    std::vector<Client::Sending> sent;
    for (auto due = client.deadline(); due && *due <= end; due = client.deadline())
      if (auto sending = client.advance(*due)) sent.push_back(*sending);
    return sent;
  }
  Timing timing_;
  std::uint32_t random_ = 0;
};

TEST_F(DhcpClient, DiscoversAndAsksForWhatItIsOffered) {
  Client client = fresh();
  const auto discover = client.advance(kStart);
  ASSERT_TRUE(discover);
  EXPECT_FALSE(discover->to_server);
  EXPECT_EQ(discover->message.type(), MessageType::discover);
  EXPECT_EQ(discover->message.options.at(kClientIdentifier), client_identifier("net", "cid", "eth0"));
  EXPECT_EQ(discover->message.options.at(kParameterRequestList), (Bytes{kRouters, kSubnetMask}));
  EXPECT_EQ(discover->message.options.at(kHostName), Bytes{'p'});
  const auto request = client.receive(answer_to(discover->message, MessageType::offer), kStart + 1s);
  ASSERT_TRUE(request);
  EXPECT_EQ(client.state(), State::requesting);
  EXPECT_EQ(request->message.type(), MessageType::request);
  EXPECT_EQ(request->message.address(kRequestedAddress), v4("10.0.0.9"));
  EXPECT_EQ(request->message.address(kServerIdentifier), v4("10.0.0.1"));
  EXPECT_TRUE(request->message.client.is_unspecified());
  EXPECT_FALSE(client.receive(answer_to(request->message, MessageType::ack), kStart + 2s));
  EXPECT_EQ(client.state(), State::bound);
  EXPECT_EQ(client.granted(), kStart + 1s) << "the lease runs from the request";
  EXPECT_EQ(client.deadline(), kStart + 51s);
}

TEST_F(DhcpClient, IgnoresWhatIsNotForIt) {
  Client client = fresh();
  const auto discover = client.advance(kStart);
  const Message good = answer_to(discover->message, MessageType::offer);
  const auto ignored = [&](auto change) {
    Message message = good;
    change(message);
    return !client.receive(message, kStart) && client.state() == State::selecting;
  };
  EXPECT_TRUE(ignored([](Message& m) { m.transaction ^= 1; }));
  EXPECT_TRUE(ignored([](Message& m) { m.hardware = MacAddress({2, 0, 0, 0, 0, 8}); }));
  EXPECT_TRUE(ignored([](Message& m) { m.from_server = false; }));
  EXPECT_TRUE(ignored([](Message& m) { m.options.erase(kMessageType); }));
  EXPECT_TRUE(ignored([](Message& m) { m.options.erase(kSubnetMask); })) << "another server may do better";
  EXPECT_TRUE(ignored([](Message& m) { m.set_type(MessageType::ack); })) << "nothing was asked for";
  EXPECT_TRUE(client.receive(good, kStart));
}

TEST_F(DhcpClient, TakesTheAnswerOfTheChosenServerAlone) {
  Client client = fresh();
  const auto discover = client.advance(kStart);
  const auto request = client.receive(answer_to(discover->message, MessageType::offer), kStart);
  Message foreign = answer_to(request->message, MessageType::ack);
  foreign.set_address(kServerIdentifier, v4("10.0.0.2"));
  client.receive(foreign, kStart);
  EXPECT_EQ(client.state(), State::requesting);
  foreign.set_type(MessageType::nak);
  client.receive(foreign, kStart);
  EXPECT_EQ(client.state(), State::requesting);
}

TEST_F(DhcpClient, RepeatsWithGrowingPausesThenGivesUp) {
  Client client = fresh();
  std::vector<Time> pauses;
  Time last = kStart;
  for (auto due = client.deadline(); due; due = client.deadline()) {
    const Time now = *due;
    if (client.advance(now)) pauses.push_back(now - last);
    last = now;
  }
  EXPECT_EQ(client.state(), State::failed);
  EXPECT_EQ(last, kStart + timing_.resend_timeout);
  EXPECT_EQ(client.reason(), "no DHCP server answered");
  ASSERT_GE(pauses.size(), 8U);
  EXPECT_LE(pauses.size(), 12U);
  for (const Time pause : pauses) EXPECT_LE(pause, timing_.resend_max + 1s);
  EXPECT_GT(pauses.back(), 20s);
}

TEST_F(DhcpClient, StartsOverWhenTheServerFallsSilentAfterItsOffer) {
  Client client = fresh();
  const auto discover = client.advance(kStart);
  client.receive(answer_to(discover->message, MessageType::offer), kStart);
  const auto sent = run(client, kStart + timing_.timeout);
  ASSERT_GE(sent.size(), 3U);
  EXPECT_EQ(sent.front().message.type(), MessageType::request);
  EXPECT_EQ(sent.back().message.type(), MessageType::discover);
  EXPECT_NE(sent.back().message.transaction, discover->message.transaction);
  EXPECT_FALSE(client.terms());
  run(client, kStart + timing_.resend_timeout);
  EXPECT_EQ(client.state(), State::failed);
  EXPECT_THAT(client.reason(), HasSubstr("10.0.0.1 made an offer, then fell silent"));
}

TEST_F(DhcpClient, PausesAfterARefusalOfWhatWasOffered) {
  Client client = fresh();
  const auto discover = client.advance(kStart);
  const auto request = client.receive(answer_to(discover->message, MessageType::offer), kStart);
  EXPECT_FALSE(client.receive(answer_to(request->message, MessageType::nak), kStart));
  EXPECT_EQ(client.state(), State::selecting);
  EXPECT_GE(*client.deadline(), kStart + 1s);
}

TEST_F(DhcpClient, RenewsWithItsServerThenAsksAllThenLosesTheLease) {
  Client client = bound();
  const auto renew = client.advance(kStart + 50s);
  ASSERT_TRUE(renew);
  EXPECT_TRUE(renew->to_server);
  EXPECT_EQ(renew->message.client, v4("10.0.0.9"));
  EXPECT_FALSE(renew->message.find(kRequestedAddress));
  EXPECT_FALSE(renew->message.find(kServerIdentifier));
  EXPECT_EQ(client.state(), State::renewing);
  for (const auto& sending : run(client, kStart + 84s)) EXPECT_TRUE(sending.to_server);
  const auto rebind = client.advance(kStart + 85s);
  ASSERT_TRUE(rebind);
  EXPECT_FALSE(rebind->to_server);
  EXPECT_EQ(client.state(), State::rebinding);
  run(client, kStart + 100s);
  EXPECT_EQ(client.state(), State::lost);
  EXPECT_FALSE(client.deadline());
  EXPECT_TRUE(client.is_expired(kStart + 100s));
}

TEST_F(DhcpClient, IsRenewedByItsServerAndReboundByAnother) {
  Client client = bound();
  const auto renew = client.advance(kStart + 50s);
  client.receive(answer_to(renew->message, MessageType::ack), kStart + 51s);
  EXPECT_EQ(client.state(), State::bound);
  EXPECT_EQ(client.deadline(), kStart + 100s) << "half of the new lease after the request for it";
  run(client, kStart + 130s);
  const auto rebind = client.advance(kStart + 135s);
  ASSERT_EQ(client.state(), State::rebinding);
  Message other = answer_to(rebind->message, MessageType::ack);
  other.set_address(kServerIdentifier, v4("10.0.0.2"));
  client.receive(other, kStart + 135s);
  EXPECT_EQ(client.state(), State::bound);
  EXPECT_EQ(client.terms()->server, v4("10.0.0.2"));
}

TEST_F(DhcpClient, NeverRenewsALeaseWithoutEnd) {
  Client client = fresh();
  const auto discover = client.advance(kStart);
  const auto request = client.receive(answer_to(discover->message, MessageType::offer, 0xffffffff), kStart);
  client.receive(answer_to(request->message, MessageType::ack, 0xffffffff), kStart);
  EXPECT_EQ(client.state(), State::bound);
  EXPECT_FALSE(client.deadline());
}

TEST_F(DhcpClient, AsksForTheSameAddressWhenTheServerForgotIt) {
  Client client = bound();
  const auto renew = client.advance(kStart + 50s);
  client.receive(answer_to(renew->message, MessageType::nak), kStart + 50s);
  EXPECT_EQ(client.state(), State::recovering);
  const auto discover = client.advance(kStart + 50s);
  ASSERT_TRUE(discover);
  EXPECT_EQ(discover->message.address(kRequestedAddress), v4("10.0.0.9"));
  Message other = answer_to(discover->message, MessageType::offer);
  other.yours = v4("10.0.0.10");
  EXPECT_FALSE(client.receive(other, kStart + 50s)) << "the pod has another";
  const auto request = client.receive(answer_to(discover->message, MessageType::offer), kStart + 50s);
  ASSERT_TRUE(request);
  client.receive(answer_to(request->message, MessageType::ack), kStart + 50s);
  EXPECT_EQ(client.state(), State::bound);
}

TEST_F(DhcpClient, LosesTheLeaseWhenTheServerHasAnotherAddress) {
  Client client = bound();
  const auto renew = client.advance(kStart + 50s);
  client.receive(answer_to(renew->message, MessageType::nak), kStart + 50s);
  const auto discover = client.advance(kStart + 50s);
  Message other = answer_to(discover->message, MessageType::offer);
  other.yours = v4("10.0.0.10");
  client.receive(other, kStart + 50s);
  run(client, kStart + 100s);
  EXPECT_EQ(client.state(), State::lost);
  EXPECT_THAT(client.reason(), HasSubstr("10.0.0.10 for the pod instead of 10.0.0.9"));
}

TEST_F(DhcpClient, GoesOnWhereAnEarlierDaemonStopped) {
  const Terms terms = *bound().terms();
  const auto resumed = [&](Time now) { return Client(pod(), timing_, random(), now, terms, kStart); };
  EXPECT_EQ(resumed(kStart + 10s).deadline(), kStart + 50s);
  Client late = resumed(kStart + 90s);
  const auto first = late.advance(kStart + 90s);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->message.type(), MessageType::request) << "past both times: asked for at once";
  Client expired = resumed(kStart + 200s);
  EXPECT_EQ(expired.state(), State::recovering);
  EXPECT_EQ(expired.advance(kStart + 200s)->message.type(), MessageType::discover);
  run(expired, kStart + 200s + timing_.resend_timeout);
  EXPECT_EQ(expired.state(), State::lost) << "not failed: the pod has the address";
}

TEST(DhcpRelease, NamesTheServerAndTheSameClient) {
  Identity identity = pod();
  const Terms terms = Terms::from_ack(answer_to(Message{}, MessageType::ack));
  const Message message = release_message(identity, terms, 5);
  EXPECT_EQ(message.type(), MessageType::release);
  EXPECT_EQ(message.client, v4("10.0.0.9"));
  EXPECT_EQ(message.address(kServerIdentifier), v4("10.0.0.1"));
  EXPECT_EQ(message.options.at(kClientIdentifier), identity.client_identifier);
  identity.config.provided[kClientIdentifier] = {1, 2};
  EXPECT_EQ(release_message(identity, terms, 5).options.at(kClientIdentifier), (Bytes{1, 2})) << "as it was asked for";
}

TEST(DhcpClientIdentifier, IsTheReferencePluginsAndFitsAnOption) {
  const Bytes identifier = client_identifier("net", "cid", "eth0");
  EXPECT_EQ(std::string(identifier.begin(), identifier.end()), std::string("\0cid/net/eth0", 13));
  EXPECT_EQ(client_identifier("net", std::string(400, 'c'), "eth0").size(), 255U);
}

TEST(DhcpOptionName, IsANameOrANumber) {
  EXPECT_EQ(parse_option("host-name"), 12);
  EXPECT_EQ(parse_option("121"), 121);
  for (const char* text : {"", "0", "255", "256", "-1", "12x", "hostname"}) EXPECT_FALSE(parse_option(text)) << text;
}

DaemonOptions options_of(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return DaemonOptions::parse(pointers);
}

TEST(DhcpDaemonOptions, AreWrittenAsForTheReferenceDaemon) {
  const auto options = options_of({"-pidfile", "/run/d.pid", "--hostprefix=/host", "-socketpath=/run/x.sock",
                                   "-broadcast", "-timeout=1m30s", "-resendmax", "500ms", "-resendtimeout", "2h"});
  EXPECT_EQ(options.pid_file, "/run/d.pid");
  EXPECT_EQ(options.host_prefix, "/host");
  EXPECT_EQ(options.socket_path, "/run/x.sock");
  EXPECT_TRUE(options.timing.broadcast);
  EXPECT_EQ(options.timing.timeout, 90s);
  EXPECT_EQ(options.timing.resend_max, 500ms);
  EXPECT_EQ(options.timing.resend_timeout, 2h);
  EXPECT_FALSE(options_of({"-broadcast=false"}).timing.broadcast);
  EXPECT_TRUE(options_of({"-h"}).help);
}

TEST(DhcpPage, DescribesEveryKeyAndFlag) {
  const std::string page = *read_file(BAREWIRE_SOURCE_DIR "/docs/configuration/dhcp.md");
  for (const char* key : {"daemonSocketPath", "provide", "provide[].option", "provide[].value", "provide[].fromArg",
                          "request", "request[].skipDefault", "priority", "suppress"})
    EXPECT_THAT(page, HasSubstr(fmt::format("| `ipam.{}` |", key)));
  const std::string usage = daemon_usage();
  int flags = 0;
  for (std::size_t at = usage.find("\n  -"); at != std::string::npos; at = usage.find("\n  -", at + 1), ++flags)
    EXPECT_THAT(page, HasSubstr(fmt::format("| `{}` |", usage.substr(at + 3, usage.find(' ', at + 3) - at - 3))));
  EXPECT_EQ(flags, 7);
}

TEST(DhcpDaemonOptions, AreRefusedByName) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {{{"-nothing"}, "-nothing"},
                                                                               {{"pidfile"}, "pidfile"},
                                                                               {{"-timeout"}, "-timeout"},
                                                                               {{"-timeout", "10"}, "\"10\""},
                                                                               {{"-timeout", "-1s"}, "\"-1s\""},
                                                                               {{"-resendmax=0"}, "-resendmax"},
                                                                               {{"-pidfile=x"}, "-pidfile"},
                                                                               {{"-broadcast=7"}, "\"7\""},
                                                                               {{"-socketpath", "x"}, "-socketpath"},
                                                                               {{"-timeout", "1e400s"}, "e400"},
                                                                               {{"-"}, "\"-\""}};
  for (const auto& [arguments, named] : wrong) {
    try {
      options_of(arguments);
      ADD_FAILURE() << arguments[0] << " was taken";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(named));
    }
  }
}

}  // namespace
}  // namespace barewire::test
