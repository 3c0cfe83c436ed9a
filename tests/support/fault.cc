// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "core/error.h"
#include "tests/support/mutation.h"

namespace barewire::test {

namespace {

enum class Fault { none, kill, fail, signal };
struct Plan {
  Fault fault = Fault::none;
  std::size_t at = 0;
  KillTime when = KillTime::before;
  int err = 0;
  std::string text = {};  ///< not empty: the first mutation that holds it, instead of the n-th
  int signal = 0;
  std::vector<std::string> places = {};  ///< not empty: looks at these, instead of mutations

  std::vector<sock_filter> filter() const { return places.empty() ? mutation_filter() : look_filter(); }
  std::optional<std::string> describe(const Syscall& call) const {
    if (places.empty()) return describe_mutation(call);
    auto look = describe_look(call);
    const bool counts = look && std::any_of(places.begin(), places.end(), [&](const std::string& place) {
                          if (place.back() == '$') return look->ends_with(place.substr(0, place.size() - 1));
                          return look->find(place) != std::string::npos;
                        });
    return counts ? std::move(look) : std::nullopt;
  }
};

/// Kills `pid` when destruction has not come before the deadline; the tracer itself blocks in waitpid.
class Watchdog {
 public:
  Watchdog(pid_t pid, std::chrono::milliseconds timeout)
      : thread_([this, pid, timeout] {
          std::unique_lock lock(mutex_);
          if (stop_.wait_for(lock, timeout, [this] { return stopped_; })) return;
          expired_ = true;
          ::kill(pid, SIGKILL);
        }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() { stop(); }
  /// True when it had to kill.
  bool stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
    }
    stop_.notify_all();
    if (thread_.joinable()) thread_.join();
    return expired_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopped_ = false;
  bool expired_ = false;
  std::thread thread_;
};

class Tracer {
 public:
  Tracer(const Command& command, const Plan& plan)
      : child_(with_sanitizer_options(command), plan.filter()), plan_(plan) {
    // A descendant's death is not the program's: only the first process's status is the result.
    main_ = child_.pid();
  }

  FaultOutcome run(std::chrono::milliseconds timeout) {
    start();
    Watchdog watchdog(main_, timeout);
    const int status = follow();
    const bool timed_out = watchdog.stop();
    kill_all();
    reap_rest();
    outcome_.result = child_.finish(status);
    outcome_.result.timed_out = timed_out;
    return std::move(outcome_);
  }

 private:
  static Command with_sanitizer_options(Command command) {
    // LeakSanitizer is a tracer itself and cannot run under another.
    const auto given = command.environment.find("ASAN_OPTIONS");
    const std::string before = given == command.environment.end() ? "" : given->second + ":";
    command.environment["ASAN_OPTIONS"] = before + "detect_leaks=0";
    return command;
  }

  void start() {
    int status = 0;
    if (::waitpid(main_, &status, __WALL) != main_ || !WIFSTOPPED(status)) throw sys_error("tracing process {}", main_);
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                         PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SETOPTIONS, main_, nullptr, options) != 0) throw sys_error("tracing process {}", main_);
    live_.insert(main_);
    resume(main_, 0);
  }

  /// Until its next mutation; the struck one until the end of its call.
  void resume(pid_t pid, int signal) {
    ::ptrace(pid == struck_pid_ ? PTRACE_SYSCALL : PTRACE_CONT, pid, nullptr, static_cast<long>(signal));
  }

  void kill_all() {
    for (const pid_t pid : live_) ::kill(pid, SIGKILL);
  }

  /// Runs until the first process ends; its wait status.
  int follow() {
    while (true) {
      int status = 0;
      // __WNOTHREAD: only this thread's children, so no child of the test itself is reaped.
      const pid_t pid = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
      if (pid < 0) throw sys_error("following process {}", main_);
      if (WIFSTOPPED(status)) {
        live_.insert(pid);
        on_stop(pid, status);
        continue;
      }
      live_.erase(pid);
      if (pid == main_) return status;
    }
  }

  void reap_rest() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, __WALL | __WNOTHREAD)) > 0;)
      if (WIFSTOPPED(status)) ::kill(pid, SIGKILL);  // a child that appeared after kill_all
  }

  void on_stop(pid_t pid, int status) {
    const int signal = WSTOPSIG(status);
    if (status >> 16 == PTRACE_EVENT_EXEC) executed_ = true;  // until then it is this harness looking for the program
    if (status >> 16 == PTRACE_EVENT_SECCOMP) {
      on_entry(pid);
    } else if (signal == (SIGTRAP | 0x80) && pid == struck_pid_) {
      killed_ = true;
      kill_all();
    } else if (status >> 16 != 0 || (signal == SIGSTOP && started_.insert(pid).second)) {
      resume(pid, 0);  // a fork, clone or exec event, or a new child's first stop
    } else {
      resume(pid, signal);
    }
  }

  void on_entry(pid_t pid) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return resume(pid, 0);
    Syscall call{pid, info.seccomp.nr, {}};
    std::copy(std::begin(info.seccomp.args), std::end(info.seccomp.args), call.args.begin());
    const auto mutation = executed_ ? plan_.describe(call) : std::nullopt;
    if (mutation && !outcome_.struck) {
      outcome_.mutations.push_back(*mutation);
      if (is_planned()) strike(pid);
    }
    if (!killed_) resume(pid, 0);
  }

  bool is_planned() const {
    if (plan_.fault == Fault::none) return false;
    if (plan_.text.empty()) return outcome_.mutations.size() == plan_.at + 1;
    return outcome_.mutations.back().find(plan_.text) != std::string::npos;
  }

  void strike(pid_t pid) {
    outcome_.struck = true;
    if (plan_.fault == Fault::signal) {
      ::kill(main_, plan_.signal);
      return;
    }
    if (plan_.fault == Fault::fail) {
      // A call with this number is skipped, and returns what the register holds.
      set_register(pid, offsetof(user_regs_struct, orig_rax), static_cast<unsigned long>(-1L));
      set_register(pid, offsetof(user_regs_struct, rax), static_cast<unsigned long>(-static_cast<long>(plan_.err)));
    } else if (plan_.when == KillTime::before) {
      killed_ = true;
      kill_all();
    } else {
      struck_pid_ = pid;
    }
  }

  static void set_register(pid_t pid, std::size_t offset, unsigned long value) {
    static_assert(sizeof(void*) == 8, "the registers' names are those of x86_64");
    ::ptrace(PTRACE_POKEUSER, pid, offset, value);
  }

  ChildProcess child_;
  Plan plan_;
  pid_t main_ = -1;
  pid_t struck_pid_ = -1;
  bool executed_ = false;
  bool killed_ = false;
  std::set<pid_t> live_;
  std::set<pid_t> started_;
  FaultOutcome outcome_;
};

/// On a thread of its own: only the thread that started a tracee may trace it, and only its children are waited for.
FaultOutcome trace(const Command& command, const Plan& plan) {
  FaultOutcome outcome;
  std::exception_ptr failure;
  std::thread([&] {
    try {
      outcome = Tracer(command, plan).run(command.timeout);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return outcome;
}

}  // namespace

FaultOutcome trace_mutations(const Command& command) {
  return trace(command, {});
}

FaultOutcome kill_at(const Command& command, std::size_t n, KillTime when) {
  return trace(command, {Fault::kill, n, when, 0});
}

FaultOutcome kill_at(const Command& command, const std::string& text, KillTime when) {
  return trace(command, {Fault::kill, 0, when, 0, text});
}

FaultOutcome fail_at(const Command& command, std::size_t n, int err) {
  return trace(command, {Fault::fail, n, KillTime::before, err});
}

FaultOutcome fail_look_at(const Command& command, const std::vector<std::string>& places, std::size_t n, int err) {
  return trace(command, {Fault::fail, n, KillTime::before, err, {}, 0, places});
}

FaultOutcome signal_at(const Command& command, const std::string& text, int signal) {
  return trace(command, {Fault::signal, 0, KillTime::before, 0, text, signal});
}

std::string why_tracing_is_impossible() {
  try {
    const FaultOutcome outcome = trace_mutations(
        {.program = "/bin/true", .arguments = {}, .argv0 = {}, .environment = {}, .stdin_bytes = {}, .netns = {}});
    return outcome.result.ok() ? "" : "a traced /bin/true failed";
  } catch (const Error& error) {
    return error.what();
  }
}

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// 0 without a seed. Each sweep of each test has its own, so that one run strikes at many kinds of places.
std::size_t draw_start(const std::string& seed, std::size_t stride) {
  static int sweeps_before = 0;
  const int sweep = sweeps_before++;
  if (seed.empty()) return 0;
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = test == nullptr ? "" : fmt::format("{}.{}", test->test_suite_name(), test->name());
  return std::hash<std::string>{}(fmt::format("{} {} {}", seed, name, sweep)) % stride;
}

}  // namespace

SweepPlan plan_sweep(std::size_t stride) {
  if (variable("BAREWIRE_SWEEP") == "whole") return {};
  const std::string every = variable("BAREWIRE_SWEEP_EVERY");
  const std::string seed = variable("BAREWIRE_SWEEP_SEED");
  SweepPlan plan;
  plan.stride = stride * (every.empty() ? 1 : std::stoul(every));
  plan.start = draw_start(seed, plan.stride);
  if (plan.stride > 1)
    fmt::print("sweep: from change {} every {}; BAREWIRE_SWEEP_SEED={}\n", plan.start, plan.stride, seed);
  return plan;
}

std::size_t for_each_mutation(const std::function<FaultOutcome(std::size_t n)>& attempt, std::size_t stride) {
  constexpr std::size_t kMost = 2000;
  const SweepPlan plan = plan_sweep(stride);
  for (std::size_t n = plan.start; n < kMost; n += plan.stride)
    if (!attempt(n).struck) return n;
  throw Error(Error::Code::internal, fmt::format("the program still had mutations after {}", kMost));
}

}  // namespace barewire::test
