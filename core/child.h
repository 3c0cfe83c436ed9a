// SPDX-License-Identifier: Apache-2.0
/// Starting another program that must not outlive the call it works for. A runtime kills a plugin that takes too long;
/// an IPAM plugin or an iptables that went on by itself would then reserve or add after the DEL that cleans up.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace barewire {

/// A program and what it is given. Descriptors: those of this process, -1 for the same one as this process has.
struct Program {
  std::string path;
  std::vector<std::string> arguments;    ///< the first is its own name
  std::vector<std::string> environment;  ///< NAME=VALUE
  int input = -1;
  int output = -1;
  int errors = -1;
};

/// Starts `program` with this thread's signal mask; the caller waits for it (waitpid). It is killed when this *thread*
/// ends, however it ends: with its process when that is killed. What it starts itself is not, unless it asks for that.
/// Throws Error{delegate} when it cannot be executed. From any thread.
/// Source: PR_SET_PDEATHSIG(2const), vfork(2).
pid_t start_child(const Program& program);

/// This process's environment, as `Program` has it.
std::vector<std::string> own_environment();

}  // namespace barewire
