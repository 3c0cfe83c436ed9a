// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/common/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "core/error.h"
#include "core/fd.h"

extern char** environ;

namespace barewire::standard {

namespace {

pid_t spawn(const std::string& program, std::vector<std::string> words, int output) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  pid_t pid = 0;
  const int err = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (err != 0) throw errno_error(err, fmt::format("executing {}", program));
  return pid;
}

}  // namespace

std::optional<std::string> find_command(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  std::vector<std::string> directories;
  while (!rest.empty()) {
    directories.emplace_back(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), directories.back().size() + 1));
  }
  for (const char* directory : {"/usr/sbin", "/sbin"}) directories.emplace_back(directory);
  for (const std::string& directory : directories) {
    const std::string candidate = directory + "/" + name;
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

CommandAnswer run_command(const std::string& program, const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("creating a pipe for {}", program);
  const Fd output(ends[0]);
  Fd child_output(ends[1]);
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const pid_t pid = spawn(program, std::move(words), child_output.get());
  child_output.reset();
  CommandAnswer answer;
  answer.words = read_all(output.get(), program);
  while (::waitpid(pid, &answer.status, 0) < 0)
    if (errno != EINTR) throw sys_error("waiting for {}", program);
  return answer;
}

}  // namespace barewire::standard
