// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ipam/dhcp/dhcp_messages.h"

namespace barewire::test {
namespace {

using ::testing::ElementsAre;

constexpr std::size_t kOptionsAt = 240;

Message example() {
  Message message;
  message.transaction = 0x01020304;
  message.seconds = 5;
  message.broadcast = true;
  message.client = v4("10.0.0.9");
  message.relay = v4("10.0.0.254");
  message.hardware = kPodMac;
  message.set_type(MessageType::request);
  message.set_address(kServerIdentifier, v4("10.0.0.1"));
  message.options[kHostName] = {'p', 'o', 'd'};
  return message;
}

/// A BOOTP reply with `options` behind the cookie.
Bytes reply(const Bytes& options) {
  Message message = example();
  message.from_server = true;
  message.options.clear();
  Bytes bytes = message.encode();
  bytes.resize(kOptionsAt);
  bytes.insert(bytes.end(), options.begin(), options.end());
  return bytes;
}

TEST(DhcpMessage, IsReadAsItWasWritten) {
  const Message message = example();
  const auto read = Message::decode(message.encode());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->transaction, message.transaction);
  EXPECT_EQ(read->seconds, 5);
  EXPECT_TRUE(read->broadcast);
  EXPECT_EQ(read->client, message.client);
  EXPECT_EQ(read->relay, message.relay);
  EXPECT_EQ(read->hardware, message.hardware);
  EXPECT_EQ(read->type(), MessageType::request);
  EXPECT_EQ(read->options, message.options);
}

TEST(DhcpMessage, HasTheBytesOfTheRfc) {
  const Bytes bytes = example().encode();
  EXPECT_GE(bytes.size(), 300U) << "BOOTP relays drop shorter ones";
  EXPECT_THAT(Bytes(bytes.begin(), bytes.begin() + 12), ElementsAre(1, 1, 6, 0, 1, 2, 3, 4, 0, 5, 0x80, 0));
  EXPECT_THAT(Bytes(bytes.begin() + 236, bytes.begin() + 243), ElementsAre(99, 130, 83, 99, 53, 1, 3)) << "type first";
}

TEST(DhcpMessage, SplitsALongOptionAndJoinsItsParts) {
  Message message = example();
  message.options[kClasslessRoutes] = Bytes(600, 7);
  const auto read = Message::decode(message.encode());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->options.at(kClasslessRoutes), Bytes(600, 7));
}

TEST(DhcpMessage, ReadsOptionsThatOverflowIntoFileAndServerName) {
  Bytes bytes = reply({kOverload, 1, 3, 255});
  const Bytes file = {kDomainName, 2, 'a', 'b', 255}, name = {kHostName, 1, 'x', 255};
  std::copy(file.begin(), file.end(), bytes.begin() + 108);
  std::copy(name.begin(), name.end(), bytes.begin() + 44);
  const auto read = Message::decode(bytes);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->options.at(kDomainName), ElementsAre('a', 'b'));
  EXPECT_THAT(read->options.at(kHostName), ElementsAre('x'));
}

TEST(DhcpMessage, RefusesWhatIsBroken) {
  const Bytes good = reply({kMessageType, 1, 5, 255});
  ASSERT_TRUE(Message::decode(good));
  for (std::size_t size = 0; size < kOptionsAt; ++size)
    EXPECT_FALSE(Message::decode(std::span(good).first(size))) << size << " bytes";
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes bytes = good;
    bytes[at] = value;
    return Message::decode(bytes).has_value();
  };
  EXPECT_FALSE(with(0, 3)) << "neither request nor reply";
  EXPECT_FALSE(with(1, 32)) << "not Ethernet";
  EXPECT_FALSE(with(2, 16)) << "a hardware address of another size";
  EXPECT_FALSE(with(236, 0)) << "no cookie";
  EXPECT_FALSE(Message::decode(reply({kHostName})));
  EXPECT_FALSE(Message::decode(reply({kHostName, 5, 'a'}))) << "reaches past the end";
  EXPECT_FALSE(Message::decode(reply({kOverload, 2, 1, 1})));
  const auto odd = Message::decode(reply({kMessageType, 1, 9, 255}));
  ASSERT_TRUE(odd);
  EXPECT_FALSE(odd->type()) << "no such type";
}

/// As the server's kernel would send it.
Bytes packet_to_client(const Bytes& payload) {
  Bytes packet = datagram_to_server(v4("10.0.0.1"), v4("255.255.255.255"), payload);
  std::swap(packet[21], packet[23]);
  return packet;
}

TEST(DhcpDatagram, IsTakenWithoutLookingAtTheUdpChecksum) {
  Bytes packet = packet_to_client({1, 2, 3});
  packet[26] = packet[27] = 0x55;
  const auto payload = payload_to_client(packet);
  ASSERT_TRUE(payload);
  EXPECT_THAT(*payload, ElementsAre(1, 2, 3));
  packet.resize(packet.size() + 18);  // Ethernet's padding
  EXPECT_EQ(payload_to_client(packet)->size(), 3U);
}

TEST(DhcpDatagram, IsRefusedWhenItIsNotForTheClientOrDamaged) {
  const Bytes good = packet_to_client({1, 2, 3});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(payload_to_client(std::span(good).first(size))) << size << " bytes";
  for (const std::size_t at : {0U, 2U, 6U, 9U, 10U, 12U, 22U, 25U}) {
    Bytes bad = good;
    bad[at] = static_cast<std::uint8_t>(bad[at] ^ 0x21);
    EXPECT_FALSE(payload_to_client(bad)) << "byte " << at;
  }
  EXPECT_FALSE(payload_to_client(datagram_to_server(v4("10.0.0.1"), v4("10.0.0.9"), Bytes{1})));
}

}  // namespace
}  // namespace barewire::test
