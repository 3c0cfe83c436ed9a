// SPDX-License-Identifier: Apache-2.0
/// A call that is wrong is answered as such and the connection goes on, as a server of ttrpc does; only what cannot be
/// followed ends it.
#include "device-manager/nri/session.h"

#include <algorithm>

#include "core/error.h"

namespace barewire::nri {

namespace {

constexpr const char* kIndex = "50";       ///< among the plugins of a runtime; ours waits for none and none for ours
constexpr const char* kVersion = "0.9.0";  ///< of NRI, whose messages these are
constexpr std::string_view kPluginService = "nri.pkg.api.v1alpha1.Plugin";
constexpr std::string_view kRuntimeService = "nri.pkg.api.v1alpha1.Runtime";
/// More than a node has pods: what a runtime may make us hold.
constexpr std::size_t kMostSandboxes = 10'000;

}  // namespace

Session::Session(std::string name, Hooks hooks, std::function<void(const std::string&)> send)
    : name_(std::move(name)), hooks_(std::move(hooks)), send_(std::move(send)) {}

void Session::start() {
  const Call call{.service = std::string(kRuntimeService),
                  .method = "RegisterPlugin",
                  .payload = encode_register(name_, kIndex, kVersion)};
  send_(encode({.connection = kRuntimeConnection, .stream = 1, .body = encode_call(call)}));
}

void Session::receive(std::string_view bytes) {
  for (const Message& message : decoder_.feed(bytes)) {
    if (message.connection == kRuntimeConnection)
      on_answer(message);
    else
      on_call(message);
  }
}

void Session::on_answer(const Message& message) {
  // Not of our one call: nobody waits for it.
  if (message.type != MessageType::response || message.stream != 1 || message.oversized || registered_) return;
  const Answer answer = decode_answer(message.body);
  if (answer.code != StatusCode::ok)
    throw Error(Error::Code::io, fmt::format("registering with the runtime failed: {}", answer.message));
  registered_ = true;
}

void Session::answer(const Message& message, const Answer& answer) const {
  send_(encode({.connection = message.connection,
                .stream = message.stream,
                .type = MessageType::response,
                .body = encode_answer(answer)}));
}

std::string Session::find_fault(const Message& message) const {
  if (message.stream % 2 == 0) return "streams of a client are odd";
  if (message.type == MessageType::data) return "there is no such stream";
  if (message.stream <= last_stream_) return "streams have to rise";
  return {};
}

void Session::on_call(const Message& message) {
  if (message.oversized)
    return answer(message, {StatusCode::resource_exhausted, fmt::format("more than {} bytes", kLargestMessage)});
  // Of a later protocol: passed over, as its specification asks.
  if (message.type != MessageType::request && message.type != MessageType::data) return;
  if (const std::string fault = find_fault(message); !fault.empty())
    return answer(message, {StatusCode::invalid_argument, fault});
  last_stream_ = message.stream;
  try {
    const Call call = decode_call(message.body);
    if (call.service != kPluginService)
      return answer(message, {StatusCode::unimplemented, "there is no service " + call.service});
    if (!answer_at_once(message, call)) hand_over(message, call);
  } catch (const Error& error) {
    answer(message, {StatusCode::invalid_argument, error.what()});
  }
}

Answer Session::synchronize(const Call& call) {
  Running part = decode_synchronize(call.payload);
  if (running_.size() + part.sandboxes.size() > kMostSandboxes)
    return {StatusCode::resource_exhausted, fmt::format("more than {} pods", kMostSandboxes)};
  std::move(part.sandboxes.begin(), part.sandboxes.end(), std::back_inserter(running_));
  if (!part.more) hooks_.synchronize(std::exchange(running_, {}));
  return {.payload = encode_synchronized(part.more)};
}

bool Session::answer_at_once(const Message& message, const Call& call) {
  if (call.method == "Configure") {
    configuration_ = decode_configure(call.payload);
    configured_ = true;
    hooks_.configured(configuration_);
    answer(message, {.payload = encode_events()});
  } else if (call.method == "Synchronize") {
    answer(message, synchronize(call));
  } else if (call.method == "Shutdown") {
    // The runtime goes; its pods stay, and so does what they have.
    answer(message, {});
  } else {
    return false;
  }
  return true;
}

void Session::hand_over(const Message& message, const Call& call) {
  constexpr std::pair<std::string_view, Event> kMethods[] = {
      {"RunPodSandbox", Event::run_pod}, {"StopPodSandbox", Event::stop_pod}, {"RemovePodSandbox", Event::remove_pod}};
  for (const auto& [method, event] : kMethods)
    if (call.method == method) return tell_of(message, event, decode_sandbox(call.payload), call.timeout);
  if (call.method != "StateChange")
    return answer(message, {StatusCode::unimplemented, "there is no method " + call.method});
  const StateChange change = decode_state_change(call.payload);
  const bool is_asked_for =
      change.event == Event::run_pod || change.event == Event::stop_pod || change.event == Event::remove_pod;
  // Of what we have not asked to hear: nothing to be done, and no reason to fail a pod.
  if (!is_asked_for) return answer(message, {});
  tell_of(message, change.event, change.sandbox, call.timeout);
}

void Session::tell_of(const Message& message, Event event, const Sandbox& sandbox, std::chrono::nanoseconds timeout) {
  std::chrono::nanoseconds limit = configuration_.request_timeout;
  if (timeout.count() > 0) limit = std::min(limit, timeout);
  // The copies that the reply holds are all it needs: it may come when this session is no more.
  const Reply reply = [send = send_, connection = message.connection, stream = message.stream](const auto& failure) {
    Answer result;
    if (!failure.empty()) result = {.code = StatusCode::unknown, .message = failure};
    send(encode(
        {.connection = connection, .stream = stream, .type = MessageType::response, .body = encode_answer(result)}));
  };
  const Deadline deadline =
      std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::milliseconds>(limit);
  (event == Event::run_pod ? hooks_.run : hooks_.stop)(sandbox, deadline, reply);
}

}  // namespace barewire::nri
