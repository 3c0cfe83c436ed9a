// SPDX-License-Identifier: Apache-2.0
/// `barewire repair`.
/// An attachment that is as it was made is passed over in silence. Filters are those of `barewire check`, so that what
/// the one shows the other can put right.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "core/cni/fallback.h"
#include "core/cni/life.h"
#include "core/cni/plugin.h"
#include "core/journal.h"
#include "device-manager/checker.h"
#include "device-manager/cli/list_view.h"
#include "device-manager/cli/session.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string output = "text";
  bool dry_run = false;
  manager::Filter filter;
};

struct Outcome {
  state::Attachment attachment;
  std::vector<std::string> done;  ///< or what would be
  std::optional<Error> error;     ///< what is left, or what failed
};

/// nullptr for what is another program's, or was made by a fallback.
const cni::Plugin* plugin_of(const Session& session, const state::Attachment& attachment) {
  return cni::is_by_fallback(attachment) ? nullptr : session.node.plugins->find(attachment.id.plugin);
}

void repair_by_plugin(const cni::Plugin& plugin, Outcome& outcome, const Session& session, bool dry_run) {
  try {
    Node node = session.node;
    outcome.done = plugin.repair(outcome.attachment, node, dry_run);
  } catch (const Error& error) {
    outcome.error = error;
  }
}

/// Of what cannot be put right under a running pod it is told what is wrong.
void tell_what_is_left(Outcome& outcome, const Session& session) {
  const auto error = manager::check(session.node, outcome.attachment).error;
  if (!error) return;
  outcome.error =
      Error(error->code(), error->what(),
            fmt::format("attachments of {} are put right by making the pod anew", outcome.attachment.id.plugin));
}

Outcome repair(const Session& session, const state::Attachment& attachment, LifeSigns& signs, bool dry_run) {
  Outcome outcome{attachment, {}, std::nullopt};
  if (signs.is_dead(attachment).is_yes()) {
    outcome.error =
        Error(Error::Code::drift, fmt::format("its pod is gone: netns {} is no longer there", attachment.netns),
              "there is nothing to repair; `barewire gc` deletes what is left");
    return outcome;
  }
  const cni::Plugin* plugin = plugin_of(session, attachment);
  if (plugin != nullptr && plugin->repair != nullptr) repair_by_plugin(*plugin, outcome, session, dry_run);
  // In a dry run it is still wrong, and CHECK would only say so once more; a plugin with a comparison of its own has
  // told everything.
  const bool is_told =
      outcome.error || (dry_run && !outcome.done.empty()) || (plugin != nullptr && plugin->drift != nullptr);
  if (!is_told) tell_what_is_left(outcome, session);
  return outcome;
}

void record(const Outcome& outcome) {
  const state::Attachment& attachment = outcome.attachment;
  journal::Event event{.kind = outcome.error ? journal::Kind::refusal : journal::Kind::repair,
                       .plugin = attachment.id.plugin,
                       .command = "repair",
                       .network = attachment.id.network,
                       .name_space = attachment.pod.name_space,
                       .pod = attachment.pod.name,
                       .container = attachment.id.container_id,
                       .ifname = attachment.id.ifname,
                       .what = fmt::format("{}", fmt::join(outcome.done, "; "))};
  if (outcome.error) {
    event.code = outcome.error->code();
    event.what = outcome.error->what();
    event.hint = outcome.error->hint();
  }
  journal::record(std::move(event));
}

json::object outcome_json(const Outcome& outcome) {
  json::object object{{"holder", manager::holder_json(outcome.attachment)},
                      {"done", json::array(outcome.done.begin(), outcome.done.end())},
                      {"error", nullptr}};
  if (outcome.error) {
    object["error"] = json::object{
        {"code", outcome.error->code()}, {"msg", outcome.error->what()}, {"details", outcome.error->hint()}};
  }
  return object;
}

std::string outcome_text(const Outcome& outcome, const Terminal& terminal) {
  const auto& id = outcome.attachment.id;
  std::string text =
      terminal.paint(
          printable(fmt::format("{}  {} {} ({})", holder_text(outcome.attachment), id.network, id.ifname, id.plugin)),
          Style::bold) +
      "\n";
  for (const std::string& line : outcome.done) text += "  " + printable(line) + "\n";
  if (!outcome.error) return text;
  text += "  " + terminal.paint(printable(outcome.error->what()), Style::red) + "\n";
  if (!outcome.error->hint().empty()) text += "  " + printable(outcome.error->hint()) + "\n";
  return text;
}

using Unreadable = std::vector<std::pair<std::string, std::string>>;  // path, error

json::object document(const Options& options, const std::vector<Outcome>& outcomes, const Unreadable& unreadable) {
  json::array repairs, damaged;
  for (const Outcome& outcome : outcomes) repairs.emplace_back(outcome_json(outcome));
  for (const auto& [path, error] : unreadable) damaged.emplace_back(json::object{{"path", path}, {"error", error}});
  return {{"format", manager::kSnapshotFormat},
          {"dryRun", options.dry_run},
          {"repairs", std::move(repairs)},
          {"unreadableRecords", std::move(damaged)}};
}

void print(Session& session, const Options& options, const std::vector<Outcome>& outcomes,
           const Unreadable& unreadable) {
  if (options.output == "json") return session.print_json(document(options, outcomes, unreadable));
  for (const Outcome& outcome : outcomes) session.print(outcome_text(outcome, session.terminal));
  for (const auto& each : unreadable) session.print(session.terminal.paint(printable(each.second), Style::red) + "\n");
  if (outcomes.empty() && unreadable.empty()) session.print("Nothing has drifted.\n");
}

void run(Session& session, const Options& options) {
  std::vector<Outcome> outcomes;
  Unreadable unreadable;
  LifeSigns signs;
  for (const state::Attachment& attachment : state::Store(session.node.run_dir).list(&unreadable)) {
    if (!options.filter.matches(attachment)) continue;
    Outcome outcome = repair(session, attachment, signs, options.dry_run);
    if (outcome.error) session.exit = Exit::problems;
    if (!options.dry_run && (outcome.error || !outcome.done.empty())) record(outcome);
    if (outcome.error || !outcome.done.empty()) outcomes.push_back(std::move(outcome));
  }
  if (!unreadable.empty()) session.exit = Exit::problems;
  print(session, options, outcomes, unreadable);
}

constexpr const char* kExamples = R"(Examples:
  barewire repair --dry-run           what would be put right
  barewire repair --pod default/web-0 what one pod holds)";

}  // namespace

void add_repair_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("repair", "Put VFs that drifted back to what their attachment made");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_flag("-n,--dry-run", options->dry_run, "Say what would be done, do nothing");
  add_holder_options(*command, options->filter);
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
