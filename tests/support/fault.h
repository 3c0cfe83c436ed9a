// SPDX-License-Identifier: Apache-2.0
/// Making a program die, or its system calls fail, at each point where it changes something: "ADD killed at every step"
/// with no hook in the product. A ptrace tracer counts the system calls that can change the node (mutations), and kills
/// or fails the n-th. Works on static PIE and sanitizer builds, and follows children. x86_64 only.
/// Source: ptrace(2), PTRACE_GET_SYSCALL_INFO (Linux 5.3), PTRACE_O_TRACESECCOMP.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace barewire::test {

/// What counts: sends and writes other than to stderr, netlink requests that are not pure reads, creating opens, links,
/// renames, removals, modes, times, mounts, namespace changes, ioctls that are not known getters, forks and execs (but
/// the first). Each as text: "linkat /var/lib/cni/networks/n/10.1.2.3".
struct FaultOutcome {
  CommandResult result;
  std::vector<std::string> mutations;  ///< up to the fault; the last one is where it struck
  bool struck = false;                 ///< false: the program ended before its n-th mutation
};

/// Whether the n-th mutation still happens before the kill.
enum class KillTime { before, after };

/// Only counts. Throws Error when the program cannot be traced.
FaultOutcome trace_mutations(const Command& command);
/// SIGKILLs the program and its children at mutation `n`, from 0.
FaultOutcome kill_at(const Command& command, std::size_t n, KillTime when);
/// As kill_at, at the first mutation whose text holds `text`: for programs with threads, whose order varies.
FaultOutcome kill_at(const Command& command, const std::string& text, KillTime when);
/// Makes mutation `n` fail with `err` (EIO, …) without being executed; the program goes on.
FaultOutcome fail_at(const Command& command, std::size_t n, int err);

/// Makes the n-th look, from 0, fail with `err`: listing a directory, opening, asking the status of or reading a link
/// at a path that holds one of `places`, or ends with it where it is followed by '$'. `mutations` then holds the looks.
FaultOutcome fail_look_at(const Command& command, const std::vector<std::string>& places, std::size_t n, int err);

/// Sends `signal` to the program before the first mutation whose text holds `text`; the program goes on as it likes.
FaultOutcome signal_at(const Command& command, const std::string& text, int signal);

/// Empty when this process may trace; else why not: GTEST_SKIP() << why.
std::string why_tracing_is_impossible();

/// Which mutations a sweep strikes at: `start`, `start + stride`, … With $BAREWIRE_SWEEP=whole at each one. Else at
/// every `stride`-th that the test asks for (where a guest would take minutes for them all), times
/// $BAREWIRE_SWEEP_EVERY (a whole run of the tests, and more so of sanitized programs); then from a place that
/// $BAREWIRE_SWEEP_SEED decides for this test, 0 without it. A sample is printed with its seed, so that a failure can
/// be had again.
struct SweepPlan {
  std::size_t start = 0;
  std::size_t stride = 1;
};
SweepPlan plan_sweep(std::size_t stride);

/// Those of `all` that plan_sweep(1) says, one at least, for a sweep over things of a kind, such as every plugin.
template <class Thing>
std::vector<Thing> sampled(const std::vector<Thing>& all) {
  const SweepPlan plan = plan_sweep(1);
  std::vector<Thing> chosen;
  for (std::size_t n = plan.start < all.size() ? plan.start : plan.start % all.size(); n < all.size(); n += plan.stride)
    chosen.push_back(all[n]);
  return chosen;
}

/// Calls `attempt(n)` for n = 0, 1, … until one did not strike, or n is 2000; returns that n. `attempt` prepares the
/// node, injects at n and verifies. Only at those n that plan_sweep(stride) says.
std::size_t for_each_mutation(const std::function<FaultOutcome(std::size_t n)>& attempt, std::size_t stride = 1);

}  // namespace barewire::test
