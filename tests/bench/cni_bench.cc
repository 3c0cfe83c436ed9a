// SPDX-License-Identifier: Apache-2.0
/// cni-bench: times ADD, DEL and if asked CHECK of CNI plugins as whole processes, side by side: in each round every
/// plugin does its calls in turn, so that a machine whose speed drifts treats all alike. Not part of ctest.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/fd.h"

extern char** environ;

namespace {

using namespace barewire;

constexpr int kReport = 3;  ///< where bench-launch writes

/// What one run of a process cost, by the kernel's own account (launch.c).
struct Cost {
  double wall_ms = 0;
  double cpu_ms = 0;
  double peak_kib = 0;
};

/// What one run of a process and its children asks of the kernel.
struct Calls {
  long system_calls = 0;
  long programs = 0;  ///< that were executed, its own included
};

struct Contender {
  std::string name;
  std::string program;
  std::string config;                                   ///< file
  std::map<std::string, std::vector<Cost>> costs = {};  ///< by command
  std::map<std::string, Calls> calls = {};              ///< by command
};

struct Options {
  int rounds = 30;
  std::string netns;
  std::string ifname = "net1";
  std::string path = "/usr/lib/cni";
  bool count_calls = true;
  bool check = false;
};

struct Run {
  Cost cost;
  std::string output;
};

/// A plugin finds its own suite's IPAM first: the one that lies beside it.
std::string cni_path(const Contender& contender, const Options& options) {
  return contender.program.substr(0, contender.program.rfind('/')) + ":" + options.path;
}

std::vector<std::string> environment(const Contender& contender, const Options& options, const std::string& command,
                                     const std::string& container) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  for (const auto& [name, value] : std::map<std::string, std::string>{{"CNI_COMMAND", command},
                                                                      {"CNI_CONTAINERID", container},
                                                                      {"CNI_NETNS", options.netns},
                                                                      {"CNI_IFNAME", options.ifname},
                                                                      {"CNI_PATH", cni_path(contender, options)}})
    variables.push_back(fmt::format("{}={}", name, value));
  return variables;
}

Fd make_memory_file() {
  return Fd(::memfd_create("cni-bench", MFD_CLOEXEC));
}

/// Runs it to its end, by bench-launch, which lies beside this program. Throws Error when it fails: a plugin that fails
/// fast must not win.
Run run(std::vector<std::string> words, std::vector<std::string> variables, const std::string& input) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  words.insert(words.begin(), self.substr(0, self.rfind('/')) + "/bench-launch");
  std::vector<char*> arguments, values;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& variable : variables) values.push_back(variable.data());
  arguments.push_back(nullptr);
  values.push_back(nullptr);
  const Fd output = make_memory_file(), report = make_memory_file();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input.c_str(), O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, report.get(), kReport);
  pid_t pid = 0;
  const int err = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), values.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (err != 0) throw errno_error(err, fmt::format("running {}", words[0]));
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::lseek(output.get(), 0, SEEK_SET);
  std::string printed = read_all(output.get(), "its output");
  ::lseek(report.get(), 0, SEEK_SET);
  std::istringstream figures(read_all(report.get(), "its report"));
  Cost cost;
  if (status == 0) figures >> status >> cost.wall_ms >> cost.cpu_ms >> cost.peak_kib;
  if (status != 0 || !figures)
    throw Error(Error::Code::delegate, fmt::format("{} failed with status {}: {}", words[1], status, printed));
  return {cost, std::move(printed)};
}

std::string check_file() {
  return fmt::format("/tmp/cni-bench-{}.check", ::getpid());
}

/// The configuration with what ADD printed as "prevResult", as a runtime sends it to CHECK; in check_file().
std::string with_previous(const Contender& contender, const std::string& printed) {
  boost::json::value config = boost::json::parse(read_file(contender.config).value_or("{}"));
  config.as_object()["prevResult"] = boost::json::parse(printed);
  const std::string file = check_file();
  write_all(open_file(file, O_WRONLY | O_CREAT | O_TRUNC).get(), boost::json::serialize(config), file);
  return file;
}

/// Reads what strace printed: a line for each system call, two for one during which another thread was seen
/// ("… <unfinished ...>", "<... name resumed> …"), and signals ("--- SIGURG …"). Source: strace(1).
Calls parse_trace(const std::string& text) {
  Calls calls;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto has = [&](std::string_view part) { return line.find(part) != std::string::npos; };
    if (!has("<... ") && !has(" --- ")) ++calls.system_calls;
    if (has("execve") && line.ends_with("= 0")) ++calls.programs;
  }
  return calls;
}

/// One call of CNI under strace; `printed` is what the plugin printed.
Calls count_calls(const Contender& contender, const std::vector<std::string>& variables, const std::string& config,
                  std::string& printed) {
  const std::string file = fmt::format("/tmp/cni-bench-{}.strace", ::getpid());
  printed = run({"strace", "-f", "-qq", "-o", file, contender.program}, variables, config).output;
  const std::string text = read_file(file).value_or("");
  remove_file(file);
  return parse_trace(text);
}

void count_calls(Contender& contender, const Options& options) {
  std::string added, ignored;
  const auto count = [&](const std::string& command, const std::string& config, std::string& printed) {
    const auto variables = environment(contender, options, command, "bench-calls");
    contender.calls[command] = count_calls(contender, variables, config, printed);
  };
  count("ADD", contender.config, added);
  if (options.check) count("CHECK", with_previous(contender, added), ignored);
  count("DEL", contender.config, ignored);
}

void play_round(Contender& contender, const Options& options, const std::string& container, bool counted) {
  const auto play = [&](const std::string& command, const std::string& config) {
    Run done = run({contender.program}, environment(contender, options, command, container), config);
    if (counted) contender.costs[command].push_back(done.cost);
    return std::move(done.output);
  };
  const std::string printed = play("ADD", contender.config);
  if (options.check) play("CHECK", with_previous(contender, printed));
  play("DEL", contender.config);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double median_of(const std::vector<Cost>& costs, double Cost::*figure) {
  std::vector<double> values;
  for (const Cost& cost : costs) values.push_back(cost.*figure);
  return median(std::move(values));
}

/// Median of the ratios within each round.
double ratio(const std::vector<Cost>& ours, const std::vector<Cost>& theirs) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(theirs[i].wall_ms / ours[i].wall_ms);
  return median(std::move(ratios));
}

void print(const std::vector<Contender>& contenders) {
  fmt::print(
      "| plugin | call | wall ms, median (min) | CPU ms | peak KiB | system calls | programs | times the first's wall "
      "|\n");
  fmt::print("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const char* command : {"ADD", "CHECK", "DEL"}) {
    for (const Contender& contender : contenders) {
      if (!contender.costs.contains(command)) continue;
      const auto& costs = contender.costs.at(command);
      const auto least =
          std::min_element(costs.begin(), costs.end(), [](auto& a, auto& b) { return a.wall_ms < b.wall_ms; });
      const auto calls = contender.calls.find(command);
      fmt::print("| {} | {} | {:.2f} ({:.2f}) | {:.2f} | {:.0f} | {} | {:.2f} |\n", contender.name, command,
                 median_of(costs, &Cost::wall_ms), least->wall_ms, median_of(costs, &Cost::cpu_ms),
                 median_of(costs, &Cost::peak_kib),
                 calls == contender.calls.end()
                     ? "– | –"
                     : fmt::format("{} | {}", calls->second.system_calls, calls->second.programs),
                 ratio(contenders.front().costs.at(command), costs));
    }
  }
}

Contender parse_contender(const std::string& text) {
  const auto first = text.find('='), second = text.find('=', first + 1);
  if (first == std::string::npos || second == std::string::npos)
    throw CLI::ValidationError("CONTENDER", "\"" + text + "\" is not NAME=PROGRAM=CONFIG");
  return {.name = text.substr(0, first),
          .program = text.substr(first + 1, second - first - 1),
          .config = text.substr(second + 1)};
}

void measure(std::vector<Contender>& contenders, const Options& options) {
  for (int round = -2; round < options.rounds; ++round)  // two rounds warm the caches
    for (Contender& contender : contenders)
      play_round(contender, options, fmt::format("bench-{}-{}", contender.name, round + 2), round >= 0);
  if (!options.count_calls) return;
  for (Contender& contender : contenders) count_calls(contender, options);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times ADD and DEL of CNI plugins side by side", "cni-bench");
  Options options;
  std::vector<std::string> texts;
  bool no_calls = false;
  app.add_option("-n,--rounds", options.rounds, "counted rounds");
  app.add_option("--netns", options.netns, "CNI_NETNS")->required();
  app.add_option("--ifname", options.ifname, "CNI_IFNAME");
  app.add_option("--cni-path", options.path, "CNI_PATH");
  app.add_flag("--check", options.check, "CHECK too, with what ADD printed");
  app.add_flag("--no-calls", no_calls, "do not count system calls (strace)");
  app.add_option("CONTENDER", texts, "NAME=PROGRAM=CONFIG")->required();
  CLI11_PARSE(app, argc, argv);
  options.count_calls = !no_calls;
  try {
    std::vector<Contender> contenders;
    for (const std::string& text : texts) contenders.push_back(parse_contender(text));
    measure(contenders, options);
    remove_file(check_file());
    print(contenders);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "cni-bench: {}\n", error.what());
    return 1;
  }
}
