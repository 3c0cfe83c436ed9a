// SPDX-License-Identifier: Apache-2.0
/// The API server over HTTP, on libcurl. One object is for one thread: it keeps its connection between requests.
/// Source: libcurl(3), curl_easy_setopt(3).
#pragma once

#include <chrono>
#include <memory>

#include "device-manager/kubernetes/api.h"
#include "device-manager/kubernetes/cluster.h"

namespace barewire::kubernetes {

class ApiClient : public Api {
 public:
  /// `timeout`: for a whole request, its connection included. Throws Error{io} when libcurl cannot be set up. `cluster`
  /// is read at each request, so that tokens which are renewed on disk are taken up.
  explicit ApiClient(Cluster cluster, std::chrono::milliseconds timeout = std::chrono::seconds(10));
  ~ApiClient() override;
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  /// Blocks up to the timeout. Follows no redirect. Answers over 16 MiB are an Error{io}.
  ApiAnswer call(const ApiRequest& request) override;

 private:
  /// libcurl's handle and the header lines of one request; curl.h stays out of this file.
  class Transfer;
  /// Both outlive the transfer: libcurl keeps the addresses.
  void prepare(const ApiRequest& request, const std::string& url);

  Cluster cluster_;
  std::chrono::milliseconds timeout_;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace barewire::kubernetes
