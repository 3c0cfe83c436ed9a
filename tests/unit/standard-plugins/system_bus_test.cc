// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/firewall/system_bus.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace barewire::standard {
namespace {

using namespace std::string_literals;

/// An answer to call 2, as dbus-daemon writes it in either byte order.
std::string answer(char order, char type, const std::string& fields, const std::string& body) {
  const auto number = [&](std::size_t value) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (order == 'l' ? 8 * i : 24 - 8 * i)));
    return bytes;
  };
  std::string message =
      std::string{order, type, '\1', '\1'} + number(body.size()) + number(7) + number(fields.size()) + fields;
  message.resize((message.size() + 7) / 8 * 8, '\0');
  return message + body;
}

TEST(SystemBus, WritesACallWithItsStrings) {
  const std::string bytes = encode_call(
      {.destination = "org.x", .path = "/x", .interface = "org.x.y", .member = "Do", .arguments = {"a", "bc"}}, 5);
  EXPECT_EQ(0U, (bytes.size() - 15) % 8) << "the body begins at a multiple of eight";
  EXPECT_NE(std::string::npos, bytes.find("\6\1s\0\5\0\0\0org.x\0"s));
  EXPECT_NE(std::string::npos, bytes.find("\10\1g\0\2ss\0"s));
  EXPECT_TRUE(bytes.ends_with("\1\0\0\0a\0\0\0\2\0\0\0bc\0"s));
  EXPECT_EQ(std::nullopt, decode_answer(bytes, 5)) << "a call is no answer";
}

TEST(SystemBus, ReadsBooleansStringsAndErrors) {
  for (const char order : {'l', 'B'}) {
    const std::string two = order == 'l' ? "\2\0\0\0"s : "\0\0\0\2"s, one = order == 'l' ? "\1\0\0\0"s : "\0\0\0\1"s;
    const std::string reply = "\5\1u\0"s + two;
    const auto yes = decode_answer(answer(order, '\2', reply + "\10\1g\0\1b\0"s, one), 2);
    ASSERT_TRUE(yes);
    EXPECT_TRUE(yes->truth && !yes->is_error);
    EXPECT_EQ(std::nullopt, decode_answer(answer(order, '\2', reply, ""), 3)) << "another call's";
    EXPECT_EQ(std::nullopt, decode_answer(answer(order, '\4', reply, ""), 2)) << "a signal";
    const std::string name = "\4\1s\0"s + one + "E\0"s + std::string(6, '\0');
    const auto error = decode_answer(answer(order, '\3', name + reply + "\10\1g\0\1s\0"s, one + "m\0"s), 2);
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->is_error);
    EXPECT_EQ("E", error->error);
    EXPECT_EQ("m", error->text);
  }
}

TEST(SystemBus, RefusesWhatEndsTooEarly) {
  const std::string whole = answer('l', '\2', "\5\1u\0\2\0\0\0\10\1g\0\1s\0"s, "\5\0\0\0hello\0"s);
  EXPECT_EQ("hello", decode_answer(whole, 2)->text);
  EXPECT_THROW(decode_answer(whole.substr(0, whole.size() - 4), 2), Error);
  EXPECT_THROW(decode_answer(answer('l', '\2', "\5\1u\0\2\0\0\0\10\1g\0\100b"s, ""), 2), Error);
}

}  // namespace
}  // namespace barewire::standard
