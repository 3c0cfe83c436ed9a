// SPDX-License-Identifier: Apache-2.0
/// Answers that are refusals, in words that say what to do. The status is kept beside the words: 404 and 409 are
/// everyday answers, and callers go by them.
#include "device-manager/kubernetes/api.h"

#include "core/json_view.h"

namespace barewire::kubernetes {
namespace {

/// "metav1.Status" carries a message; a proxy in between may have answered something else.
std::string message_of(const ApiAnswer& answer) {
  if (!answer.body.is_object()) return {};
  const auto* message = answer.body.get_object().if_contains("message");
  constexpr std::size_t kMost = 300;
  return message != nullptr && message->is_string() ? std::string(message->get_string()).substr(0, kMost) : "";
}

std::string hint_of(int status) {
  switch (status) {
    case 401:
      return "is the token, or the client certificate, still good?";
    case 403:
      return "docs/kubernetes.md lists the rights that the daemon's service account needs";
    default:
      return {};
  }
}

}  // namespace

boost::json::value Api::require(const ApiRequest& request) {
  ApiAnswer answer = call(request);
  if (answer.ok()) return std::move(answer.body);
  const std::string message = message_of(answer);
  // Selectors and page marks make a message long and say nothing to who reads it.
  const std::string path = request.path.substr(0, request.path.find('?'));
  throw ApiRefusal(answer.status,
                   fmt::format("{} {} was answered {}{}{}", request.method, path, answer.status,
                               message.empty() ? "" : ": ", message),
                   hint_of(answer.status));
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return result;
}

}  // namespace barewire::kubernetes
