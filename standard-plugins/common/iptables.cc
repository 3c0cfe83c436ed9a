// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/common/iptables.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>

#include "core/error.h"
#include "core/fd.h"

extern char** environ;

namespace barewire::standard {

namespace {

struct Answer {
  int status = 0;
  std::string words;  ///< of stdout and stderr
};

std::optional<std::string> find_program(const std::string& name) {
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

Answer execute(const std::string& program, const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("creating a pipe for {}", program);
  const Fd output(ends[0]);
  Fd child_output(ends[1]);
  std::vector<std::string> words = {program, "-w"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int err = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (err != 0) throw errno_error(err, fmt::format("executing {}", program));
  child_output.reset();
  Answer answer;
  answer.words = read_all(output.get(), program);
  while (::waitpid(pid, &answer.status, 0) < 0)
    if (errno != EINTR) throw sys_error("waiting for {}", program);
  return answer;
}

std::vector<std::string> line(const std::string& table, const char* action, const std::string& chain,
                              const std::vector<std::string>& rule = {}) {
  std::vector<std::string> words = {"-t", table, action, chain};
  words.insert(words.end(), rule.begin(), rule.end());
  return words;
}

const char* command_name(bool v4) {
  return v4 ? "iptables" : "ip6tables";
}

}  // namespace

Iptables::Iptables(bool v4, std::string_view key) {
  const auto found = find_program(command_name(v4));
  if (!found)
    throw Error(
        Error::Code::config,
        fmt::format("config key \"{}\" is \"iptables\", but the {} command is not on this node", key, command_name(v4)),
        "install the iptables package, or leave the key out: nftables needs no command");
  program_ = *found;
}

bool Iptables::is_installed(bool v4) {
  return find_program(command_name(v4)).has_value();
}

void Iptables::run(const std::vector<std::string>& arguments) const {
  const Answer answer = execute(program_, arguments);
  if (answer.status != 0)
    throw Error(Error::Code::kernel, fmt::format("running {} {} failed", program_, fmt::join(arguments, " ")),
                answer.words);
}

bool Iptables::try_run(const std::vector<std::string>& arguments) const {
  return execute(program_, arguments).status == 0;
}

void Iptables::ensure_chain(const std::string& table, const std::string& chain) const {
  if (try_run(line(table, "-N", chain))) return;
  run(line(table, "-L", chain));  // there already; anything else is said here
}

bool Iptables::has_rule(const std::string& table, const std::string& chain,
                        const std::vector<std::string>& rule) const {
  return try_run(line(table, "-C", chain, rule));
}

void Iptables::ensure_rule(const std::string& table, const std::string& chain, const std::vector<std::string>& rule,
                           bool first) const {
  if (!has_rule(table, chain, rule)) run(line(table, first ? "-I" : "-A", chain, rule));
}

void Iptables::remove_rule(const std::string& table, const std::string& chain,
                           const std::vector<std::string>& rule) const {
  if (has_rule(table, chain, rule)) run(line(table, "-D", chain, rule));
}

void Iptables::remove_chain(const std::string& table, const std::string& chain) const {
  if (!try_run(line(table, "-F", chain))) return;
  run(line(table, "-X", chain));
}

}  // namespace barewire::standard
