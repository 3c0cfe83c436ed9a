// SPDX-License-Identifier: Apache-2.0
/// Frames are followed byte by byte and never gathered: a frame that claims to be large costs nothing, and a message
/// costs what has come of it.
#include "device-manager/nri/frames.h"

#include <algorithm>

#include "core/error.h"

namespace barewire::nri {

namespace {

constexpr std::size_t kFrameHeader = 8;
constexpr std::size_t kMessageHeader = 10;
/// The reader of the other end has a buffer of this size, and fails on a frame that does not fit into it.
/// Source: pkg/net/multiplex, conn.Read; bufio.NewReader.
constexpr std::size_t kLargestFrameSent = 4096;

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

void append_number(std::string& bytes, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
}

/// Moves what is missing of `size` bytes from the front of `from` to the end of `to`; true when they are all there.
bool top_up(std::string& to, std::string_view& from, std::size_t size) {
  const std::size_t count = std::min(size - to.size(), from.size());
  to.append(from.substr(0, count));
  from.remove_prefix(count);
  return to.size() == size;
}

}  // namespace

std::string encode(const Message& message) {
  std::string bytes;
  append_number(bytes, static_cast<std::uint32_t>(message.body.size()));
  append_number(bytes, message.stream);
  bytes += static_cast<char>(message.type);
  bytes += static_cast<char>(message.flags);
  bytes += message.body;
  std::string frames;
  for (std::size_t at = 0; at < bytes.size(); at += kLargestFrameSent) {
    const std::string_view piece = std::string_view(bytes).substr(at, kLargestFrameSent);
    append_number(frames, message.connection);
    append_number(frames, static_cast<std::uint32_t>(piece.size()));
    frames += piece;
  }
  return frames;
}

void Decoder::take_header(std::string_view& bytes) {
  if (!top_up(header_, bytes, kFrameHeader)) return;
  connection_ = number_at(header_, 0);
  left_ = number_at(header_, 4);
  header_.clear();
  if (left_ > kLargestMessage + kMessageHeader)
    throw Error(Error::Code::decode, fmt::format("following the runtime failed: a frame of {} bytes", left_));
}

bool Decoder::fill(Partial& partial, std::string_view& payload) {
  if (partial.header.size() < kMessageHeader) {
    if (!top_up(partial.header, payload, kMessageHeader)) return false;
    partial.left = number_at(partial.header, 0);
    partial.message.stream = number_at(partial.header, 4);
    partial.message.type = static_cast<MessageType>(partial.header[8]);
    partial.message.flags = static_cast<std::uint8_t>(partial.header[9]);
    partial.message.oversized = partial.left > kLargestMessage;
  }
  const std::string_view piece = payload.substr(0, partial.left);
  if (!partial.message.oversized) partial.message.body.append(piece);
  partial.left -= piece.size();
  payload.remove_prefix(piece.size());
  return partial.left == 0;
}

void Decoder::take_payload(std::string_view payload, std::vector<Message>& done) {
  if (connection_ != kPluginConnection && connection_ != kRuntimeConnection) return;
  while (!payload.empty()) {
    Partial& partial = partial_[connection_];
    if (!fill(partial, payload)) return;
    partial.message.connection = connection_;
    done.push_back(std::move(partial.message));
    partial = {};
  }
}

std::vector<Message> Decoder::feed(std::string_view bytes) {
  std::vector<Message> done;
  while (!bytes.empty()) {
    if (left_ == 0) {
      take_header(bytes);
      continue;
    }
    const std::string_view payload = bytes.substr(0, left_);
    take_payload(payload, done);
    left_ -= payload.size();
    bytes.remove_prefix(payload.size());
  }
  return done;
}

}  // namespace barewire::nri
