// SPDX-License-Identifier: Apache-2.0
/// `barewire metrics`.
/// A file is replaced by rename, as node_exporter's textfile collector asks for: it would read half of one.
#include <unistd.h>

#include "core/fd.h"
#include "device-manager/cli/session.h"
#include "device-manager/metrics/collect.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string output;
  std::string pools;
};

void run(Session& session, const Options& options) {
  std::vector<std::string> problems;
  const std::string page = metrics::collect(session.node, options.pools, problems);
  if (options.output.empty())
    session.print(page);
  else
    // node_exporter is not root.
    write_file_atomically(options.output, page, Durability::until_reboot, 0644);
  std::string text;
  for (const std::string& problem : problems) text += fmt::format("barewire: {}\n", printable(problem));
  // Beside the page and not in it, which a program reads.
  if (text.empty()) return;
  write_all(STDERR_FILENO, text, "standard error");
  session.exit = Exit::problems;
}

constexpr const char* kExamples = R"(Examples:
  barewire metrics                  what Prometheus would scrape
  barewire metrics --output /var/lib/prometheus/node-exporter/barewire.prom
                                    for node_exporter's textfile collector, by a timer)";

}  // namespace

void add_metrics_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("metrics", "Print the node's metrics as Prometheus reads them");
  const auto options = std::make_shared<Options>();
  command->add_option("--output", options->output, "Into this file, by rename, instead")->type_name("FILE");
  command->add_option("--pools", options->pools, "The pools (/etc/barewire/pools.json, else /etc/pcidp/config.json)")
      ->type_name("FILE");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
