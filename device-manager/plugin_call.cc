// SPDX-License-Identifier: Apache-2.0
// A plugin is called in a process of its own, since one that hangs or dies must not take the daemon with it.
#include "device-manager/plugin_call.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "core/cni/delegate.h"
#include "core/directory.h"
#include "core/fd.h"
#include "core/journal.h"

extern char** environ;

namespace barewire::manager {
namespace {

using Clock = std::chrono::steady_clock;

/// What the child sends back: the exit status as one byte, then the output.
cni::Outcome perform(Node node, const std::string& type, const cni::Environment& environment,
                     const std::string& stdin_bytes) {
  journal::record_in("");  // who calls it from here records what came of it, even when it dies
  const cni::Plugin* plugin = node.plugins != nullptr ? node.plugins->find(type) : nullptr;
  if (plugin != nullptr) return cni::run(*plugin, environment, stdin_bytes, node);
  try {
    return {0, cni::call_plugin(type, environment, stdin_bytes, node)};
  } catch (const Error& error) {
    return {1, cni::error_json(error, cni::kLatestVersion)};
  }
}

constexpr const char* kCallPlugin = "--call-plugin";

/// The child of fork: never returns. A group of its own lets a timeout kill what the plugin itself started, and keeps a
/// terminal's interrupt from stopping an undo half-way.
[[noreturn]] void child(const Node& node, const std::string& type, const cni::Environment& environment,
                        const std::string& stdin_bytes, int answer) {
  ::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  // A mask is inherited: who calls may block signals to read them from a descriptor, and what the plugin starts would
  // not end at SIGTERM.
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  try {
    const cni::Outcome outcome = perform(node, type, environment, stdin_bytes);
    write_all(answer, std::string(1, static_cast<char>(outcome.exit_status)) + outcome.output, "the answer");
    ::_exit(0);
  } catch (...) {
    ::_exit(1);
  }
}

pid_t fork_child(const Node& node, const std::string& type, const cni::Environment& environment,
                 const std::string& stdin_bytes, int answer, const state::FileLock* held) {
  const pid_t pid = ::fork();
  if (pid < 0) throw sys_error("starting plugin {}", type);
  // The plugin takes the attachment's lock as every DEL does, and would wait for its own caller.
  if (pid == 0 && held != nullptr) state::FileLock::inherit(held->path());
  if (pid == 0) child(node, type, environment, stdin_bytes, answer);
  ::setpgid(pid, pid);  // also here: a kill may come before the child has run
  return pid;
}

/// A child of fork may only run what no other thread can have left half-done: with threads, this program is executed
/// anew instead.
bool has_threads() {
  return list_directory("/proc/self/task").size() > 1;
}

/// This process's environment with the CNI_* variables of `environment`.
std::vector<std::string> process_environment(const cni::Environment& environment) {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
    if (std::strncmp(*variable, "CNI_", 4) != 0) variables.emplace_back(*variable);
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) variables.push_back(fmt::format("{}={}", name, value));
  };
  put("CNI_COMMAND", environment.command);
  put("CNI_CONTAINERID", environment.container_id);
  put("CNI_NETNS", environment.netns);
  put("CNI_IFNAME", environment.ifname);
  put("CNI_PATH", environment.path);
  put("CNI_ARGS", environment.args);
  return variables;
}

/// posix_spawn's attributes for a group of its own and no signal blocked.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawn_file_actions_init(&files_);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&files_);
  }
  pid_t spawn(const std::string& type, const cni::Environment& environment, const std::string& held) {
    std::vector<std::string> variables = process_environment(environment);
    std::vector<char*> pointers;
    for (std::string& variable : variables) pointers.push_back(variable.data());
    pointers.push_back(nullptr);
    // By this link and not by its path: after an upgrade the path is another program.
    std::string program = "/proc/self/exe", option = kCallPlugin, argument = type, lock = held;
    std::array<char*, 5> arguments = {program.data(), option.data(), argument.data(), lock.data(), nullptr};
    pid_t pid = 0;
    const int err = ::posix_spawn(&pid, program.c_str(), &files_, &attributes_, arguments.data(), pointers.data());
    if (err != 0) throw errno_error(err, fmt::format("starting plugin {}", type));
    return pid;
  }
  void dup2(int from, int to) { ::posix_spawn_file_actions_adddup2(&files_, from, to); }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t files_{};
};

pid_t spawn_child(const Node&, const std::string& type, const cni::Environment& environment,
                  const std::string& stdin_bytes, int answer, const state::FileLock* held) {
  // A file, not a pipe: what does not fit into a pipe's buffer would have to be written while the answer is read.
  const Fd input(::memfd_create("cni-stdin", MFD_CLOEXEC));
  if (!input) throw sys_error("creating a memory file for the stdin of plugin {}", type);
  write_all(input.get(), stdin_bytes, "a plugin's stdin");
  if (::lseek(input.get(), 0, SEEK_SET) < 0) throw sys_error("rewinding a plugin's stdin");
  SpawnAttributes attributes;
  attributes.dup2(input.get(), STDIN_FILENO);
  attributes.dup2(answer, STDOUT_FILENO);
  return attributes.spawn(type, environment, held != nullptr ? held->path() : "");
}

/// Everything until the other end closes; nullopt when `deadline` passes first.
std::optional<std::string> read_until(int fd, Clock::time_point deadline) {
  std::string bytes;
  std::array<char, 4096> buffer{};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = left > 0 ? ::poll(&readable, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno != EINTR) throw sys_error("waiting for a plugin");
    if (ready == 0) return std::nullopt;
    if (ready < 0) continue;
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno != EINTR) throw sys_error("reading a plugin's answer");
    if (size == 0) return bytes;
    if (size > 0) bytes.append(buffer.data(), static_cast<std::size_t>(size));
    if (bytes.size() > kLargestFile) return std::nullopt;  // endless: as one that never ends
  }
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw sys_error("waiting for process {}", pid);
  }
  return status;
}

Error plugin_error(const std::string& type, const std::string& output) {
  try {
    const auto document = parse_json(output, fmt::format("the error of plugin {}", type));
    const JsonView view(document, "error key");
    const auto code = static_cast<int>(view.integer_or("code", 0, 1'000'000, "a CNI error code", 999));
    return Error(code, view.at("msg").string(), view.string_or("details", ""));
  } catch (const Error&) {
    return Error(Error::Code::delegate, fmt::format("plugin {} failed without a CNI error", type),
                 output.substr(0, 400));
  }
}

}  // namespace

std::string call_in_child(const Node& node, const std::string& type, const cni::Environment& environment,
                          const std::string& stdin_bytes, std::chrono::milliseconds timeout,
                          const state::FileLock* held) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("creating a pipe for plugin {}", type);
  const Fd answer(ends[0]);
  Fd childs_end(ends[1]);
  // fork spares the start of a program, and `barewire check` calls a plugin for each attachment.
  const auto start = has_threads() ? spawn_child : fork_child;
  const pid_t pid = start(node, type, environment, stdin_bytes, childs_end.get(), held);
  childs_end.reset();
  const auto printed = read_until(answer.get(), Clock::now() + timeout);
  // The group: an IPAM plugin or iptables that it started would go on without it.
  if (!printed) ::kill(-pid, SIGKILL);
  const int status = wait_for(pid);
  if (!printed) {
    throw Error(Error::Code::delegate, fmt::format("plugin {} took longer than {} ms", type, timeout.count()),
                "it was stopped; its work can be repeated");
  }
  // What it printed before it died is not its answer.
  if (WIFSIGNALED(status) || printed->empty()) {
    throw Error(Error::Code::delegate, WIFSIGNALED(status)
                                           ? fmt::format("plugin {} died of signal {}", type, WTERMSIG(status))
                                           : fmt::format("plugin {} ended without an answer", type));
  }
  std::string output = printed->substr(1);
  if (printed->front() != 0) throw plugin_error(type, output);
  return output;
}

std::optional<int> perform_plugin_call(int argc, char** argv, const Node& node) {
  if (argc != 4 || std::string_view(argv[1]) != kCallPlugin) return std::nullopt;
  if (*argv[3] != '\0') state::FileLock::inherit(argv[3]);
  try {
    const cni::Outcome outcome =
        perform(node, argv[2], cni::Environment::from_process(), read_all(STDIN_FILENO, "stdin"));
    write_all(STDOUT_FILENO, std::string(1, static_cast<char>(outcome.exit_status)) + outcome.output, "the answer");
    return EXIT_SUCCESS;
  } catch (const std::exception&) {
    return EXIT_FAILURE;  // the caller sees that there is no answer
  }
}

std::string describe(const Error& error) {
  return error.hint().empty() ? std::string(error.what()) : fmt::format("{} ({})", error.what(), error.hint());
}

}  // namespace barewire::manager
