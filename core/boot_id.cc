// SPDX-License-Identifier: Apache-2.0
#include "core/boot_id.h"

#include <fcntl.h>

#include "core/error.h"
#include "core/fd.h"
#include "core/text.h"

namespace barewire {

const std::string& current_boot_id() {
  static const std::string id = [] {
    try {
      // It is asked for in every ADD: a missing file must not keep pods from starting.
      const auto file = try_open_file("/proc/sys/kernel/random/boot_id", O_RDONLY);
      return file ? std::string(trim(read_all(file->get(), "the boot's id"), "\n")) : std::string();
    } catch (const Error&) {
      return std::string();
    }
  }();
  return id;
}

}  // namespace barewire
