// SPDX-License-Identifier: Apache-2.0
// A netns is dead when no process is in it and no mount holds it: whoever does not see every process must not judge.
#include "device-manager/liveness.h"

#include <sys/stat.h>

#include "core/error.h"

namespace barewire::manager {

void require_every_process(const std::string& proc) {
  // Source: include/linux/proc_ns.h, PROC_PID_INIT_INO.
  constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;
  struct stat status {};
  if (::stat((proc + "/self/ns/pid").c_str(), &status) == 0 && status.st_ino == kInitialPidNamespace) return;
  throw Error(Error::Code::environment, "telling which pods live is not certain in a PID namespace of one's own",
              "give the container the host's PID namespace; where all pods' processes are to be seen nevertheless, say "
              "--own-pid-namespace");
}

}  // namespace barewire::manager
