// SPDX-License-Identifier: Apache-2.0
/// `barewire history`, `why` and `who`.
/// All from the flight recorder alone, so that they answer for pods and VFs that are gone. What could not be read of it
/// is said each time: an answer from a journal with holes may be wrong.
#include "device-manager/history.h"

#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "core/fd.h"
#include "core/journal_search.h"
#include "device-manager/cli/session.h"
#include "device-manager/cli/table.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;
using journal::Event;
using journal::Kind;

struct Options {
  std::string subject;
  std::string moment;  ///< --since, --at
  std::optional<std::size_t> last{};
  std::string output = "table";
};

std::string journal_directory(const Session& session) {
  return session.node.cni_state_dir + journal::kBelow;
}

/// As much of it, from its end, as holds what happened since then and the last `last` events of `subject`. A block that
/// is older as a whole ends it: single events may be out of order, and a clock may have been set.
journal::History read_since(const Session& session, const std::string& subject, std::optional<journal::Time> since,
                            std::optional<std::size_t> last) {
  std::size_t found = 0;
  return journal::read_back(journal_directory(session), [&](const std::vector<Event>& block) {
    found += manager::select(block, subject, since).size();
    if (last && found >= *last) return true;
    return since && !block.empty() &&
           std::all_of(block.begin(), block.end(), [&](const Event& event) { return event.time < *since; });
  });
}

std::optional<journal::Time> moment_of(const Options& options, const char* option) {
  if (options.moment.empty()) return std::nullopt;
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  if (const auto moment = manager::parse_moment(options.moment, now)) return moment;
  throw CLI::ValidationError(option, fmt::format("\"{}\" is neither a span, as 30m or 2h or 7d, nor a time in UTC, as "
                                                 "2026-11-28T02:14",
                                                 printable(options.moment)));
}

/// A PF may be called by its netdev's name; the journal knows it by its address.
std::string subject_of(const Session& session, const std::string& name) {
  if (name.empty() || name.find_first_of(":/") != std::string::npos) return name;
  try {
    kernel::NlSocket socket;
    if (const auto pf = vf::find_pf(kernel::Sysfs(session.node.sysfs), socket, name)) return pf->pci.address;
  } catch (const Error&) {  // no PF that can be looked at: then it is a pod's name
  }
  return name;
}

void warn(Session& session, const journal::History& history) {
  std::string text;
  if (history.damaged > 0)
    text += fmt::format("barewire: {} lines of the journal are torn or damaged and left out\n", history.damaged);
  for (const std::string& problem : history.problems) text += fmt::format("barewire: {}\n", printable(problem));
  if (!text.empty()) write_all(STDERR_FILENO, text, "standard error");
  // Torn lines alone are none: every crash may leave one.
  if (!history.problems.empty()) session.exit = Exit::problems;
}

/// Whole seconds, as people say it.
std::string when(const Event& event) {
  return journal::time_text(event.time).substr(0, 19) + "Z";
}

std::string pod_text(const Event& event) {
  if (!event.pod.empty()) return event.name_space + "/" + event.pod;
  return event.container.empty() ? "" : "container " + event.container.substr(0, 12);
}

std::string took_text(const Event& event) {
  if (!event.took) return {};
  return fmt::format("{:.1f} ms", static_cast<double>(event.took->count()) / 1000);
}

Style style_of(Kind kind) {
  if (kind == Kind::refusal) return Style::red;
  return kind == Kind::repair || kind == Kind::reap || kind == Kind::drift ? Style::yellow : Style::plain;
}

std::string render(const std::vector<Event>& events, const Terminal& terminal) {
  using Align = Column::Align;
  Table table({{"TIME", Align::left, 0},
               {"EVENT", Align::left, 0},
               {"COMMAND", Align::left, 5},
               {"PLUGIN", Align::left, 2},
               {"POD", Align::left, 0},
               {"NETWORK", Align::left, 4},
               {"INTERFACE", Align::left, 6},
               {"DEVICE", Align::left, 1},
               {"TOOK", Align::right, 3},
               {"BY", Align::left, 7}});
  for (const Event& event : events) {
    table.add_row({when(event), Cell(std::string(name_of(event.kind)), style_of(event.kind)), event.command,
                   event.plugin, pod_text(event), event.network, event.ifname,
                   event.device.empty() ? event.pf : event.device, took_text(event), event.cause});
    if (event.code != 0)
      table.add_note(Cell(fmt::format("{} (code {})", event.what, event.code), Style::red));
    else if (!event.what.empty())
      table.add_note(event.what);
    if (!event.hint.empty()) table.add_note(event.hint);
  }
  return table.render(terminal);
}

json::object document(const std::vector<Event>& events, const journal::History& history) {
  json::array array;
  for (const Event& event : events) array.emplace_back(manager::to_json(event));
  return {{"format", 1},
          {"events", std::move(array)},
          {"damagedLines", history.damaged},
          {"problems", json::array(history.problems.begin(), history.problems.end())}};
}

void show_history(Session& session, const Options& options) {
  const auto since = moment_of(options, "--since");
  const std::string subject = subject_of(session, options.subject);
  const auto history = read_since(session, subject, since, options.last);
  auto events = manager::select(history.events, subject, since);
  if (options.last && events.size() > *options.last)
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(*options.last));
  if (options.output == "json")
    session.print_json(document(events, history));
  else
    session.print(events.empty() ? "Nothing is recorded.\n" : render(events, session.terminal));
  warn(session, history);
}

std::string beginning(const journal::History& history) {
  return history.events.empty() ? "the journal is empty" : "the journal begins at " + when(history.events.front());
}

std::string failure_text(const manager::Failure& failure, const Terminal& terminal) {
  const Event& event = failure.event;
  std::string text = terminal.paint(
      printable(fmt::format("{}: {} of {} in network {} failed at {} (code {})", pod_text(event), event.command,
                            event.plugin, event.network.empty() ? "unknown" : event.network, when(event), event.code)),
      Style::bold);
  text += "\n  " + terminal.paint(printable(event.what), Style::red) + "\n";
  if (!event.hint.empty()) text += "  " + printable(event.hint) + "\n";
  if (failure.overcome) text += fmt::format("It has succeeded since, at {}.\n", when(*failure.overcome));
  return text;
}

void explain_failure(Session& session, const Options& options) {
  // What comes after its last failure is read with that.
  const auto history = journal::read_back(journal_directory(session), [&](const std::vector<Event>& block) {
    return manager::last_failure(manager::select(block, options.subject, std::nullopt)).has_value();
  });
  const auto events = manager::select(history.events, options.subject, std::nullopt);
  const auto failure = manager::last_failure(events);
  if (failure && !failure->overcome) session.exit = Exit::problems;
  if (options.output == "json") {
    json::object answer{{"format", 1}, {"failure", nullptr}, {"overcome", nullptr}};
    if (failure) answer["failure"] = manager::to_json(failure->event);
    if (failure && failure->overcome) answer["overcome"] = manager::to_json(*failure->overcome);
    session.print_json(answer);
  } else if (failure) {
    session.print(failure_text(*failure, session.terminal));
  } else if (events.empty()) {
    session.exit = Exit::problems;
    // No answer rather than "it never failed": the pod may be older than the journal, or have another name.
    session.print(fmt::format("Nothing is recorded of {}; {}.\n", printable(options.subject), beginning(history)));
  } else {
    session.print(fmt::format("No call of {} failed; {}.\n", printable(options.subject), beginning(history)));
  }
  warn(session, history);
}

std::string holding_text(const manager::Holding& holding, const std::string& device, const std::string& at,
                         const journal::History& history) {
  if (!holding.is_known) return fmt::format("Who had {} at {} is not known: {}.", device, at, beginning(history));
  if (!holding.holder) return fmt::format("Nobody had {} at {}; {}.", device, at, beginning(history));
  const Event& event = *holding.holder;
  return fmt::format("{} had {} at {}: interface {}, network {}, by {} since {}", pod_text(event), device, at,
                     event.ifname, event.network, event.plugin, when(event));
}

void show_holder(Session& session, const Options& options) {
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto time = moment_of(options, "--at").value_or(now);
  // What is no address is looked for as it is: attachments hold devices that go by a name, too.
  const std::string device = kernel::normalise_pci_address(options.subject).value_or(options.subject);
  // From its beginning: who had it is known by all that came and went.
  const auto history = journal::read(journal_directory(session));
  const auto holding = manager::holder_at(history.events, device, time);
  if (!holding.is_known) session.exit = Exit::problems;
  if (options.output == "json") {
    json::object answer{{"format", 1}, {"known", holding.is_known}, {"holder", nullptr}};
    if (holding.holder) answer["holder"] = manager::to_json(*holding.holder);
    session.print_json(answer);
  } else {
    const std::string at = journal::time_text(time).substr(0, 19) + "Z";
    session.print(printable(holding_text(holding, device, at, history)) + "\n");
  }
  warn(session, history);
}

constexpr const char* kHistoryExamples = R"(Examples:
  barewire history                        all that is recorded, the oldest first
  barewire history default/web-0          of one pod, also when it is gone
  barewire history 0000:01:10.3           of one VF; ens1f0: of a PF and its VFs
  barewire history --last 20              the newest 20 of them
  barewire history --since 2h -o json     of the last two hours, for a program)";
constexpr const char* kWhyExamples = R"(Examples:
  barewire why default/web-0   the last call of this pod that failed, and what to do)";
constexpr const char* kWhoExamples = R"(Examples:
  barewire who 0000:01:10.3 --at 2026-11-28T02:14   which pod had this VF then (UTC)
  barewire who 0000:01:10.3 --at 90m                an hour and a half ago)";

void add_form(CLI::App& command, const char* form, Options& options) {
  options.output = form;
  command.add_option("-o,--output", options.output, fmt::format("Form of the output ({})", form))
      ->check(CLI::IsMember({form, "json"}));
}

void add_history(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("history", "Show what happened to pods and VFs, from the journal");
  const auto options = std::make_shared<Options>();
  add_form(*command, "table", *options);
  command->add_option("subject", options->subject, "Only of this pod (NAMESPACE/NAME), VF or PF")->type_name("POD");
  command->add_option("--since", options->moment, "Only since then: a span as 2h, or a time in UTC")->type_name("TIME");
  command->add_option("--last", options->last, "Only so many, the newest")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}));
  command->footer(kHistoryExamples);
  command->callback([&session, options] { show_history(session, *options); });
}

void add_why(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("why", "Say why the last call of a pod failed");
  const auto options = std::make_shared<Options>();
  add_form(*command, "text", *options);
  command->add_option("pod", options->subject, "The pod, as NAMESPACE/NAME")->required()->type_name("POD");
  command->footer(kWhyExamples);
  command->callback([&session, options] { explain_failure(session, *options); });
}

void add_who(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("who", "Say which pod had a VF at a time");
  const auto options = std::make_shared<Options>();
  add_form(*command, "text", *options);
  command->add_option("vf", options->subject, "The VF, by PCI address")->required()->type_name("VF");
  command->add_option("--at", options->moment, "When: a time in UTC, or a span ago, as 90m (now)")->type_name("TIME");
  command->footer(kWhoExamples);
  command->callback([&session, options] { show_holder(session, *options); });
}

}  // namespace

void add_history_commands(CLI::App& app, Session& session) {
  add_history(app, session);
  add_why(app, session);
  add_who(app, session);
}

}  // namespace barewire::cli
