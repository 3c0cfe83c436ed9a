// SPDX-License-Identifier: Apache-2.0
/// What ADD answers, as a value in the shape of spec 1.1.0, and its conversion to and from every older shape.
/// Source: CNI spec 1.1.0 "ADD Success"; SPEC.md of 0.2.0, 0.3.1, 0.4.0, 1.0.0.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/version.h"
#include "core/ip.h"
#include "core/json_view.h"

namespace barewire::cni {

struct Interface {
  std::string name;
  std::string mac;
  std::uint32_t mtu = 0;    ///< 0 = not told
  std::string sandbox;      ///< netns path; empty on the host
  std::string socket_path;  ///< vhost-user
  std::string pci_id;
};

struct IpConfig {
  IpPrefix address;
  std::optional<IpAddress> gateway;
  std::optional<int> interface;  ///< index into Result::interfaces; it may lead nowhere
};

struct Route {
  IpPrefix destination;
  std::optional<IpAddress> gateway;
  std::optional<std::uint32_t> mtu, advmss, priority, table;
  std::optional<int> scope;
};

struct Dns {
  std::vector<std::string> nameservers;
  std::string domain;
  std::vector<std::string> search;
  std::vector<std::string> options;
  bool empty() const noexcept { return nameservers.empty() && domain.empty() && search.empty() && options.empty(); }
  static Dns parse(const JsonView& dns);
};

struct Result {
  std::vector<Interface> interfaces;
  std::vector<IpConfig> ips;
  std::vector<Route> routes;
  Dns dns;

  /// In the shape of `version`; what that version cannot say is left out. Throws Error{unsupported_field} where the
  /// reference library refuses too: a version before 0.3.0 and no address at all.
  boost::json::value to_json(const Version& version) const;
  /// Reads a result whose own "cniVersion" (or, absent or "", `fallback`) tells its shape. Throws Error naming the key.
  static Result parse(const JsonView& json, const Version& fallback);
};

/// {"dst":…,"gw":…,"mtu":…}, as in results and IPAM configuration. Throws Error naming the key.
Route parse_route(const JsonView& json);

}  // namespace barewire::cni
