// SPDX-License-Identifier: Apache-2.0
/// `barewire validate`: what is wrong with network configurations, all of it at once, before a pod needs them.
#include "device-manager/validate/validate.h"

#include <boost/json/array.hpp>

#include "device-manager/cli/session.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;
using manager::Finding;
using manager::Verdict;

struct Options {
  std::vector<std::string> files;
  std::string output = "text";
};

struct Checked {
  std::string file;
  Verdict verdict;
};

/// A file that cannot be read is a finding too: the others are still looked at.
std::vector<Checked> check_file(const std::string& path, const cni::PluginTable& plugins) {
  const std::string name = path == "-" ? "standard input" : path;
  std::vector<Checked> checked;
  try {
    for (const manager::Document& document : manager::split_documents(read_input(path), name))
      checked.push_back({name, manager::validate(document, plugins)});
  } catch (const Error& error) {
    checked.push_back({name, {"", {}, {{Finding::Severity::error, "", error.what(), error.hint()}}}});
  }
  return checked;
}

std::string_view word_of(Finding::Severity severity) {
  return severity == Finding::Severity::error ? "error" : "warning";
}

void print(const Session& session, const Checked& each) {
  for (const Finding& finding : each.verdict.findings) {
    const bool is_error = finding.severity == Finding::Severity::error;
    session.print(fmt::format(
        "{}: {}{}{}: {}\n", each.file, printable(finding.where), finding.where.empty() ? "" : ": ",
        session.terminal.paint(std::string(word_of(finding.severity)), is_error ? Style::red : Style::yellow),
        printable(finding.what)));
    if (!finding.hint.empty()) session.print(fmt::format("    {}\n", printable(finding.hint)));
  }
  if (each.verdict.is_valid())
    session.print(fmt::format("{}: network \"{}\" ({}) is valid\n", each.file, printable(each.verdict.network),
                              printable(fmt::format("{}", fmt::join(each.verdict.types, ", ")))));
}

json::object to_json(const Checked& each) {
  json::array findings;
  for (const Finding& finding : each.verdict.findings)
    findings.push_back(json::object{{"severity", word_of(finding.severity)},
                                    {"where", finding.where},
                                    {"msg", finding.what},
                                    {"details", finding.hint}});
  return {{"file", each.file},
          {"network", each.verdict.network},
          {"plugins", json::array(each.verdict.types.begin(), each.verdict.types.end())},
          {"valid", each.verdict.is_valid()},
          {"findings", std::move(findings)}};
}

void run(Session& session, const Options& options) {
  json::array networks;
  for (const std::string& file : options.files)
    for (const Checked& each : check_file(file, *session.node.plugins)) {
      if (!each.verdict.is_valid()) session.exit = Exit::problems;
      if (options.output == "json")
        networks.push_back(to_json(each));
      else
        print(session, each);
    }
  if (options.output == "json")
    session.print_json(json::object{{"format", manager::kSnapshotFormat}, {"networks", std::move(networks)}});
}

constexpr const char* kExamples = R"(Examples:
  barewire validate /etc/cni/net.d/*.conflist          every list of this node
  barewire validate networks.yaml                      the NetworkAttachmentDefinitions of a manifest
  kubectl get net-attach-def -A -o json | barewire validate -
  barewire validate blue.json -o json                  for a program, such as a check before a merge)";

}  // namespace

void add_validate_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("validate", "Say all that is wrong with network configurations");
  const auto options = std::make_shared<Options>();
  command->add_option("files", options->files, "Configuration, list or manifest; - reads stdin")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
