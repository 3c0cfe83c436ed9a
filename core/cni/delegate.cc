// SPDX-License-Identifier: Apache-2.0
// Most delegates are plugins of this program. Calling those as functions saves a process; what is handed over stays
// what an exec would hand over, so that neither side can tell.
#include "core/cni/delegate.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <climits>
#include <cstring>

#include "core/child.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/text.h"
#include "core/trace.h"

namespace barewire::cni {

namespace {

bool is_plugin_name(const std::string& type) {
  return !type.empty() && type.find('/') == std::string::npos;
}

struct Found {
  std::string path;
  struct stat status;
};

/// The first regular file `type` in the directories of CNI_PATH; whether it can be executed shows when it is, as with
/// libcni. Source: CNI spec 1.1.0 section 4; libcni's pkg/invoke/find.go.
std::optional<Found> find_on_path(const std::string& type, const std::string& path) {
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), type);
    struct stat status {};
    if (colon != 0 && ::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode))
      return Found{candidate, status};
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return std::nullopt;
}

/// Where this program is installed, its links resolved; empty when that cannot be told.
std::string own_directory() {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t size = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (size <= 0) return {};
  const std::string program(buffer.data(), static_cast<std::size_t>(size));
  return program.substr(0, program.rfind('/'));
}

bool is_this_program(const struct stat& file) {
  struct stat ours = {};
  // By device and inode: the files there are links to this program under plugins' names. A copy is another file, and is
  // executed.
  return ::stat("/proc/self/exe", &ours) == 0 && file.st_dev == ours.st_dev && file.st_ino == ours.st_ino;
}

/// What serves a call of a plugin: a file, or a plugin of this program.
struct Served {
  std::string path;                ///< empty: none is needed
  const Plugin* inside = nullptr;  ///< set: the call is a function call
};

/// nullopt when there is neither. DEL also looks beside this program: the directory of ADD may be gone since.
std::optional<Served> find_served(const std::string& type, const Environment& environment, const Node& node) {
  // A type with a slash would leave the directories of CNI_PATH.
  if (!is_plugin_name(type)) return std::nullopt;
  const Plugin* own = node.plugins != nullptr ? node.plugins->find(type) : nullptr;
  // CNI_PATH decides which program serves a type, as with every plugin: a file there that is not this program is
  // called, even where a plugin of this program has its name.
  if (const auto found = find_on_path(type, environment.path))
    return Served{found->path, own != nullptr && is_this_program(found->status) ? own : nullptr};
  if (own != nullptr) return Served{{}, own};
  if (environment.command != name_of(Command::del)) return std::nullopt;
  if (const auto beside = find_on_path(type, own_directory())) return Served{beside->path, nullptr};
  return std::nullopt;
}

Served require_served(const std::string& type, const Environment& environment, const Node& node) {
  if (!is_plugin_name(type))
    throw Error(Error::Code::config, fmt::format("invalid plugin name: \"{}\"", type),
                "a plugin's type is the name of a file in a directory of CNI_PATH");
  if (auto served = find_served(type, environment, node)) return *std::move(served);
  throw Error(Error::Code::delegate, fmt::format("failed to find plugin \"{}\" in path [{}]", type, environment.path),
              "install the plugin there or correct CNI_PATH");
}

/// This process's environment with the CNI_* variables of `environment`; an empty one is left out.
std::vector<std::string> process_environment(const Environment& environment) {
  std::vector<std::string> variables = own_environment();
  std::erase_if(variables, [](const std::string& variable) { return variable.starts_with("CNI_"); });
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) variables.push_back(fmt::format("{}={}", name, value));
  };
  put("CNI_COMMAND", environment.command);
  put("CNI_CONTAINERID", environment.container_id);
  put("CNI_NETNS", environment.netns);
  put("CNI_IFNAME", environment.ifname);
  put("CNI_PATH", environment.path);
  put("CNI_ARGS", environment.args);
  put("CNI_NETNS_OVERRIDE", environment.netns_override);
  trace::hand_on(variables);
  return variables;
}

/// Standard input for a child: a memory file, so that neither side can block the other as with a pipe.
Fd memory_file(const std::string& bytes) {
  Fd fd(::memfd_create("cni-stdin", MFD_CLOEXEC));
  if (!fd) throw sys_error("creating a memory file for a delegate's stdin");
  write_all(fd.get(), bytes, "a delegate's stdin");
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) throw sys_error("rewinding a delegate's stdin");
  return fd;
}

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("creating a pipe for a delegate's stdout");
  return {Fd(ends[0]), Fd(ends[1])};
}

int wait_for(pid_t pid, const std::string& path) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw sys_error("waiting for {}", path);
  return status;
}

Outcome execute(const std::string& path, const Environment& environment, const std::string& stdin_bytes) {
  const trace::Span span(path.substr(path.rfind('/') + 1), environment.command);
  const Fd input = memory_file(stdin_bytes);
  // O_CLOEXEC on both ends: another thread's child must not inherit the writing end and keep this one from ending.
  auto [output, child_output] = make_pipe();
  const pid_t pid = start_child({.path = path,
                                 .arguments = {path},
                                 .environment = process_environment(environment),
                                 .input = input.get(),
                                 .output = child_output.get()});
  child_output.reset();
  std::string printed;
  try {
    printed = read_all(output.get(), path);
  } catch (...) {
    output.reset();  // a program that has more to say must not wait for a reader
    wait_for(pid, path);
    throw;
  }
  const int status = wait_for(pid, path);
  if (WIFSIGNALED(status))
    throw Error(Error::Code::delegate, fmt::format("executing {} failed: killed by signal {}", path, WTERMSIG(status)));
  return {WEXITSTATUS(status), std::move(printed)};
}

/// The error a delegate printed, its code kept; anything else it printed is quoted.
Error delegate_error(const std::string& type, const Outcome& outcome) {
  try {
    const auto document = parse_json(outcome.output, "error");
    const JsonView view(document, "error key");
    const int code = static_cast<int>(view.integer_or("code", 0, 1'000'000, "a CNI error code", 999));
    return Error(code, view.at("msg").string(), view.string_or("details", ""));
  } catch (const Error&) {
    return Error(Error::Code::delegate,
                 fmt::format("plugin {} failed with exit status {} and no CNI error", type, outcome.exit_status),
                 outcome.output.substr(0, 400));
  }
}

Environment with_command(const Environment& environment, Command command) {
  Environment changed = environment;
  changed.command = name_of(command);
  return changed;
}

std::string call(const std::string& type, const Environment& environment, const std::string& stdin_bytes, Node& node,
                 Caller caller) {
  const Served served = require_served(type, environment, node);
  const Outcome outcome = served.inside ? run(*served.inside, environment, stdin_bytes, node, caller)
                                        : execute(served.path, environment, stdin_bytes);
  // Not what was printed decides: a plugin may fail and print a result before.
  if (outcome.exit_status != 0) throw delegate_error(type, outcome);
  return outcome.output;
}

std::string call_ipam(const Request& request, Command command, Node& node) {
  return call(request.conf.ipam_type, with_command(request.environment, command), request.stdin_bytes, node,
              Caller::judged);
}

/// An IPAM older than spec 1.1 refuses GC and STATUS by name: it has nothing to say.
bool does_not_know_command(const Error& error) {
  return error.is(Error::Code::environment) && contains_ignoring_case(error.what(), "unknown CNI_COMMAND");
}

Result parse_ipam_result(const Request& request, const std::string& printed) {
  const auto document = parse_json(printed, fmt::format("the result of IPAM plugin {}", request.conf.ipam_type));
  const Result result =
      Result::parse(JsonView(document, "IPAM result key", Error::Code::ipam), request.conf.cni_version);
  if (result.ips.empty())
    throw Error(Error::Code::ipam,
                fmt::format("IPAM plugin {} returned missing IP config: no address", request.conf.ipam_type),
                "remove the key \"ipam\" for a network without addresses");
  return result;
}

}  // namespace

std::string call_plugin(const std::string& type, const Environment& environment, const std::string& stdin_bytes,
                        Node& node) {
  return call(type, environment, stdin_bytes, node, Caller::other);
}

Result delegate_add(const std::string& type, const Environment& environment, const std::string& config,
                    const Version& version, Node& node) {
  const std::string printed = call_plugin(type, environment, config, node);
  const auto document = parse_json(printed, fmt::format("the result of plugin {}", type));
  return Result::parse(JsonView(document, fmt::format("plugin {}: result key", type), Error::Code::delegate), version);
}

void delegate_del(const std::string& type, const Environment& environment, const std::string& config, Node& node) {
  const Environment del = with_command(environment, Command::del);
  if (find_served(type, del, node)) {
    call_plugin(type, del, config, node);
    return;
  }
  log_warning(
      "leaving what plugin \"{}\" holds for {}/{}: it is not in path [{}] any more; should it have served this "
      "attachment, its own clean-up has to release that",
      type, del.container_id, del.ifname, del.path);
}

void require_plugin(const std::string& type, const Environment& environment, const Node& node) {
  require_served(type, environment, node);
}

namespace {

/// bridge as the IPAM plugin of bridge would call itself, and wait for its own lock.
bool is_no_ipam(const std::string& type, const Node& node) {
  const Plugin* own = node.plugins != nullptr ? node.plugins->find(type) : nullptr;
  return own != nullptr && own->role != Plugin::Role::gives_addresses;
}

}  // namespace

void require_ipam(const Request& request, const Node& node) {
  const std::string& type = request.conf.ipam_type;
  if (type.empty()) return;
  if (is_no_ipam(type, node)) request.conf.root().at("ipam").at("type").reject("the name of an IPAM plugin");
  require_plugin(type, request.environment, node);
}

Result ipam_add(const Request& request, Node& node) {
  if (request.conf.ipam_type.empty()) return {};
  try {
    return parse_ipam_result(request, call_ipam(request, Command::add, node));
  } catch (const Error& error) {
    try {
      // An IPAM plugin that fails may have reserved an address before it did; the specification lets DEL be called for
      // nothing.
      call_ipam(request, Command::del, node);
    } catch (const Error& second) {
      log_error("releasing addresses after a failed IPAM ADD failed, ignoring: {}", second.what());
    }
    throw;
  }
}

void ipam_del(const Request& request, Node& node) {
  ipam_del(request.conf.ipam_type, request.environment, request.stdin_bytes, node);
}

void ipam_del(const std::string& ipam_type, const Environment& environment, const std::string& stdin_bytes,
              Node& node) {
  if (ipam_type.empty()) return;
  if (is_no_ipam(ipam_type, node)) return log_warning("plugin {} is no IPAM plugin and holds no addresses", ipam_type);
  delegate_del(ipam_type, environment, stdin_bytes, node);
}

void ipam_check(const Request& request, Node& node) {
  if (request.conf.ipam_type.empty()) return;
  try {
    call_ipam(request, Command::check, node);
  } catch (const Error& error) {
    if (!contains_ignoring_case(error.what(), "not implemented")) throw;
    log_warning("IPAM plugin {} cannot CHECK, ignoring: {}", request.conf.ipam_type, error.what());
  }
}

void ipam_gc(const Request& request, Node& node) {
  if (request.conf.ipam_type.empty()) return;
  try {
    call_ipam(request, Command::gc, node);
  } catch (const Error& error) {
    if (!does_not_know_command(error)) throw;
  }
}

void ipam_status(const Request& request, Node& node) {
  if (request.conf.ipam_type.empty()) return;
  try {
    call_ipam(request, Command::status, node);
  } catch (const Error& error) {
    if (!does_not_know_command(error)) throw;
  }
}

}  // namespace barewire::cni
