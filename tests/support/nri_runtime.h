// SPDX-License-Identifier: Apache-2.0
/// A container runtime's end of NRI for the tests: listens, registers and configures the plugin that connects, tells it
/// of pods, and sends whatever bytes a test wants. Frames and envelopes are written here by hand: what is under test
/// does not check itself. Source: containerd/nri, pkg/adaptation and pkg/net/multiplex; containerd/ttrpc, PROTOCOL.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fd.h"

namespace barewire::test {

struct TestSandbox {
  std::string id{}, name = "web-0", uid = "uid-web-0", name_space = "default", netns{};
};

/// Of one thread; every call waits `patience` at most.
class TestRuntime {
 public:
  struct Reply {
    int code = -1;  ///< gRPC's; -1: none came
    std::string message{};
    std::string payload{};
  };
  /// Listens at `path`. `timeout` is what the plugin is told of requests.
  explicit TestRuntime(std::string path, std::chrono::milliseconds timeout = std::chrono::seconds(20));
  ~TestRuntime();
  TestRuntime(const TestRuntime&) = delete;
  TestRuntime& operator=(const TestRuntime&) = delete;

  /// Accepts a plugin, takes its registration, configures it and tells what runs; false when none comes.
  bool accept(const std::vector<TestSandbox>& running = {});
  /// Without anything being said: for a test that says it itself.
  bool accept_silently();
  void close_connection() { connection_.reset(); }
  /// What the next requests allow.
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

  Reply run_pod(const TestSandbox& sandbox) { return call("RunPodSandbox", of_pod(sandbox)); }
  Reply stop_pod(const TestSandbox& sandbox) { return call("StopPodSandbox", of_pod(sandbox)); }
  Reply remove_pod(const TestSandbox& sandbox) { return call("RemovePodSandbox", of_pod(sandbox)); }
  /// In parts of `part` pods, as for a long list.
  Reply synchronize(const std::vector<TestSandbox>& running, std::size_t part = 1000);
  Reply call(const std::string& method, const std::string& payload,
             const std::string& service = "nri.pkg.api.v1alpha1.Plugin");
  /// A request's frame, for who wants to be without the answer.
  std::string request(const std::string& method, const std::string& payload, std::uint32_t stream,
                      const std::string& service = "nri.pkg.api.v1alpha1.Plugin") const;
  static std::string of_pod(const TestSandbox& sandbox);
  static std::string frame(std::uint32_t connection, const std::string& payload);
  static std::string message(std::uint32_t stream, std::uint8_t type, std::uint8_t flags, const std::string& body);
  void send(std::string_view bytes) const;
  /// The next answer to `stream`.
  Reply take_reply(std::uint32_t stream);
  /// Has the plugin ended the connection?
  bool is_closed();
  std::uint32_t next_stream() { return stream_ += 2; }
  const std::string& plugin() const noexcept { return plugin_; }  ///< "50-barewire"
  std::int32_t events() const noexcept { return events_; }

 private:
  struct Frame {
    std::uint32_t connection = 0;
    std::string payload{};
  };
  std::optional<Frame> next_frame();
  bool take(std::string& bytes, std::size_t size);

  std::string path_;
  std::chrono::milliseconds timeout_;
  Fd listener_, connection_;
  std::string inbox_, plugin_;
  std::int32_t events_ = 0;
  std::uint32_t stream_ = 0xffffffff;  ///< the first is 1
};

}  // namespace barewire::test
