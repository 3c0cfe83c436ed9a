// SPDX-License-Identifier: Apache-2.0
// A linker takes a member of an archive only for a name that is still missing, so a program that has a build_info of
// its own never takes this one. Nothing else may stand in this file.
#include "core/build_info.h"

namespace barewire {

std::string_view build_info() {
  return BAREWIRE_VERSION;
}

}  // namespace barewire
