// SPDX-License-Identifier: Apache-2.0
// Linking by descriptor needs CAP_DAC_READ_SEARCH in the first user namespace; through /proc it never does.
#include "core/draft.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/error.h"

namespace barewire {

std::optional<Fd> make_draft(const std::string& directory, mode_t mode) {
  Fd draft(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode));
  if (draft) return draft;
  if (errno == ENOENT && ::access(directory.c_str(), F_OK) < 0) return std::nullopt;
  // Kernels and file systems without O_TMPFILE see a directory opened for writing.
  if (errno == EISDIR || errno == EOPNOTSUPP || errno == ENOENT || errno == EINVAL) return Fd();
  throw sys_error("creating a file in {}", directory);
}

int name_draft(int draft, const std::string& path) noexcept {
  char name[32] = {};
  fmt::format_to_n(name, sizeof name - 1, "/proc/self/fd/{}", draft);
  return ::linkat(AT_FDCWD, name, AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

}  // namespace barewire
