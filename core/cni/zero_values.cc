// SPDX-License-Identifier: Apache-2.0
// Go knows no difference between a key that is missing and one with its type's zero value; where that shows in what the
// reference plugins do, it is done the same here.
#include "core/cni/zero_values.h"

#include <algorithm>
#include <array>

namespace barewire::cni {

std::optional<Version> parse_configured_version(std::string_view text) {
  // An empty version is the oldest. Source: PluginSupports of CNI's pkg/version.
  return text.empty() ? Version{0, 1, 0} : Version::parse(text);
}

bool overrides_dns(const Request& request) {
  constexpr std::array kLists = {"nameservers", "search", "options"};
  // An empty "dns" is no answer: IPAM's own stays then.
  const auto dns = request.conf.root().find("dns");
  if (!dns) return false;
  return !dns->string_or("domain", "").empty() ||
         std::any_of(kLists.begin(), kLists.end(), [&](const char* list) { return dns->has(list); });
}

void require_ipam_type(const Request& request) {
  if (!request.conf.ipam_type.empty()) return;
  throw Error(Error::Code::config, "config key \"ipam.type\" is missing; expected the name of an IPAM plugin",
              "as \"ipam\": {\"type\": \"host-local\", \"subnet\": \"10.1.2.0/24\"}");
}

}  // namespace barewire::cni
