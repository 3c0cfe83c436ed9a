// SPDX-License-Identifier: Apache-2.0
// One system call where the directory is there, which it nearly always is.
#include "core/run_directory.h"

#include <sys/stat.h>

#include "core/error.h"

namespace barewire {

namespace {

constexpr mode_t kForAll = 0755, kForRoot = 0700;

/// False when its parent is missing.
bool make(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return true;
  if (errno == ENOENT) return false;
  throw sys_error("creating directory {}", path);
}

/// Only who makes it sets its mode: an administrator may have given it another since.
void make_passable(const std::string& path) {
  if (::mkdir(path.c_str(), kForAll) == 0) {
    if (::chmod(path.c_str(), kForAll) < 0) throw sys_error("setting the mode of {}", path);  // whatever the umask
    return;
  }
  if (errno == EEXIST) return;
  const auto slash = path.rfind('/');
  if (errno != ENOENT || slash == 0 || slash == std::string::npos) throw sys_error("creating directory {}", path);
  // The way there may be walked by all (commands look at it); what is below run_dir is root's.
  make_passable(path.substr(0, slash));
  make_passable(path);
}

}  // namespace

void make_run_directory(const std::string& run_dir, const std::string& below) {
  if (make(run_dir + "/" + below, kForRoot)) return;
  make_passable(run_dir);
  for (std::size_t end = 0; end != std::string::npos;) {
    end = below.find('/', end + 1);
    make(run_dir + "/" + below.substr(0, end), kForRoot);
  }
}

}  // namespace barewire
