// SPDX-License-Identifier: Apache-2.0
/// `barewire check`.
/// Calls CHECK of each attachment as a runtime would. One that cannot be checked is told like one that has drifted:
/// what monitoring needs to know is that it is not "ok".
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "device-manager/checker.h"
#include "device-manager/cli/list_view.h"
#include "device-manager/cli/session.h"
#include "device-manager/cli/table.h"
#include "device-manager/filter.h"
#include "device-manager/snapshot_json.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;
using manager::CheckOutcome;

struct Options {
  std::string output = "table";
  manager::Filter filter;
};

/// Drift is what CHECK is for; anything else kept it from looking.
std::string_view verdict(const CheckOutcome& outcome) {
  if (!outcome.error) return "ok";
  return outcome.error->is(Error::Code::drift) ? "drifted" : "failed";
}

json::object outcome_json(const CheckOutcome& outcome) {
  json::object object{{"holder", manager::holder_json(outcome.attachment)}, {"verdict", verdict(outcome)}};
  // There in any case: a program need not ask first.
  object["error"] = nullptr;
  if (outcome.error) {
    object["error"] = json::object{
        {"code", outcome.error->code()}, {"msg", outcome.error->what()}, {"details", outcome.error->hint()}};
  }
  return object;
}

json::object document(const std::vector<CheckOutcome>& outcomes,
                      const std::vector<std::pair<std::string, std::string>>& unreadable,
                      const std::vector<std::string>& undeclared) {
  json::array checked, damaged, drift;
  for (const std::string& each : undeclared) drift.emplace_back(each);
  for (const CheckOutcome& outcome : outcomes) checked.emplace_back(outcome_json(outcome));
  for (const auto& [path, error] : unreadable) damaged.emplace_back(json::object{{"path", path}, {"error", error}});
  return {{"format", manager::kSnapshotFormat},
          {"checks", std::move(checked)},
          {"unreadableRecords", std::move(damaged)},
          {"declarationDrift", std::move(drift)}};
}

std::string table(const std::vector<CheckOutcome>& outcomes, const Terminal& terminal) {
  Table lines({{"VERDICT"}, {"HELD BY"}, {"NETWORK"}, {"IF"}, {"PLUGIN"}, {"CONTAINER", Column::Align::left, 1}});
  for (const CheckOutcome& outcome : outcomes) {
    const auto& id = outcome.attachment.id;
    lines.add_row({{std::string(verdict(outcome)), outcome.error ? Style::red : Style::green},
                   holder_text(outcome.attachment),
                   id.network,
                   id.ifname,
                   id.plugin,
                   id.container_id});
    if (!outcome.error) continue;
    lines.add_note({outcome.error->what(), Style::red});
    if (!outcome.error->hint().empty()) lines.add_note({outcome.error->hint(), Style::dim});
  }
  return lines.render(terminal);
}

/// Of the node's NICs; not when the question is for some attachments.
std::vector<std::string> declaration_drift(const Session& session, const Options& options) {
  const manager::Filter& filter = options.filter;
  if (!filter.networks.empty() || !filter.pods.empty() || !filter.containers.empty()) return {};
  return declared::find_drift(session.node, declared::kDeclarationFile);
}

void run(Session& session, const Options& options) {
  std::vector<std::pair<std::string, std::string>> unreadable;
  std::vector<CheckOutcome> outcomes;
  for (const state::Attachment& attachment : state::Store(session.node.run_dir).list(&unreadable)) {
    if (options.filter.matches(attachment)) outcomes.push_back(manager::check(session.node, attachment));
  }
  const auto bad = std::count_if(outcomes.begin(), outcomes.end(), [](const auto& each) { return each.error; });
  // A record that cannot be read is a problem by itself: nobody knows whether its attachment is as it was made.
  const auto undeclared = declaration_drift(session, options);
  if (bad > 0 || !unreadable.empty() || !undeclared.empty()) session.exit = Exit::problems;
  if (options.output == "json") return session.print_json(document(outcomes, unreadable, undeclared));
  session.print(table(outcomes, session.terminal));
  for (const auto& each : unreadable) session.print(session.terminal.paint(printable(each.second), Style::red) + "\n");
  for (const auto& each : undeclared) session.print(session.terminal.paint(printable(each), Style::red) + "\n");
  session.print(fmt::format("{} of {} attachments are as they were made.\n",
                            static_cast<std::ptrdiff_t>(outcomes.size()) - bad, outcomes.size()));
}

constexpr const char* kExamples = R"(Examples:
  barewire check                       every attachment against the kernel
  barewire check --network sriov-net   those of one network
  barewire check -o json || alert      for monitoring: exit status 1 when one differs)";

}  // namespace

void add_check_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("check", "Compare attachments with the kernel, as CNI CHECK does");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (table)")
      ->check(CLI::IsMember({"table", "json"}));
  add_holder_options(*command, options->filter);
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
