// SPDX-License-Identifier: Apache-2.0
/// Which system calls of a traced process can change the node, and which look at it; used by fault.cc alone.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace barewire::test {

/// A system call at its entry.
struct Syscall {
  pid_t pid = 0;
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> args{};
};

/// Its description when it can change something, nullopt when it only reads.
std::optional<std::string> describe_mutation(const Syscall& call);

/// The description of a system call that looks at a file or directory, with its path; nullopt for all others.
std::optional<std::string> describe_look(const Syscall& call);
/// As mutation_filter, for describe_look.
std::vector<sock_filter> look_filter();

/// A program of seccomp(2) by which only the system calls that describe_mutation looks at stop for a tracer: all
/// others, which are most, run at full speed.
std::vector<sock_filter> mutation_filter();

}  // namespace barewire::test
