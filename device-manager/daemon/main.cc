// SPDX-License-Identifier: Apache-2.0
/// `barewired`, the node daemon. A CNI call never needs it: it cleans up where no call comes any more.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <iostream>

#include "core/error.h"
#include "core/journal.h"
#include "core/signals.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/service.h"
#include "device-manager/liveness.h"
#include "device-manager/plugin_call.h"
#include "packaging/plugin_table.h"

namespace barewire::daemon {
namespace {

constexpr int kUsage = 2;
constexpr int kFailed = 4;

/// To stderr: the journal adds time and name by itself. Source: systemd.exec(5), $JOURNAL_STREAM.
std::shared_ptr<spdlog::logger> make_log(const std::string& level) {
  auto log = std::make_shared<spdlog::logger>("barewired", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_level(spdlog::level::from_str(level));
  log->set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%e%z barewired %l: %v");
  log->flush_on(spdlog::level::debug);
  return log;
}

int serve(const Options& options, const std::shared_ptr<spdlog::logger>& log, StopSignals& stop) {
  const cni::PluginTable plugins = plugin_table();
  const Node node{.plugins = &plugins};
  journal::record_in(node.cni_state_dir + journal::kBelow);
  if (!options.own_pid_namespace) manager::require_every_process();
  if (!options.once) {
    Service(node, options, log, stop).run();
    return EXIT_SUCCESS;
  }
  // One look is a command like `barewire gc`: Ctrl-C ends it at once.
  stop.let_through();
  return look_once(node, options, *log) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(int argc, char** argv, StopSignals& stop) {
  Options options;
  const auto app = make_app(options);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& outcome) {
    if (outcome.get_exit_code() == 0) return app->exit(outcome);
    std::cerr << "barewired: " << outcome.what() << "\n           try `barewired --help`\n";
    return kUsage;
  }
  const auto log = make_log(options.log_level);
  try {
    return serve(options, log, stop);
  } catch (const Error& error) {
    log->error("{}", manager::describe(error));
  } catch (const std::exception& error) {
    log->error("{}", error.what());
  }
  return kFailed;
}

}  // namespace
}  // namespace barewire::daemon

int main(int argc, char** argv) {
  try {
    const barewire::cni::PluginTable plugins = barewire::plugin_table();
    // The daemon executes itself to call a plugin: that comes before options, signals and threads of its own.
    if (const auto status = barewire::manager::perform_plugin_call(argc, argv, {.plugins = &plugins})) return *status;
    // Before any thread is started, since each inherits the mask of signals of the one that makes it.
    barewire::StopSignals stop;
    return barewire::daemon::run(argc, argv, stop);
  } catch (const barewire::Error& error) {
    std::cerr << "barewired: " << error.what() << "\n";
    return barewire::daemon::kFailed;
  }
}
