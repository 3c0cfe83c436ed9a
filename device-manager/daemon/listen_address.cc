// SPDX-License-Identifier: Apache-2.0
// Where the daemon may listen, and by which names it answers.
#include <algorithm>
#include <charconv>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "device-manager/daemon/loopback_server.h"

namespace barewire::daemon {
namespace {

Error wrong_address(std::string_view text) {
  return Error(Error::Code::config,
               fmt::format("\"{}\" is no loopback address with a port, as 127.0.0.1:9808 or [::1]:9808", text),
               "metrics name the pods of the node, so they are served to the node alone; a proxy that asks for "
               "credentials, or node_exporter with `barewire metrics --output`, takes them further");
}

/// "host:port" or "[host]:port" → host, port or nothing; nullopt for other forms.
std::optional<std::pair<std::string_view, std::string_view>> split(std::string_view text) {
  const std::size_t end = text.find(':');
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(bracket + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    return std::pair(text.substr(1, bracket - 1), rest.substr(rest.empty() ? 0 : 1));
  }
  if (end == std::string_view::npos) return std::pair(text, std::string_view());
  return std::pair(text.substr(0, end), text.substr(end + 1));
}

}  // namespace

ListenAddress parse_listen_address(std::string_view text) {
  const auto parts = split(text);
  if (!parts) throw wrong_address(text);
  const auto [host, port_text] = *parts;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (port_text.empty() || error != std::errc() || end != port_text.data() + port_text.size())
    throw wrong_address(text);
  if (host == "127.0.0.1" || equal_ignoring_case(host, "localhost")) return {"127.0.0.1", port};
  if (host == "::1") return {"::1", port};
  throw wrong_address(text);
}

bool is_own_host(std::string_view host) {
  const auto parts = split(host);
  if (!parts) return false;
  const auto [name, port] = *parts;
  if (!std::all_of(port.begin(), port.end(), [](char each) { return each >= '0' && each <= '9'; })) return false;
  return name == "127.0.0.1" || name == "::1" || equal_ignoring_case(name, "localhost");
}

}  // namespace barewire::daemon
