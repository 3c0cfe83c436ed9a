// SPDX-License-Identifier: Apache-2.0
/// Where an OVSDB server listens, as a configuration writes it. transport.h connects to it. Parsed without looking: a
/// path that is not there is found by connecting.
#pragma once

#include <string>
#include <string_view>

namespace barewire::ovsdb {

/// Files in PEM form that an `ssl:` endpoint needs, all three. Source: ovs-vsctl(8), "Public Key Infrastructure
/// Options".
struct TlsFiles {
  std::string private_key;
  std::string certificate;
  std::string ca_certificate;
};

/// A value, kept in records.
struct Endpoint {
  enum class Scheme { unix_socket, tcp, tls };
  Scheme scheme = Scheme::unix_socket;
  std::string address = "/var/run/openvswitch/db.sock";  ///< a path, or IP:PORT with an IPv6 address in brackets
  TlsFiles tls;
  /// The program that speaks TLS; empty: beside the running program, else where it is installed.
  std::string tls_helper;

  /// As it is written: "unix:/var/run/openvswitch/db.sock".
  std::string text() const;
};

/// Reads `unix:PATH`, `tcp:IP[:PORT]`, `ssl:IP[:PORT]` or a bare path; the port is 6640 unless given. Host names are
/// not looked up. Throws Error{config} naming `key`, also when `ssl:` comes without its three files. Source: ovsdb(7),
/// "Connection Methods"; RFC 7047 for the port.
Endpoint parse_endpoint(std::string_view text, std::string_view key, TlsFiles tls = {});

}  // namespace barewire::ovsdb
