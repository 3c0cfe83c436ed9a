// SPDX-License-Identifier: Apache-2.0
/// The API server as the daemon uses it: one request, one answer, JSON both ways. api_client.h speaks HTTP; who needs
/// the API server takes this interface, so that it can be tested without one.
/// Source: Kubernetes API concepts, docs/reference/using-api.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "core/error.h"

namespace barewire::kubernetes {

struct ApiRequest {
  std::string method = "GET";
  std::string path{};  ///< with its query: "/api/v1/nodes/n1"
  std::string body{};
  std::string content_type = "application/json";
};

struct ApiAnswer {
  int status = 0;  ///< of HTTP
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

class Api {
 public:
  virtual ~Api() = default;
  /// Any answer of the server's, whatever its status. Throws Error{io} when there is none, Error{decode} when it is not
  /// JSON.
  virtual ApiAnswer call(const ApiRequest& request) = 0;

  /// The body of a good answer. Throws ApiRefusal for another.
  boost::json::value require(const ApiRequest& request);
};

/// For a path's component or a query's value. Source: RFC 3986, section 2.1.
std::string percent_encoded(std::string_view text);

}  // namespace barewire::kubernetes
