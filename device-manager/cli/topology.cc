// SPDX-License-Identifier: Apache-2.0
/// `barewire topology`: the node in one picture, in three forms of one model. Reads only.
#include <unistd.h>

#include "core/fd.h"
#include "device-manager/cli/session.h"
#include "device-manager/cli/topology_view.h"
#include "device-manager/drift.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string output = "text";
  std::string pools;
  std::string database;
};

manager::Topology look(const Session& session, const Options& options) {
  manager::TopologyLook how{.find_drift = manager::quick_drift_finders(session.node), .pools_file = options.pools};
  if (!options.database.empty()) {
    how.database = ovsdb::parse_endpoint(options.database, "--db");
    how.asks_for_switch = true;
  }
  return manager::take_topology(session.node, how);
}

void run(Session& session, const Options& options) {
  const manager::Topology topology = look(session, options);
  if (!topology.problems.empty()) session.exit = Exit::problems;
  if (options.output == "json") return session.print_json(manager::to_json(topology));
  session.print(options.output == "svg" ? render_topology_svg(topology) : render_topology(topology, session.terminal));
}

constexpr const char* kExamples = R"(Examples:
  barewire topology                      NUMA nodes, NICs, VFs, bridges, pods as a tree
  barewire topology -o svg > node.svg    a picture that stands by itself
  barewire topology -o json              what the page of barewired draws)";

}  // namespace

void add_topology_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("topology", "Draw this node: NUMA nodes, NICs, VFs, bridges, pods");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json", "svg"}));
  command->add_option("--pools", options->pools, "The pools (/etc/barewire/pools.json, else /etc/pcidp/config.json)")
      ->type_name("FILE");
  command->add_option("--db", options->database, "Database of Open vSwitch (the node's own, where one runs)")
      ->type_name("ENDPOINT");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
