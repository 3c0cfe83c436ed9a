// SPDX-License-Identifier: Apache-2.0
/// kubelet's end of Dynamic Resource Allocation, for the daemon's tests: finds a driver by its socket in
/// plugins_registry, prepares claims and takes them back, follows the health of devices.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/dra/messages.h"

namespace barewire::test {

class TestDraKubelet {
 public:
  /// Below `directory`: plugins_registry and plugins.
  explicit TestDraKubelet(std::string directory);
  ~TestDraKubelet();
  TestDraKubelet(const TestDraKubelet&) = delete;
  TestDraKubelet& operator=(const TestDraKubelet&) = delete;

  /// Registers with every driver socket that answers; true when there is one. `version` is "v1" or "v1beta1".
  bool find_driver(const std::string& version = "v1");
  /// By UID. Throws Error{io} when the driver does not answer.
  std::map<std::string, dra::Prepared> prepare(const std::vector<dra::ClaimRef>& claims) const;
  std::map<std::string, std::string> unprepare(const std::vector<dra::ClaimRef>& claims) const;

  /// Device of the API → "" when it is healthy, else why not, as the stream says now.
  std::map<std::string, std::string> health();
  const std::string& socket() const noexcept { return socket_; }
  const std::string& driver() const noexcept { return driver_; }

 private:
  class Stream;
  std::string directory_, socket_, driver_, version_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace barewire::test
