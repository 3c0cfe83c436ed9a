// SPDX-License-Identifier: Apache-2.0
// One call from environment and stdin to the printed answer. Whatever happens, what is printed is one JSON document: a
// runtime takes anything else for a plugin that died.
#include "core/cni/plugin.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <csignal>

#include "core/cni/about.h"
#include "core/cni/called_name.h"
#include "core/cni/guard.h"
#include "core/cni/known_keys.h"
#include "core/cni/recorded_call.h"
#include "core/fd.h"
#include "core/journal.h"
#include "core/kernel/netns.h"
#include "core/log.h"
#include "core/log_scope.h"
#include "core/utf8.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

/// Whether CNI_NETNS leads to the netns this process is in. A path that leads nowhere is the plugin's to judge.
bool is_own_netns(const std::string& path) {
  struct stat theirs = {};
  struct stat ours = {};
  if (path.empty() || ::stat(path.c_str(), &theirs) < 0 || ::stat("/proc/self/ns/net", &ours) < 0) return false;
  return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

bool may_use_own_netns(const std::string& override) {
  return override == "1" || override == "TRUE" || override == "true" || override == "True";
}

Error own_netns_error(const std::string& path) {
  return Error(Error::Code::invalid_netns, "plugin's netns and netns from CNI_NETNS should not be the same",
               fmt::format("CNI_NETNS is {}; set CNI_NETNS_OVERRIDE=1 to allow it", path));
}

/// A log key's text. Its value decides over nothing but the log: of another type, as klog's numbers, it is passed over.
std::string log_text(const JsonView& root, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto found = root.find(key);
    if (!found) continue;
    if (found->is_string()) return found->string();
    log_warning("ignoring config key \"{}\": it is no string", key);
  }
  return {};
}

std::optional<JsonView> find_leniently(const std::optional<JsonView>& view, std::string_view key) {
  return view && view->is_object() ? view->find(key) : std::nullopt;
}

bool is_true(const std::optional<JsonView>& view) {
  return view && view->value().is_bool() && view->boolean();
}

/// The peers' logging keys, all accepted. Source: docs/configuration.md, "Logging".
void apply_log_keys(const Request& request, const Node& node) {
  const JsonView root = request.conf.root();
  LogLevel level = LogLevel::warning;
  if (const std::string word = log_text(root, {"logLevel", "log_level"}); !word.empty()) {
    const auto parsed = parse_log_level(word);
    if (!parsed)
      log_warning("ignoring config key \"logLevel\": \"{}\" is none of panic, error, warning, info, debug, verbose",
                  word);
    level = parsed.value_or(level);
  }
  if (is_true(root.find("debug")) || is_true(find_leniently(find_leniently(root.find("args"), "cni"), "debug")))
    level = LogLevel::debug;
  std::string file = log_text(root, {"logFile", "log_file"});
  // Where the policy refused the ADD, the runtime calls DEL with the same configuration.
  // ADD has been judged by require_permitted before it comes here.
  if (!file.empty() && request.command != Command::add && !may_log_to_file(request, node)) file.clear();
  if (level != LogLevel::warning || !file.empty()) set_log(level, file);
}

/// DEL logs as it can: nothing that ADD would refuse may keep a pod from being taken down.
void set_up_log(const Request& request, const Node& node) {
  try {
    apply_log_keys(request, node);
  } catch (const Error& error) {
    if (request.command != Command::del) throw;
    log_warning("ignoring, since DEL goes by the record: {}", error.what());
  }
}

/// What the log says of a call in every line.
std::string context_of(const Plugin& plugin, const Request& request) {
  std::string text = fmt::format("{} {} network={}", plugin.name, name_of(request.command), request.conf.name);
  if (!request.container_id.empty()) text += " container=" + request.container_id;
  if (const auto pod = request.args.find("K8S_POD_NAME"); pod && !pod->empty())
    text += fmt::format(" pod={}/{}", request.args.find("K8S_POD_NAMESPACE").value_or(""), *pod);
  if (!request.ifname.empty()) text += " interface=" + request.ifname;
  return text;
}

/// DEL in the plugin's own netns cleans up as if the netns were gone (its path was recycled), then says what is wrong.
void run_del(const Plugin& plugin, Request request, Node& node) {
  const bool own = is_own_netns(request.netns) && !may_use_own_netns(request.environment.netns_override);
  if (!own) return plugin.del(request, node);
  const std::string path = request.netns;
  // Without a netns a plugin touches nothing in one, least of all its own.
  request.netns.clear();
  plugin.del(request, node);
  throw own_netns_error(path);
}

void undo_add(const Plugin& plugin, const Request& request, Node& node) {
  try {
    if (plugin.del) plugin.del(request, node);
  } catch (const Error& error) {
    log_warning("undoing ADD failed, ignoring: {}", error.what());
  }
}

std::string text_of(const json::value& result) {
  std::string text = json::serialize(result);
  if (is_utf8(text)) return text;
  throw Error(Error::Code::internal, "the result holds bytes that are no UTF-8 text",
              "the name of a link or an answer of a server has them: " + escape_line(text));
}

/// Before anything is touched. DEL and GC are never refused by the policy: one that is made stricter must not keep pods
/// from going.
void judge_add(const Plugin& plugin, const Request& request, const Node& node) {
  require_permitted(plugin, request, node);
  if (is_own_netns(request.netns) && !may_use_own_netns(request.environment.netns_override))
    throw own_netns_error(request.netns);
}

std::string run_add(const Plugin& plugin, const Request& request, Node& node) {
  // What follows can still fail, with the pod attached: then it is undone by DEL.
  const Result result = plugin.add(request, node);
  try {
    return text_of(result.to_json(request.conf.cni_version));
  } catch (const Error&) {  // it cannot be said in that version, or at all: an ADD that fails must leave nothing
    undo_add(plugin, request, node);
    throw;
  }
}

std::string perform(const Plugin& plugin, const Request& request, Node& node) {
  switch (request.command) {
    case Command::add:
      return plugin.add ? run_add(plugin, request, node) : "";
    case Command::del:
      if (plugin.del) run_del(plugin, request, node);
      return "";
    case Command::check:
      if (plugin.check) plugin.check(request, node);
      return "";
    case Command::gc:
      if (plugin.gc) plugin.gc(request, node);
      return "";
    case Command::status:
      if (plugin.status) plugin.status(request, node);
      return "";
    case Command::version:
      return version_output(plugin);
  }
  return "";
}

/// perform, with a line in the log of how it ended and how long it took. A runtime shows the error itself, so that on
/// stderr it would be there twice.
std::string perform_logged(const Plugin& plugin, const Request& request, Node& node) {
  if (request.command == Command::version) return perform(plugin, request, node);
  set_up_log(request, node);
  const LogScope scope(context_of(plugin, request));
  const auto start = std::chrono::steady_clock::now();
  const auto took = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  if (request.command == Command::add)
    for (const std::string& line : suspicious_keys(plugin.name, request.conf.root())) log_warning("{}", line);
  log_debug("called with netns={} CNI_ARGS={}", request.netns, request.environment.args);
  try {
    std::string output = perform(plugin, request, node);
    log_info("done in {:.1f} ms", took());
    return output;
  } catch (const Error& error) {
    log_at(logs_to_file() ? LogLevel::error : LogLevel::info, "failed after {:.1f} ms: {}{}{}", took(), error.what(),
           error.hint().empty() ? "" : "; ", error.hint());
    throw;
  }
}

/// The cniVersion to answer an error in: the configuration's, where it can be read.
Version version_for_error(std::string_view stdin_bytes) {
  try {
    const NetConf conf = NetConf::parse(stdin_bytes);
    if (is_supported(conf.cni_version)) return conf.cni_version;
  } catch (const std::exception&) {  // the error being answered says what is wrong with it
  }
  return kLatestVersion;
}

Outcome failed(const Error& error, std::string_view stdin_bytes) {
  return {1, error_json(error, version_for_error(stdin_bytes))};
}

/// Why nobody can read it, said on stderr too; nullopt when somebody can.
std::optional<std::string> deliver(Outcome& outcome) {
  if (outcome.output.empty()) return std::nullopt;
  const auto before = std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error, not the end
  try {
    write_all(STDOUT_FILENO, outcome.output + "\n", "stdout");
    return std::nullopt;
  } catch (const Error& error) {
    outcome.is_delivered = false;
    write_quietly(STDERR_FILENO, fmt::format("the answer cannot be given: {}\n", error.what()));
    static_cast<void>(std::signal(SIGPIPE, before));  // of what undoing may yet start
    return error.what();
  }
}

/// The journal has that ADD succeeded; the runtime saw it fail.
void record_undelivered(const Plugin& plugin, const Environment& environment, const std::string& stdin_bytes,
                        const Node& node, const std::string& why) {
  RecordedCall recorded(plugin.name, environment, node);
  try {
    recorded.set_request(Request::parse(environment, stdin_bytes, plugin.oldest));
  } catch (const Error&) {  // it was parsed before; without it the event names no network
  }
  recorded.failed(static_cast<int>(Error::Code::io), "the answer cannot be given: " + why,
                  "the runtime closed the plugin's output before it had the result; ADD is undone");
}

/// An ADD whose result the runtime never got has failed, and must leave nothing.
void undo_undelivered(const Plugin& plugin, Environment environment, const std::string& stdin_bytes, Node& node,
                      const std::string& why) {
  record_undelivered(plugin, environment, stdin_bytes, node, why);
  environment.command = name_of(Command::del);
  const Outcome undone = run(plugin, environment, stdin_bytes, node, Caller::itself);
  if (undone.exit_status != 0) write_quietly(STDERR_FILENO, "undoing ADD failed: " + undone.output + "\n");
}

/// After a DEL that did what it does for a netns that is gone.
Error unfit_netns_error(const std::string& path, const std::string& kind) {
  return Error(Error::Code::invalid_netns, fmt::format("{} is not a network namespace", path),
               fmt::format("it is {}; what was on record is undone", kind));
}

Outcome call(const Plugin& plugin, const Environment& environment, const PluginTable& plugins) {
  std::string stdin_bytes;
  if (environment.command != "VERSION") {
    try {
      stdin_bytes = read_all(STDIN_FILENO, "stdin");
    } catch (const Error& error) {
      Outcome outcome = failed(error, "");
      deliver(outcome);
      return outcome;
    }
  }
  Node node{.plugins = &plugins};
  journal::record_in(node.cni_state_dir + journal::kBelow);
  const trace::Trace trace(node.run_dir + trace::kBelow);
  Outcome outcome = run(plugin, environment, stdin_bytes, node);
  const bool deleted = environment.command == "DEL" && outcome.exit_status == 0;
  const std::string unfit = deleted ? kernel::describe_unfit_netns(environment.netns) : "";
  if (!unfit.empty()) outcome = failed(unfit_netns_error(environment.netns, unfit), stdin_bytes);
  const auto undelivered = deliver(outcome);
  if (undelivered && environment.command == "ADD" && outcome.exit_status == 0)
    undo_undelivered(plugin, environment, stdin_bytes, node, *undelivered);
  return outcome;
}

Outcome call_unknown(const std::string& name) {
  Outcome outcome = failed(Error(Error::Code::environment, fmt::format("no plugin is called \"{}\"", name),
                                 "call this program by a plugin's name: through a link named after it, through a link "
                                 "to such a link, or by a line "
                                 "\"NAME PLUGIN\" in the file barewire-cni.aliases beside it"),
                           "");
  deliver(outcome);
  return outcome;
}

/// A closed descriptor would be given to the next file opened, and a result written into that.
void occupy_standard_descriptors() {
  pollfd standard[] = {{STDIN_FILENO, 0, 0}, {STDOUT_FILENO, 0, 0}, {STDERR_FILENO, 0, 0}};
  if (::poll(standard, std::size(standard), 0) <= 0) return;
  for (const pollfd& each : standard)
    if (each.revents == POLLNVAL) ::open("/dev/null", O_RDONLY);  // the lowest free one; writing to it still fails
}

void print_lost_thread(std::string_view what) noexcept {
  try {
    write_quietly(STDOUT_FILENO, error_json(Error(Error::Code::io, std::string(what)), kLatestVersion) + "\n");
  } catch (...) {  // no memory left to say it with
  }
}

int act(int argc, char** argv, const PluginTable& plugins) {
  const Environment environment = Environment::from_process();
  const std::string called = argc > 0 ? argv[0] : "";
  const std::string name = base_name(called);
  const Plugin* plugin = find_called(plugins, called);
  const std::string_view option = argc == 2 ? argv[1] : "";
  if (!plugin && option == "--names") return print_names(plugins);
  if (option == "--version") return plugin ? print_about(*plugin, STDOUT_FILENO) : print_version(STDOUT_FILENO);
  // Started by hand: a plugin without CNI_COMMAND says what it is, as the reference skeleton does.
  if (environment.command.empty()) return plugin ? print_about(*plugin, STDERR_FILENO) : print_holdings(plugins);
  const Outcome outcome = plugin ? call(*plugin, environment, plugins) : call_unknown(name);
  return outcome.is_delivered ? outcome.exit_status : 1;
}

}  // namespace

const Plugin* PluginTable::find(std::string_view name) const {
  const auto found = std::find_if(plugins_.begin(), plugins_.end(), [&](const Plugin& p) { return p.name == name; });
  return found == plugins_.end() ? nullptr : &*found;
}

Outcome run(const Plugin& plugin, const Environment& environment, std::string stdin_bytes, Node& node,
            Caller caller) noexcept {
  RecordedCall recorded(plugin.name, environment, node);
  if (caller == Caller::itself) recorded.set_by_itself();
  try {
    const Request request = Request::parse(environment, stdin_bytes, plugin.oldest);
    recorded.set_request(request);
    if (request.command == Command::add && caller == Caller::other) judge_add(plugin, request, node);
    Outcome outcome{0, perform_logged(plugin, request, node)};
    recorded.succeeded();
    return outcome;
  } catch (const Error& error) {
    recorded.failed(error.code(), error.what(), error.hint());
    return failed(error, stdin_bytes);
  } catch (const std::exception& error) {
    const Error internal(Error::Code::internal, error.what());
    recorded.failed(internal.code(), internal.what(), {});
    return failed(internal, stdin_bytes);
  }
}

std::string error_json(const Error& error, const Version& version) {
  json::object object{{"cniVersion", version.text()}, {"code", error.code()}, {"msg", escape_bytes(error.what())}};
  if (!error.hint().empty()) object["details"] = escape_bytes(error.hint());
  return json::serialize(object);
}

int plugin_main(int argc, char** argv, const PluginTable& plugins) {
  try {
    occupy_standard_descriptors();
    kernel::on_lost_thread(print_lost_thread);
    return act(argc, argv, plugins);
  } catch (const std::exception& error) {
    write_quietly(STDERR_FILENO, fmt::format("{}\n", error.what()));
  }
  return 1;
}

}  // namespace barewire::cni
