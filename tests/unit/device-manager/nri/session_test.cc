// SPDX-License-Identifier: Apache-2.0
/// What a runtime may send, byte by byte, well-formed and not.
#include "device-manager/nri/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace barewire::nri {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* kPlugin = "nri.pkg.api.v1alpha1.Plugin";

Message call_of(const std::string& method, const std::string& payload, std::uint32_t stream,
                const std::string& service = kPlugin) {
  return {.connection = kPluginConnection,
          .stream = stream,
          .body = encode_call({.service = service, .method = method, .payload = payload})};
}
/// A pod without a field but its id.
std::string pod(const std::string& id) {
  const std::string inner = std::string("\x0a") + static_cast<char>(id.size()) + id;
  return std::string("\x0a") + static_cast<char>(inner.size()) + inner;
}

class SessionTest : public ::testing::Test {
 protected:
  /// What was sent back since the last call.
  std::vector<Message> sent() {
    auto messages = reader_.feed(outbox_);
    outbox_.clear();
    return messages;
  }
  Answer answer_to(const Message& message) {
    session_.receive(encode(message));
    const auto messages = sent();
    if (messages.size() != 1 || messages[0].stream != message.stream) return {.message = "not one answer"};
    return decode_answer(messages[0].body);
  }
  Session session_{"barewire",
                   {.configured = [this](const Configuration& given) { limit_ = given.request_timeout; },
                    .synchronize = [this](std::vector<Sandbox> running) { running_ = std::move(running); },
                    .run =
                        [this](const Sandbox& sandbox, Deadline, Reply reply) {
                          started_.push_back(sandbox.id);
                          reply_ = std::move(reply);
                        },
                    .stop = [](const Sandbox&, Deadline, const Reply& reply) { reply(""); }},
                   [this](const std::string& bytes) { outbox_ += bytes; }};
  std::string outbox_;
  Decoder reader_;
  std::chrono::milliseconds limit_{0};
  std::vector<Sandbox> running_;
  std::vector<std::string> started_;
  Reply reply_;
};

TEST_F(SessionTest, RegistersThenIsConfiguredThenHearsOfPods) {
  session_.start();
  const auto messages = sent();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].connection, kRuntimeConnection);
  EXPECT_EQ(decode_call(messages[0].body).method, "RegisterPlugin");
  session_.receive(encode({.connection = kRuntimeConnection, .stream = 1, .type = MessageType::response}));
  // Field 5, 700 ms.
  EXPECT_EQ(answer_to(call_of("Configure", "\x28\xbc\x05", 1)).payload, "\x10\x07");
  EXPECT_EQ(limit_, std::chrono::milliseconds(700));
  EXPECT_TRUE(session_.is_configured());
  EXPECT_EQ(answer_to(call_of("Synchronize", pod("a") + "\x18\x01", 3)).payload, "\x10\x01") << "more follows";
  EXPECT_THAT(running_, SizeIs(0));
  EXPECT_EQ(answer_to(call_of("Synchronize", pod("b"), 5)).code, StatusCode::ok);
  EXPECT_THAT(running_, SizeIs(2));
  session_.receive(encode(call_of("RunPodSandbox", pod("c"), 7)));
  EXPECT_THAT(sent(), SizeIs(0)) << "who attaches answers";
  EXPECT_EQ(answer_to(call_of("StopPodSandbox", pod("d"), 9)).code, StatusCode::ok);
  reply_("no VF");
  const auto late = sent();
  ASSERT_THAT(late, SizeIs(1));
  EXPECT_EQ(late[0].stream, 7U);
  EXPECT_EQ(decode_answer(late[0].body).message, "no VF");
}

TEST_F(SessionTest, OlderRuntimesTellOfPodsByOneCallForAll) {
  const auto change = [](char event) {
    std::string payload = std::string("\x08") + event + pod("a");
    payload[2] = '\x12';  // field 2
    return payload;
  };
  session_.receive(encode(call_of("StateChange", change(1), 1)));
  EXPECT_THAT(started_, SizeIs(1));
  EXPECT_THAT(sent(), SizeIs(0)) << "who attaches answers";
  EXPECT_EQ(answer_to(call_of("StateChange", change(2), 3)).code, StatusCode::ok);
  EXPECT_EQ(answer_to(call_of("StateChange", change(7), 5)).code, StatusCode::ok) << "a container's start";
  EXPECT_EQ(answer_to(call_of("StateChange", "\x12\x7f", 7)).code, StatusCode::invalid_argument);
  EXPECT_THAT(started_, SizeIs(1));
}

TEST_F(SessionTest, ARefusedRegistrationEndsIt) {
  session_.start();
  const Message refusal{.connection = kRuntimeConnection,
                        .stream = 1,
                        .type = MessageType::response,
                        .body = encode_answer({.code = StatusCode::unknown, .message = "invalid plugin index"})};
  try {
    session_.receive(encode(refusal));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("invalid plugin index"));
  }
}

TEST_F(SessionTest, WhatIsWrongIsAnsweredAndTheRestIsServed) {
  EXPECT_EQ(answer_to(call_of("Dance", "", 1)).code, StatusCode::unimplemented);
  EXPECT_EQ(answer_to(call_of("RunPodSandbox", "", 3, "nri.pkg.api.v1alpha1.Other")).code, StatusCode::unimplemented);
  EXPECT_EQ(answer_to(call_of("RunPodSandbox", pod("a"), 4)).code, StatusCode::invalid_argument) << "even";
  EXPECT_EQ(answer_to(call_of("RunPodSandbox", pod("a"), 3)).code, StatusCode::invalid_argument) << "used";
  EXPECT_EQ(answer_to(call_of("RunPodSandbox", "\x0a\x7f", 5)).code, StatusCode::invalid_argument) << "cut off";
  Message garbage = call_of("", "", 7);
  garbage.body = "\xff\xff\xff";
  EXPECT_EQ(answer_to(garbage).code, StatusCode::invalid_argument);
  Message data = call_of("RunPodSandbox", pod("a"), 9);
  data.type = MessageType::data;
  EXPECT_EQ(answer_to(data).code, StatusCode::invalid_argument);
  Message unknown = call_of("RunPodSandbox", pod("a"), 11);
  unknown.type = static_cast<MessageType>(9);
  session_.receive(encode(unknown));
  EXPECT_THAT(sent(), SizeIs(0)) << "of a later protocol";
  Message elsewhere = call_of("RunPodSandbox", pod("a"), 13);
  elsewhere.connection = 7;
  session_.receive(encode(elsewhere));
  EXPECT_THAT(sent(), SizeIs(0));
  EXPECT_TRUE(started_.empty());
  session_.receive(encode(call_of("RunPodSandbox", pod("a"), 13)));
  EXPECT_THAT(started_, SizeIs(1));
}

TEST_F(SessionTest, AMessageThatIsTooLargeIsThrownAwayAndRefused) {
  Message large = call_of("RunPodSandbox", pod("a"), 1);
  large.body.resize(kLargestMessage + 1);
  EXPECT_EQ(answer_to(large).code, StatusCode::resource_exhausted);
  session_.receive(encode(call_of("RunPodSandbox", pod("a"), 3)));
  EXPECT_THAT(started_, SizeIs(1));
}

TEST_F(SessionTest, AFrameThatIsTooLargeEndsIt) {
  EXPECT_THROW(session_.receive(std::string("\0\0\0\x01\x7f\xff\xff\xff", 8)), Error);
}

TEST_F(SessionTest, MorePodsThanANodeHasAreNotHeld) {
  std::string many;
  for (int i = 0; i < 5001; ++i) many += pod("a");
  EXPECT_EQ(answer_to(call_of("Synchronize", many + "\x18\x01", 1)).code, StatusCode::ok);
  EXPECT_EQ(answer_to(call_of("Synchronize", many + "\x18\x01", 3)).code, StatusCode::resource_exhausted);
}

TEST_F(SessionTest, BytesMayComeInAnyPieces) {
  std::string bytes;
  for (std::uint32_t stream = 1; stream < 21; stream += 2)
    bytes += encode(call_of("RunPodSandbox", pod(std::to_string(stream)), stream));
  for (const char byte : bytes) session_.receive(std::string_view(&byte, 1));
  EXPECT_THAT(started_, SizeIs(10));
}

TEST(NriFrames, NoFrameIsLargerThanTheRuntimesBuffer) {
  Message message{.connection = 1, .stream = 5, .body = std::string(10'000, 'x')};
  const std::string bytes = encode(message);
  EXPECT_EQ(bytes.substr(4, 4), std::string("\0\0\x10\0", 4)) << "4,096";
  const auto back = Decoder().feed(bytes);
  ASSERT_THAT(back, SizeIs(1));
  EXPECT_EQ(back[0].body, message.body);
  EXPECT_EQ(back[0].stream, 5U);
}

}  // namespace
}  // namespace barewire::nri
