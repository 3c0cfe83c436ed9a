// SPDX-License-Identifier: Apache-2.0
// link(2) makes a reservation appear whole or not at all, and says by itself when somebody was faster.
#include "ipam/host_local/link_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/draft.h"
#include "core/error.h"
#include "core/regular_file.h"

namespace barewire::ipam::host_local {

namespace {

constexpr std::string_view kDraftPrefix = ".barewire-draft.";

bool linked_or_taken(int err, const std::string& path) {
  if (err == 0) return true;
  if (err == EEXIST) return false;
  throw errno_error(err, "creating " + path);
}

/// By process id, so that two calls do not write one draft; a killed one's is removed by the next scan.
bool write_and_link(const std::string& directory, std::string_view content, const std::string& path) {
  const std::string draft = fmt::format("{}/{}{}", directory, kDraftPrefix, ::getpid());
  write_all(open_regular_for_writing(draft, O_WRONLY | O_TRUNC, 0644).get(), content, draft);
  struct Remove {
    const std::string& file;
    ~Remove() { ::unlink(file.c_str()); }
  } const remove{draft};
  return linked_or_taken(::link(draft.c_str(), path.c_str()) == 0 ? 0 : errno, path);
}

}  // namespace

bool is_draft_name(std::string_view name) {
  return name.substr(0, kDraftPrefix.size()) == kDraftPrefix;
}

Fd draft_reservation(const std::string& directory, std::string_view content) {
  // It has no name until it is whole: the reference plugin, which reads these files too, never sees an empty one.
  auto draft = make_draft(directory, 0644);
  if (!draft) throw errno_error(ENOENT, "creating a file in " + directory);
  if (*draft) write_all(draft->get(), content, fmt::format("a reservation in {}", directory));
  return *std::move(draft);
}

bool give_name(int draft, const std::string& directory, std::string_view content, const std::string& name) {
  const std::string path = directory + "/" + name;
  if (draft < 0) return write_and_link(directory, content, path);
  return linked_or_taken(name_draft(draft, path), path);
}

}  // namespace barewire::ipam::host_local
