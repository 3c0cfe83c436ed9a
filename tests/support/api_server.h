// SPDX-License-Identifier: Apache-2.0
/// A test's handle on api_server.py, an API server of the tests' own: a real HTTP server on loopback, in the netns of
/// the calling thread, that may answer badly when told to.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/kubernetes/api_client.h"
#include "tests/support/process.h"

namespace barewire::test {

class TestApiServer {
 public:
  /// With `certificate` and `key` (PEM files) it speaks TLS.
  explicit TestApiServer(const std::string& certificate = {}, const std::string& key = {});

  kubernetes::Cluster cluster() const { return {.url = url_}; }
  /// A kubeconfig for it at `path`.
  void write_kubeconfig(const std::string& path) const;

  void put(const std::string& path, const std::string& json);
  std::optional<boost::json::value> find(const std::string& path);
  void remove(const std::string& path);
  /// Every object of the collection, by name.
  std::vector<boost::json::value> list(const std::string& collection);

  /// JSON as api_server.py has it.
  void answer(const std::string& answers);
  void set(const std::string& settings);
  /// "PUT /apis/…" of every request since, without its query; the log is emptied.
  std::vector<std::string> take_log();
  std::vector<std::string> take_writes();

 private:
  boost::json::value control(const std::string& method, const std::string& path, const std::string& body = {});

  TempDir directory_;
  std::unique_ptr<ChildProcess> process_;
  std::string url_;
  std::unique_ptr<kubernetes::ApiClient> client_;
};

}  // namespace barewire::test
