// SPDX-License-Identifier: Apache-2.0
// Any bytes as an IPv4 packet on a pod's interface, and any bytes as a DHCP message: whoever is on the network sends
// them.
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/error.h"
#include "ipam/dhcp/terms.h"

namespace {

using namespace barewire::ipam::dhcp;

void read_message(std::span<const std::uint8_t> bytes) {
  const auto message = Message::decode(bytes);
  if (!message) return;
  // What was understood can be said again.
  const auto again = Message::decode(message->encode());
  if (!again || again->options != message->options) std::abort();
  try {
    const Terms terms = Terms::from_ack(*message);
    const boost::json::value document = terms.to_json();
    if (Terms::from_json(barewire::JsonView(document)).to_json() != terms.to_json()) std::abort();
  } catch (const barewire::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Of its own size exactly, so that the sanitizer sees a byte read too far.
  const auto bytes = std::make_unique<std::uint8_t[]>(size);
  std::copy_n(data, size, bytes.get());
  if (const auto payload = payload_to_client({bytes.get(), size})) read_message(*payload);
  read_message({bytes.get(), size});
  // Behind a header that is right, so that most tries reach the options.
  Message head;
  head.from_server = true;
  Bytes whole = head.encode();
  whole.resize(240);
  whole.insert(whole.end(), data, data + size);
  read_message(whole);
  return 0;
}
