// SPDX-License-Identifier: Apache-2.0
/// Compared byte for byte: no event tells of a file below a symbolic link. A ConfigMap's files are such: kubelet swaps
/// the link, not the file.
#include "device-manager/kubelet/pool_file.h"

#include <unistd.h>

#include "core/fd.h"
#include "device-manager/plugin_call.h"

namespace barewire::kubelet {

PoolFile::News PoolFile::look() {
  path_ = settings_.pools;
  for (const char* candidate : Settings::kDefaultPools)
    if (path_.empty() && ::access(candidate, F_OK) == 0) path_ = candidate;
  const auto bytes = path_.empty() ? std::nullopt : read_file(path_);
  if (!bytes) return News::missing;
  if (*bytes == bytes_) return News::none;
  // Before it is parsed: a file that is wrong is told once, not at every look.
  bytes_ = *bytes;
  try {
    config_ = inventory::parse_pools(*bytes, path_, settings_.prefix);
    return News::read;
  } catch (const Error& error) {
    failure_ = manager::describe(error);
    return News::wrong;
  }
}

}  // namespace barewire::kubelet
