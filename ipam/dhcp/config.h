// SPDX-License-Identifier: Apache-2.0
/// The keys of "ipam" that the dhcp plugin knows; docs/configuration/dhcp.md describes them. client.h sends what they
/// ask for. Parsed by the plugin's call and, from the record, by the daemon.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/cni/request.h"
#include "ipam/dhcp/message.h"

namespace barewire::ipam::dhcp {

/// The reference daemon's, so that units and mounts made for it fit.
inline constexpr const char* kDefaultSocketPath = "/run/cni/dhcp.sock";

struct Config {
  std::map<std::uint8_t, Bytes> provided;  ///< options sent with every message but RELEASE
  Bytes requested;                         ///< codes of the options asked for, in the order written
  std::optional<std::uint32_t> priority;   ///< metric of the routes
  bool with_gateway = true;                ///< false: "suppress" names it

  /// Throws Error{config} naming key, value and what was expected.
  static Config parse(const cni::Request& request);
};

/// "ipam.daemonSocketPath", or the default. Throws Error{config} when it is not an absolute path a socket may have.
std::string socket_path_of(const cni::Request& request);

/// A name of dhcp-options(5) that the reference plugin knows, or a number from 1 to 254; nullopt otherwise.
std::optional<std::uint8_t> parse_option(std::string_view text);

/// What the reference plugin sends too, so that a server finds its lease again when the plugins change places:
/// "container/network/ifname", at most 254 bytes, behind a zero for "no hardware type". Source: RFC 2132 §9.14.
Bytes client_identifier(const std::string& network, const std::string& container_id, const std::string& ifname);

}  // namespace barewire::ipam::dhcp
