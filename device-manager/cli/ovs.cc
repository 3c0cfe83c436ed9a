// SPDX-License-Identifier: Apache-2.0
/// `barewire ovs`.
/// Read-only: one transaction of the database, and the kernel's filters where the switch offloads.
#include "device-manager/cli/ovs_view.h"
#include "device-manager/cli/session.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string output = "table";
  std::string database = ovsdb::Endpoint().text();
  std::vector<std::string> bridges;
  manager::Filter filter;
};

void run(Session& session, const Options& options) {
  const auto snapshot = manager::apply(options.filter, options.bridges,
                                       manager::take_switch_snapshot(ovsdb::parse_endpoint(options.database, "--db")));
  // Of what is shown, so that a check of one bridge is not failed by another's port.
  if (manager::has_problem(snapshot)) session.exit = Exit::problems;
  if (options.output == "json") return session.print_json(manager::to_json(snapshot, manager::WithStatistics::yes));
  session.print(render_switch(snapshot, options.output == "wide", session.terminal));
}

constexpr const char* kExamples = R"(Examples:
  barewire ovs                               bridges, ports, VLANs, and whose they are
  barewire ovs -o wide --bridge br0          every column, one bridge
  barewire ovs --pod default/web-0 -o json   what one pod has on the switch, for a program
  barewire ovs --db tcp:192.0.2.1:6640       another node's
Exit status 1 when a port is refused or stale, or no ovs-vswitchd obeys the database.)";

}  // namespace

void add_ovs_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("ovs", "Show Open vSwitch: bridges, ports and their owners, mirrors, offload");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (table)")
      ->check(CLI::IsMember({"table", "wide", "json"}));
  command->add_option("--bridge", options->bridges, "Only this bridge (repeatable)")
      ->type_name("BRIDGE")
      ->delimiter(',');
  add_holder_options(*command, options->filter);
  command->add_option("--db", options->database, "Database of Open vSwitch (" + options->database + ")")
      ->type_name("ENDPOINT");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
