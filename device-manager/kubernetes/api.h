// SPDX-License-Identifier: Apache-2.0
/// The API server as the daemon uses it: one request, one answer, JSON both ways. api_client.h speaks HTTP; who needs
/// the API server takes this interface, so that it can be tested without one.
/// Source: Kubernetes API concepts, docs/reference/using-api.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "core/error.h"

namespace barewire::kubernetes {

/// One request. Whoever builds `path` encodes names in it by percent_encoded().
struct ApiRequest {
  std::string method = "GET";
  std::string path{};  ///< with its query: "/api/v1/nodes/n1"
  std::string body{};
  /// Of the body; "application/apply-patch+yaml" for server-side apply, to which JSON is YAML.
  std::string content_type = "application/json";
};

/// What the server said, whether yes or no.
struct ApiAnswer {
  int status = 0;  ///< of HTTP
  /// Null where there was none, or where a refusal (of a proxy, say) was not JSON.
  boost::json::value body{};
  bool ok() const noexcept { return status >= 200 && status < 300; }
};

/// What the API server said no to. `status` decides what to do next; the words are its own.
class ApiRefusal : public Error {
 public:
  ApiRefusal(int status, std::string what, std::string hint)
      : Error(Code::io, std::move(what), std::move(hint)), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// What the daemon's parts are given. An object is for one thread at a time.
class Api {
 public:
  virtual ~Api() = default;
  /// Any answer of the server's, whatever its status. Throws Error{io} when there is none, Error{decode} when it is not
  /// JSON.
  virtual ApiAnswer call(const ApiRequest& request) = 0;

  /// The body of a good answer. Throws ApiRefusal for another. Throws ApiRefusal with the server's own message for any
  /// status but 2xx; else as call().
  boost::json::value require(const ApiRequest& request);
};

/// For a path's component or a query's value. Source: RFC 3986, section 2.1.
std::string percent_encoded(std::string_view text);

}  // namespace barewire::kubernetes
