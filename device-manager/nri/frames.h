// SPDX-License-Identifier: Apache-2.0
/// Bytes on the socket between a container runtime and a plugin of NRI. Two connections share it, in frames of
/// (connection, length); within each go the messages of ttrpc, each with a header of ten bytes. session.h gives them
/// meaning. Pure logic, of one thread.
/// Source: containerd/nri, pkg/net/multiplex; containerd/ttrpc, PROTOCOL.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace barewire::nri {

/// Numbers of the two connections: in one the runtime calls us, in the other we call it.
inline constexpr std::uint32_t kPluginConnection = 1;
inline constexpr std::uint32_t kRuntimeConnection = 2;
/// Bytes of one message's body.
inline constexpr std::size_t kLargestMessage = 4 << 20;

/// Values as on the wire; others are passed over by who reads them.
enum class MessageType : std::uint8_t { request = 1, response = 2, data = 3 };

struct Message {
  std::uint32_t connection = 0;
  std::uint32_t stream = 0;
  MessageType type = MessageType::request;
  std::uint8_t flags = 0;
  std::string body{};
  bool oversized = false;  ///< it was larger than kLargestMessage and has been thrown away
};

/// As it goes over the wire. `message.body` is at most kLargestMessage.
std::string encode(const Message& message);

/// Takes the bytes of one direction as they come, in pieces of any size. Holds one message of each connection at most.
class Decoder {
 public:
  /// The messages that `bytes` complete. Those of other connections than the two are thrown away. Throws Error{decode}
  /// for a frame that cannot be: nothing that follows could be told apart then.
  std::vector<Message> feed(std::string_view bytes);

 private:
  /// What has come of the next message of one connection.
  struct Partial {
    std::string header{};
    Message message{};
    std::size_t left = 0;  ///< of the body
  };
  void take_header(std::string_view& bytes);
  void take_payload(std::string_view payload, std::vector<Message>& done);
  /// Into `partial`; true when the message is complete.
  static bool fill(Partial& partial, std::string_view& payload);

  std::string header_;  ///< of the frame
  std::uint32_t connection_ = 0;
  std::size_t left_ = 0;  ///< of the frame's payload
  std::map<std::uint32_t, Partial> partial_;
};

}  // namespace barewire::nri
