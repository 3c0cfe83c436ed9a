// SPDX-License-Identifier: Apache-2.0
/// What every command of `barewire` works with: the node, the output, and the exit status to be. Each command is a file
/// of this directory (list.cc, show.cc, …), app.cc puts them together; main.cc parses and ends with `exit`. One thread.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/node.h"
#include "device-manager/cli/terminal.h"
#include "device-manager/filter.h"

namespace barewire::cli {

/// Exit statuses of `barewire`; docs/admin.md and barewire(1) list them.
enum class Exit : int {
  ok = 0,
  problems = 1,  ///< the command worked and found something wrong: drift, a refusal foreseen, a part left undone
  usage = 2,     ///< the command line is wrong
  refused = 3,   ///< it would do harm or is impossible: nothing was touched
  failed = 4,    ///< the kernel or a file refused on the way
};

/// Handed to every command by reference.
struct Session {
  Node node;
  Terminal terminal;
  Exit exit = Exit::ok;

  /// Writes to the standard output at once. Throws Error{io}.
  void print(std::string_view text) const;
  /// Indented JSON. With a newline at the end; names that are no UTF-8 are made so. Throws Error{io}.
  void print_json(const boost::json::value& value) const;
};

/// The file, or standard input for "-". Throws Error{io}.
std::string read_input(const std::string& path);

/// "barewire: <what>" and, on a line of its own, the hint. For stderr.
std::string error_text(const Error& error);
/// `refused` for the codes that are thrown before anything is changed (held, unsupported_by_nic, config, environment),
/// else `failed`.
Exit exit_of(const Error& error);

/// Each adds one subcommand, which does its work when it is parsed. `session` outlives `app`.
void add_status_command(CLI::App& app, Session& session);
void add_list_command(CLI::App& app, Session& session);
void add_show_command(CLI::App& app, Session& session);
void add_check_command(CLI::App& app, Session& session);
void add_repair_command(CLI::App& app, Session& session);
void add_gc_command(CLI::App& app, Session& session);
void add_explain_command(CLI::App& app, Session& session);
void add_validate_command(CLI::App& app, Session& session);
void add_provision_command(CLI::App& app, Session& session);
void add_plan_command(CLI::App& app, Session& session);
void add_apply_command(CLI::App& app, Session& session);
void add_reserve_commands(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);
void add_ovs_command(CLI::App& app, Session& session);
void add_report_command(CLI::App& app, Session& session);
void add_history_commands(CLI::App& app, Session& session);
void add_metrics_command(CLI::App& app, Session& session);
void add_topology_command(CLI::App& app, Session& session);
void add_completion_command(CLI::App& app, Session& session);

/// --network, --pod, --container: which attachments a command is for. `filter` outlives `command`, and is filled by
/// parsing. Each may be given several times, or with commas.
void add_holder_options(CLI::App& command, manager::Filter& filter);

/// The whole command line of `barewire`.
std::unique_ptr<CLI::App> make_app(Session& session);

}  // namespace barewire::cli
