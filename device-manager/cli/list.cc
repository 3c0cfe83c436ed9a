// SPDX-License-Identifier: Apache-2.0
/// `barewire list`.
/// Read-only. Without --all only VFs are compared with the kernel, which costs little; comparing everything calls a
/// plugin for each attachment.
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/utf8.h"
#include "device-manager/change_watcher.h"
#include "device-manager/cli/list_view.h"
#include "device-manager/cli/session.h"
#include "device-manager/drift.h"
#include "device-manager/filter.h"
#include "device-manager/snapshot_json.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"
#include "device-manager/traffic.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string output = "table";
  bool all = false;
  bool watch = false;
  bool no_headers = false;
  std::vector<std::string> columns;
  std::vector<std::string> states;
  manager::Filter filter;
};

/// What is not in any table but must not be overlooked.
std::string warnings(const manager::Snapshot& snapshot) {
  std::string text;
  for (const auto& [path, error] : snapshot.unreadable) text += fmt::format("barewire: {}\n", error);
  for (const std::string& problem : snapshot.problems) text += fmt::format("barewire: {}\n", problem);
  return text;
}

std::string nothing_text(const Options& options) {
  const auto& filter = options.filter;
  const bool narrowed = !filter.pfs.empty() || filter.names_vfs();
  return narrowed ? "Nothing matches.\n" : "No NIC of this node can have virtual functions.\n";
}

std::string render(const manager::Snapshot& snapshot, const Options& options, const Terminal& terminal) {
  if (options.output == "json") {
    const auto document = manager::to_json(snapshot);
    // One document a line, so that a program that follows can read line by line.
    return options.watch ? replace_bytes(boost::json::serialize(document)) + "\n" : manager::pretty(document);
  }
  if (options.output == "name") return render_names(snapshot);
  const ListView view{.wide = options.output == "wide",
                      .with_others = options.all,
                      .titles = !options.no_headers,
                      .columns = options.columns};
  const std::string text = render_list(snapshot, view, terminal);
  return text.empty() ? nothing_text(options) : text;
}

/// What changes all the time would have a table that is followed drawn all the time.
bool shows_traffic(const Options& options) {
  return !options.watch && (options.output == "wide" || options.output == "json" || !options.columns.empty());
}

manager::Snapshot look(const Session& session, const Options& options) {
  const auto finders = options.all ? manager::drift_finders(session.node) : manager::drift_finders_of_vfs(session.node);
  manager::Snapshot snapshot = manager::take_snapshot(session.node, finders);
  for (std::string& each : declared::find_drift(session.node, declared::kDeclarationFile))
    snapshot.problems.push_back(std::move(each));
  snapshot = manager::apply(options.filter, std::move(snapshot));
  if (shows_traffic(options)) manager::add_traffic(snapshot);
  return snapshot;
}

/// On a terminal the screen is drawn anew; elsewhere each state follows the one before, only when it differs.
void watch(const Session& session, const Options& options) {
  constexpr std::chrono::seconds kLongest{10};  // what happens inside pods raises no event here
  manager::ChangeWatcher watcher(session.node.run_dir);
  const bool redraw = session.terminal.width && options.output != "json";
  std::string shown;
  while (true) {
    const Terminal terminal = Terminal::of(STDOUT_FILENO);
    const std::string text = render(look(session, options), options, terminal);
    // Many events change nothing that is shown: those of all links, records and netns are heard.
    if (text != shown) {
      if (redraw)
        // Home, then clear. Source: console_codes(4).
        session.print("\033[H\033[2J");
      else if (!shown.empty() && options.output != "json")
        session.print("\n");
      session.print(text);
      shown = text;
    }
    watcher.wait(kLongest);
  }
}

void run(Session& session, const Options& options) {
  if (options.watch) return watch(session, options);
  const manager::Snapshot snapshot = look(session, options);
  session.print(render(snapshot, options, session.terminal));
  const std::string warned = warnings(snapshot);
  if (warned.empty()) return;
  session.exit = Exit::problems;
  // The document holds them already, under keys of their own.
  if (options.output != "json") write_all(STDERR_FILENO, warned, "standard error");
}

constexpr const char* kExamples = R"(Examples:
  barewire list                              every NIC, its VFs, and who holds them
  barewire list -o wide --pf ens1f0          every column, one NIC
  barewire list --state free,drifted         only VFs in these states
  barewire list --pod default/web-0 -o json  what one pod holds, for a program
  barewire list -o name --state free         PCI addresses, a line each
  barewire list --no-headers --columns pci,state,held_by
  barewire list --watch                      redrawn whenever something changes)";

}  // namespace

void add_list_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("list", "Show every NIC and VF of this node and who holds what");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (table)")
      ->check(CLI::IsMember({"table", "wide", "json", "name"}));
  command->add_option("--columns", options->columns, "Columns to show of each VF, in this order")
      ->type_name("COLUMN")
      ->delimiter(',');
  command->add_flag("--no-headers", options->no_headers, "Rows alone, for programs that read lines");
  command->add_option("--pf", options->filter.pfs, "Only this PF, by name or PCI address (repeatable)")
      ->type_name("PF")
      ->delimiter(',');
  command->add_option("--state", options->states, "Only VFs in this state (repeatable)")
      ->check(CLI::IsMember({"free", "allocated", "in_pod", "in_use_elsewhere", "drifted", "no_driver"}))
      ->delimiter(',');
  add_holder_options(*command, options->filter);
  command->add_flag("-a,--all", options->all, "Also attachments that hold no VF, each compared with the kernel");
  command->add_flag("-w,--watch", options->watch, "Stay, and show each change");
  command->footer(kExamples);
  command->callback([&session, options] {
    for (const std::string& state : options->states) {
      options->filter.states.push_back(manager::parse_vf_state(state).value());
    }
    run(session, *options);
  });
}

}  // namespace barewire::cli
