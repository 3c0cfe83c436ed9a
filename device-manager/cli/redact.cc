// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cli/redact.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace barewire::cli {

bool names_a_secret(std::string_view key) {
  constexpr std::array<std::string_view, 8> kWords = {"password", "passwd",      "secret",     "token",
                                                      "private",  "credentials", "passphrase", "apikey"};
  return std::any_of(kWords.begin(), kWords.end(), [&](auto word) { return contains_ignoring_case(key, word); });
}

void leave_out_secrets(boost::json::value& document) {
  if (document.is_array())
    for (auto& element : document.get_array()) leave_out_secrets(element);
  if (!document.is_object()) return;
  for (auto& member : document.get_object()) {
    if (names_a_secret(member.key()))
      member.value() = "(left out)";
    else
      leave_out_secrets(member.value());
  }
}

}  // namespace barewire::cli
