// SPDX-License-Identifier: Apache-2.0
// link(2) makes a reservation appear whole or not at all, and says by itself when somebody was faster.
#include "ipam/host_local/link_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/error.h"
#include "core/regular_file.h"

namespace barewire::ipam::host_local {

namespace {

constexpr std::string_view kDraftPrefix = ".barewire-draft.";

bool link_or_taken(int from_directory, const char* from, const std::string& path, int flags) {
  if (::linkat(from_directory, from, AT_FDCWD, path.c_str(), flags) == 0) return true;
  if (errno == EEXIST) return false;
  throw sys_error("creating {}", path);
}

/// By process id, so that two calls do not write one draft; a killed one's is removed by the next scan.
bool write_and_link(const std::string& directory, std::string_view content, const std::string& path) {
  const std::string draft = fmt::format("{}/{}{}", directory, kDraftPrefix, ::getpid());
  write_all(open_regular_for_writing(draft, O_WRONLY | O_TRUNC, 0644).get(), content, draft);
  struct Remove {
    const std::string& file;
    ~Remove() { ::unlink(file.c_str()); }
  } const remove{draft};
  return link_or_taken(AT_FDCWD, draft.c_str(), path, 0);
}

}  // namespace

bool is_draft_name(std::string_view name) {
  return name.substr(0, kDraftPrefix.size()) == kDraftPrefix;
}

Fd make_draft(const std::string& directory, std::string_view content) {
  // It has no name until it is whole: the reference plugin, which reads these files too, never sees an empty one.
  Fd draft(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644));
  // Kernels and file systems without O_TMPFILE see a directory opened for writing.
  if (!draft && (errno == EISDIR || errno == EOPNOTSUPP || errno == ENOENT || errno == EINVAL)) return {};
  if (!draft) throw sys_error("creating a file in {}", directory);
  write_all(draft.get(), content, fmt::format("a reservation in {}", directory));
  return draft;
}

bool give_name(int draft, const std::string& directory, std::string_view content, const std::string& name) {
  const std::string path = directory + "/" + name;
  if (draft < 0) return write_and_link(directory, content, path);
  // Linking by descriptor needs CAP_DAC_READ_SEARCH in the first user namespace; through /proc it never does.
  return link_or_taken(AT_FDCWD, fmt::format("/proc/self/fd/{}", draft).c_str(), path, AT_SYMLINK_FOLLOW);
}

}  // namespace barewire::ipam::host_local
