// SPDX-License-Identifier: Apache-2.0
/// `barewire doctor`.
/// Shows what device-manager/doctor/ finds. The exit status tells only of parts in use that cannot work: on a node that
/// offloads nothing, missing modules are notes.
#include "device-manager/doctor/doctor.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "device-manager/cli/session.h"
#include "device-manager/cli/table.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;
using manager::Finding;
using manager::Verdict;

struct Options {
  std::string output = "table";
  std::string socket = ovsdb::Endpoint().text();
};

Style style_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return Style::green;
    case Verdict::note:
      return Style::dim;
    case Verdict::warning:
      return Style::yellow;
    case Verdict::broken:
      return Style::red;
  }
  return Style::plain;
}

json::object document(const manager::Findings& findings) {
  json::array list;
  for (const Finding& finding : findings)
    list.emplace_back(json::object{{"verdict", manager::text_of(finding.verdict)},
                                   {"part", finding.part},
                                   {"text", finding.text},
                                   {"next", finding.next.empty() ? json::value(nullptr) : json::value(finding.next)}});
  return {{"format", manager::kSnapshotFormat}, {"findings", std::move(list)}};
}

std::string table(const manager::Findings& findings, const Terminal& terminal) {
  Table lines({{"VERDICT"}, {"PART"}, {"FOUND"}});
  for (const Finding& finding : findings) {
    lines.add_row(
        {{std::string(manager::text_of(finding.verdict)), style_of(finding.verdict)}, finding.part, finding.text});
    if (!finding.next.empty()) lines.add_note({"-> " + finding.next, Style::bold});
  }
  return lines.render(terminal);
}

void run(Session& session, const Options& options) {
  const manager::Findings findings = manager::examine(
      session.node, {ovsdb::parse_endpoint(options.socket, "--socket"), manager::running_modules_dir()});
  // Warnings do not count: a part that works, only worse than it could, needs nobody at night.
  const bool broken = std::any_of(findings.begin(), findings.end(),
                                  [](const Finding& finding) { return finding.verdict == Verdict::broken; });
  if (broken) session.exit = Exit::problems;
  if (options.output == "json") return session.print_json(document(findings));
  session.print(table(findings, session.terminal));
}

constexpr const char* kExamples = R"(Examples:
  barewire doctor                      why are the flows not in hardware?
  barewire doctor -o json              for monitoring: exit status 1 when a part in use cannot work
It changes nothing; what to type stands below each finding.)";

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("doctor", "Examine the chain from VF to offloaded flow, and say what to do next");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (table)")
      ->check(CLI::IsMember({"table", "json"}));
  command->add_option("--socket", options->socket, "Database of Open vSwitch (" + options->socket + ")")
      ->type_name("ENDPOINT");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
