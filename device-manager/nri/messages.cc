// SPDX-License-Identifier: Apache-2.0
/// protobuf to values and back. Unknown fields of newer versions are passed over, as protobuf does.
#include "device-manager/nri/messages.h"

#include "core/error.h"
#include "core/utf8.h"
#include "proto/nri.pb.h"

namespace barewire::nri {

namespace {

template <typename Message>
Message decode(const std::string& bytes, const char* what) {
  Message message;
  if (!message.ParseFromString(bytes))
    throw Error(Error::Code::decode, fmt::format("decoding the runtime's {} failed", what));
  return message;
}

Sandbox sandbox_of(const ::nri::PodSandbox& pod) {
  Sandbox sandbox{.id = pod.id(), .name = pod.name(), .uid = pod.uid(), .name_space = pod.namespace_()};
  for (const auto& each : pod.linux().namespaces())
    if (each.type() == "network") sandbox.netns = each.path();
  return sandbox;
}

}  // namespace

Call decode_call(const std::string& bytes) {
  auto message = decode<::nri::Request>(bytes, "call");
  return {message.service(), message.method(), std::move(*message.mutable_payload()),
          std::chrono::nanoseconds(message.timeout_nano())};
}

std::string encode_call(const Call& call) {
  ::nri::Request message;
  message.set_service(call.service);
  message.set_method(call.method);
  message.set_payload(call.payload);
  message.set_timeout_nano(call.timeout.count());
  return message.SerializeAsString();
}

Answer decode_answer(const std::string& bytes) {
  auto message = decode<::nri::Response>(bytes, "answer");
  return {static_cast<StatusCode>(message.status().code()), message.status().message(),
          std::move(*message.mutable_payload())};
}

std::string encode_answer(const Answer& answer) {
  constexpr std::size_t kLongestMessage = 2048;
  ::nri::Response message;
  if (answer.code != StatusCode::ok) {
    message.mutable_status()->set_code(static_cast<int>(answer.code));
    // A string of proto3 is UTF-8 to its end, or the runtime refuses the whole answer.
    message.mutable_status()->set_message(replace_bytes(answer.message.substr(0, kLongestMessage)));
  }
  message.set_payload(answer.payload);
  return message.SerializeAsString();
}

std::string encode_register(const std::string& name, const std::string& index, const std::string& version) {
  ::nri::RegisterPluginRequest message;
  message.set_plugin_name(name);
  message.set_plugin_idx(index);
  message.set_nri_version(version);
  return message.SerializeAsString();
}

Configuration decode_configure(const std::string& bytes) {
  const auto message = decode<::nri::ConfigureRequest>(bytes, "configuration");
  Configuration configuration;
  configuration.runtime = message.runtime_name() + " " + message.runtime_version();
  // Older runtimes do not tell; then their default stands. Source: containerd/nri, pkg/api/timeouts.go.
  constexpr std::int64_t kLongest = 3'600'000;
  if (message.request_timeout() > 0)
    configuration.request_timeout = std::chrono::milliseconds(std::min(message.request_timeout(), kLongest));
  return configuration;
}

std::string encode_events() {
  // Bit n-1 for event n. Source: pkg/api/api.proto, enum Event; event.go.
  ::nri::ConfigureResponse message;
  int events = 0;
  for (const Event event : {Event::run_pod, Event::stop_pod, Event::remove_pod})
    events |= 1 << (static_cast<int>(event) - 1);
  message.set_events(events);
  return message.SerializeAsString();
}

StateChange decode_state_change(const std::string& bytes) {
  const auto message = decode<::nri::StateChangeEvent>(bytes, "change of a pod");
  return {static_cast<Event>(message.event()), sandbox_of(message.pod())};
}

Sandbox decode_sandbox(const std::string& bytes) {
  return sandbox_of(decode<::nri::PodSandboxRequest>(bytes, "pod").pod());
}

Running decode_synchronize(const std::string& bytes) {
  const auto message = decode<::nri::SynchronizeRequest>(bytes, "list of pods");
  Running running{.more = message.more()};
  for (const auto& pod : message.pods()) running.sandboxes.push_back(sandbox_of(pod));
  return running;
}

std::string encode_synchronized(bool more) {
  ::nri::SynchronizeResponse message;
  message.set_more(more);
  return message.SerializeAsString();
}

}  // namespace barewire::nri
