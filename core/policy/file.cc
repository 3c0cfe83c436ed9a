// SPDX-License-Identifier: Apache-2.0
// Which files a policy is in, and what a file that cannot be trusted means: no pod gets a network.
#include "core/policy/file.h"

#include "core/trusted_file.h"

namespace barewire::policy {

namespace {

Error refuse(const std::string& path, std::string_view why) {
  return Error(Error::Code::policy, fmt::format("the node's policy {} cannot be used: {}", path, why),
               "until it is mended no pod gets a network; DEL and GC go on");
}

}  // namespace

std::optional<Policy> read_policy(const std::string& path) {
  const auto bytes = read_trusted(path, refuse);
  if (!bytes) return std::nullopt;
  // Also where the file itself is root's: who may write its directory could replace it.
  is_trusted_directory(directory_of(path), refuse);
  Policy policy;
  policy.add_file(path, *bytes);
  const std::string more = directory_beside(path);
  if (!is_trusted_directory(more, refuse)) return policy;
  for (const std::string& file : list_json_files(more, refuse))
    // In the order of names; the first rule that is for a network decides, so names like "10-…" order them.
    if (const auto text = read_trusted(file, refuse)) policy.add_file(file, *text);
  return policy;
}

}  // namespace barewire::policy
