// SPDX-License-Identifier: Apache-2.0
/// What ADD answers, as a value in the shape of spec 1.1.0, and its conversion to and from every older shape.
/// configure.h carries it out; plugins of a chain hand it on and add to it. Values, no I/O.
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

/// One interface that an ADD made or moved, in the order in which IpConfig::interface counts them.
struct Interface {
  std::string name;
  std::string mac;          ///< text, of any length; empty: not told
  std::uint32_t mtu = 0;    ///< 0 = not told
  std::string sandbox;      ///< netns path; empty on the host
  std::string socket_path;  ///< vhost-user
  std::string pci_id;
};

/// One address of an interface, with the gateway that routes without one take.
struct IpConfig {
  IpPrefix address;
  std::optional<IpAddress> gateway;
  std::optional<int> interface;  ///< index into Result::interfaces; it may lead nowhere
};

/// One route of the pod; absent values are the kernel's choice. "scope" and the other numbers are of 1.1.0 on.
struct Route {
  IpPrefix destination;
  std::optional<IpAddress> gateway;
  std::optional<std::uint32_t> mtu, advmss, priority, table;
  std::optional<int> scope;
};

/// Name servers for the pod. A runtime may use it or not: kubelet writes resolv.conf from its own.
struct Dns {
  std::vector<std::string> nameservers;
  std::string domain;
  std::vector<std::string> search;   ///< domains
  std::vector<std::string> options;  ///< as resolv.conf(5) has them
  /// Nothing is said, so older shapes leave "dns" out.
  bool empty() const noexcept { return nameservers.empty() && domain.empty() && search.empty() && options.empty(); }
  /// Throws Error naming the key.
  static Dns parse(const JsonView& dns);
};

/// Of the whole chain so far: what the plugins before have made, and this one.
struct Result {
  std::vector<Interface> interfaces;  ///< of the node and of the pod
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
