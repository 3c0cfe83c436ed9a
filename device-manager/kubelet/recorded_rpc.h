// SPDX-License-Identifier: Apache-2.0
/// What kubelet asked for, into the flight recorder (core/journal.h): one event for each call, with how it ended and
/// what it took.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/journal.h"

namespace barewire::kubelet {

/// Lives as long as the call. Any thread.
class RecordedRpc {
 public:
  /// `event` says what was asked: command, device, what.
  explicit RecordedRpc(journal::Event event) : event_(std::move(event)) {
    event_.kind = journal::Kind::rpc;
    event_.cause = "kubelet";
  }
  /// Never throws: what goes wrong is logged.
  void succeeded() noexcept { end(); }
  void failed(int code, std::string what, std::string hint = {}) noexcept {
    event_.code = code;
    event_.what = std::move(what);
    event_.hint = std::move(hint);
    end();
  }

 private:
  void end() noexcept {
    const auto took = std::chrono::steady_clock::now() - start_;
    event_.took = std::chrono::duration_cast<std::chrono::microseconds>(took);
    journal::record(std::move(event_));
  }

  journal::Event event_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// `work` with its outcome recorded; what it throws goes on.
template <typename Work>
auto record_rpc(journal::Event event, const Work& work) {
  RecordedRpc recorded(std::move(event));
  try {
    auto result = work();
    recorded.succeeded();
    return result;
  } catch (const Error& error) {
    recorded.failed(static_cast<int>(error.code()), error.what(), error.hint());
    throw;
  }
}

}  // namespace barewire::kubelet
