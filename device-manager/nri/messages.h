// SPDX-License-Identifier: Apache-2.0
/// The messages of NRI that concern pods, as values; protobuf stays in messages.cc. Pure logic. What cannot be decoded
/// throws Error{decode}. Source: containerd/nri, pkg/api/api.proto; containerd/ttrpc, request.proto.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace barewire::nri {

/// A pod's sandbox as the runtime has it.
struct Sandbox {
  std::string id{}, name{}, uid{}, name_space{};
  std::string netns{};  ///< path; empty: the pod is on the host's network, or the runtime does not say
};

/// What a runtime tells when it configures a plugin.
struct Configuration {
  std::string runtime{};  ///< "containerd 2.0.5", for the log
  std::chrono::milliseconds request_timeout{2000};
};

/// ttrpc's envelope around a call.
struct Call {
  std::string service{}, method{}, payload{};
  std::chrono::nanoseconds timeout{0};  ///< 0: none
};
Call decode_call(const std::string& bytes);
std::string encode_call(const Call& call);

/// gRPC's numbers, as ttrpc uses them.
enum class StatusCode : int {
  ok = 0,
  unknown = 2,
  invalid_argument = 3,
  resource_exhausted = 8,
  unimplemented = 12,
};
struct Answer {
  StatusCode code = StatusCode::ok;
  std::string message{};  ///< why not; cut where it is very long
  std::string payload{};
};
Answer decode_answer(const std::string& bytes);
std::string encode_answer(const Answer& answer);

std::string encode_register(const std::string& name, const std::string& index, const std::string& version);
Configuration decode_configure(const std::string& bytes);
/// Asks for RunPodSandbox, StopPodSandbox and RemovePodSandbox.
std::string encode_events();
/// Of the request of one of these three.
Sandbox decode_sandbox(const std::string& bytes);
/// Values as on the wire; of others nothing is asked for.
enum class Event : int { run_pod = 1, stop_pod = 2, remove_pod = 3 };
/// How runtimes with an older NRI (containerd 1.7, 2.0) tell of the same.
struct StateChange {
  Event event{};
  Sandbox sandbox{};
};
StateChange decode_state_change(const std::string& bytes);

/// A part of what the runtime runs.
struct Running {
  std::vector<Sandbox> sandboxes{};
  bool more = false;  ///< another part follows
};
Running decode_synchronize(const std::string& bytes);
std::string encode_synchronized(bool more);

}  // namespace barewire::nri
