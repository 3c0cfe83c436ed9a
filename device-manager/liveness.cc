// SPDX-License-Identifier: Apache-2.0
#include "device-manager/liveness.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/kernel/netns.h"

namespace barewire::manager {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

bool is_number(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_of_another_boot(const state::Attachment& attachment, const std::string& boot_id) {
  return !attachment.boot_id.empty() && attachment.boot_id != boot_id;
}

}  // namespace

LiveNetNs LiveNetNs::scan(const std::string& proc) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(proc.c_str()));
  if (!directory) throw sys_error("listing {}", proc);
  LiveNetNs live;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (!is_number(entry->d_name)) continue;
    struct stat status {};
    std::string path = fmt::format("{}/{}/ns/net", proc, entry->d_name);
    if (::stat(path.c_str(), &status) < 0) continue;
    live.paths_.emplace(std::pair(status.st_dev, status.st_ino), std::move(path));
  }
  return live;
}

bool LiveNetNs::is_alive(const state::Attachment& attachment, const std::string& boot_id) const {
  if (is_at_its_path(attachment, boot_id)) return true;
  if (is_of_another_boot(attachment, boot_id) || !attachment.netns_id) return false;
  const auto found = paths_.find({attachment.netns_id->device, attachment.netns_id->inode});
  if (found == paths_.end()) return false;
  const auto netns = kernel::NetNs::try_open(found->second);
  return !netns || netns->id() == *attachment.netns_id;  // a process that ended since tells nothing
}

bool is_at_its_path(const state::Attachment& attachment, const std::string& boot_id) {
  if (is_of_another_boot(attachment, boot_id)) return false;
  const auto netns = kernel::NetNs::try_open(attachment.netns);
  return netns && (!attachment.netns_id || netns->id() == *attachment.netns_id);
}

void require_every_process(const std::string& proc) {
  constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;
  struct stat status {};
  if (::stat((proc + "/self/ns/pid").c_str(), &status) == 0 && status.st_ino == kInitialPidNamespace) return;
  throw Error(Error::Code::environment, "telling which pods live is not certain in a PID namespace of one's own",
              "give the container the host's PID namespace; where all pods' processes are to be seen nevertheless, say "
              "--own-pid-namespace");
}

}  // namespace barewire::manager
