// SPDX-License-Identifier: Apache-2.0
// Only what needs <cstring> is here; the rest of Error is in its header, since it is thrown everywhere.
#include "core/error.h"

#include <cstring>

namespace barewire {

Error errno_error(int err, std::string_view doing, Error::Code code) {
  return Error(code, fmt::format("{} failed: {}", doing, std::strerror(err)));
}

}  // namespace barewire
