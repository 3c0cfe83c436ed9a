// SPDX-License-Identifier: Apache-2.0
/// What is meant by keys of a configuration that are there and say nothing. json_view.h has what holds for every key.
#pragma once

#include <optional>
#include <string_view>

#include "core/cni/request.h"

namespace barewire::cni {

/// A configuration's "cniVersion": "" is 0.1.0, the version of those who name none. libcni hands it to the plugins of a
/// list without the key. nullopt unless that or "N.N.N". Source: ConfigDecoder in pkg/version of the reference library.
std::optional<Version> parse_configured_version(std::string_view text);

/// Does "dns" take the place of IPAM's? It does when it has a list, be it empty, or a domain.
/// Source: dnsConfSet in the reference plugins bridge, macvlan and ptp.
bool overrides_dns(const Request& request);

/// For a plugin that cannot do without addresses. Throws Error{config} saying what "ipam" looks like when it names no
/// plugin.
void require_ipam_type(const Request& request);

}  // namespace barewire::cni
