// SPDX-License-Identifier: Apache-2.0
// No host names: a static program must not depend on the name service of the machine that built it.
#include "ovs-plugin/ovsdb/endpoint.h"

#include <sys/socket.h>

#include "core/error.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

extern "C" {
#include <socket-util.h>
}

namespace barewire::ovsdb {
namespace {

[[noreturn]] void reject(std::string_view key, std::string_view text, std::string_view expected) {
  throw Error(Error::Code::config, fmt::format("config key \"{}\" is \"{}\"; expected {}", key, text, expected));
}

// "unix" of "unix:/path"; empty for a bare path, which may hold colons of its own.
std::string_view scheme_of(std::string_view text) {
  const std::size_t end = text.find_first_of(":/");
  return end != std::string_view::npos && text[end] == ':' ? text.substr(0, end) : std::string_view();
}

bool is_address(const std::string& address) {
  sockaddr_storage parsed{};
  return inet_parse_active(address.c_str(), OVSDB_PORT, &parsed, false, nullptr);
}

void require_tls_files(const TlsFiles& tls, std::string_view key, std::string_view text) {
  if (tls.private_key.empty() || tls.certificate.empty() || tls.ca_certificate.empty()) {
    reject(key, text, "a private key, a certificate and a CA certificate along with an ssl: endpoint");
  }
}

}  // namespace

std::string Endpoint::text() const {
  switch (scheme) {
    case Scheme::tcp:
      return "tcp:" + address;
    case Scheme::tls:
      return "ssl:" + address;
    case Scheme::unix_socket:
      break;
  }
  return "unix:" + address;
}

Endpoint parse_endpoint(std::string_view text, std::string_view key, TlsFiles tls) {
  const std::string_view scheme = scheme_of(text);
  Endpoint endpoint;
  endpoint.address = text.substr(scheme.empty() ? 0 : scheme.size() + 1);
  if (scheme.empty() || scheme == "unix") {
    if (endpoint.address.empty()) reject(key, text, "the path of a socket");
    return endpoint;
  }
  if (scheme != "tcp" && scheme != "ssl") reject(key, text, "unix:PATH, tcp:IP:PORT, ssl:IP:PORT or a path");
  // The library logs what it cannot parse to stderr, which belongs to this program's own messages.
  quieten_libopenvswitch();
  if (!is_address(endpoint.address)) reject(key, text, "an IP address and a port, such as tcp:192.0.2.1:6640");
  endpoint.scheme = scheme == "tcp" ? Endpoint::Scheme::tcp : Endpoint::Scheme::tls;
  if (endpoint.scheme == Endpoint::Scheme::tls) require_tls_files(tls, key, text);
  endpoint.tls = std::move(tls);
  return endpoint;
}

}  // namespace barewire::ovsdb
