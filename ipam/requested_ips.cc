// SPDX-License-Identifier: Apache-2.0
// Addresses that a runtime asks for, in the places where they may stand; each remembers its place, for messages.
#include "ipam/requested_ips.h"

#include "core/text.h"

namespace barewire::ipam {

namespace {}  // namespace

void AskedAddress::reject(std::string_view expected) const {
  throw Error(Error::Code::config, fmt::format("{} is \"{}\"; expected {}", source, text, expected));
}

std::vector<AskedAddress> asked_in_args(const cni::Request& request, std::string_view key) {
  std::vector<AskedAddress> asked;
  const std::string value = request.args.find(key).value_or("");
  if (value.empty()) return asked;
  // Also the empty text behind a last comma, which is refused by its reader: a comma too many may be an address too
  // few.
  for (std::size_t start = 0; start <= value.size();) {
    const std::size_t comma = std::min(value.find(',', start), value.size());
    asked.push_back({std::string(trim(value.substr(start, comma - start))), fmt::format("CNI_ARGS key \"{}\"", key)});
    start = comma + 1;
  }
  return asked;
}

std::vector<AskedAddress> asked_in(const std::optional<JsonView>& list) {
  std::vector<AskedAddress> asked;
  if (!list) return asked;
  for (const JsonView& element : list->array("an array of addresses"))
    asked.push_back({element.string(), fmt::format("config key \"{}\"", element.path())});
  return asked;
}

}  // namespace barewire::ipam
