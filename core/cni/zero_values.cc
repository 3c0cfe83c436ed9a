// SPDX-License-Identifier: Apache-2.0
#include "core/cni/zero_values.h"

#include <algorithm>
#include <array>

namespace barewire::cni {

std::optional<Version> parse_configured_version(std::string_view text) {
  return text.empty() ? Version{0, 1, 0} : Version::parse(text);
}

bool overrides_dns(const Request& request) {
  constexpr std::array kLists = {"nameservers", "search", "options"};
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
