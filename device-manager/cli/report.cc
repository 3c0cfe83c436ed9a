// SPDX-License-Identifier: Apache-2.0
/// `barewire report`: all that somebody needs who is asked for help, in one document. Each part stands for itself: one
/// that cannot be read is there with its reason, since a node that needs help is a node where things fail.
#include <sys/utsname.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>

#include "core/build_info.h"
#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "device-manager/cli/redact.h"
#include "device-manager/cli/session.h"
#include "device-manager/doctor/doctor.h"
#include "device-manager/drift.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string conf_dir = "/etc/cni/net.d";
  std::string socket = ovsdb::Endpoint().text();
};

/// {"value": …} or {"error": …}.
void add_part(json::object& report, std::string_view name, const std::function<json::value()>& read) {
  try {
    report[name] = json::object{{"value", read()}};
  } catch (const Error& error) {
    report[name] = json::object{{"error", error.what()}, {"next", error.hint()}};
  }
}

json::value system_part() {
  utsname name{};
  ::uname(&name);
  return json::object{{"kernel", name.release},
                      {"machine", name.machine},
                      {"barewire", std::string(build_info())},
                      {"osRelease", read_file("/etc/os-release").value_or("")},
                      {"commandLine", read_file("/proc/cmdline").value_or("")}};
}

/// A file as JSON without its secrets; one that is no JSON is not shown, since its secrets could not be told.
json::value file_part(const std::string& path) {
  const auto bytes = read_file(path);
  if (!bytes) return nullptr;
  json::value document = parse_json(*bytes, path);
  leave_out_secrets(document);
  return document;
}

json::value configurations_part(const std::string& directory) {
  json::object files;
  for (const std::string& name : list_directory(directory)) {
    if (!name.ends_with(".conf") && !name.ends_with(".conflist") && !name.ends_with(".json")) continue;
    add_part(files, name, [&] { return file_part(directory + "/" + name); });
  }
  return files;
}

json::value records_part(const Node& node) {
  json::array records;
  std::vector<std::pair<std::string, std::string>> unreadable;
  for (const state::Attachment& attachment : state::Store(node.run_dir).list(&unreadable)) {
    json::value record = state::to_json(attachment);
    // The configuration is text in the record: as JSON its secrets can be told.
    if (json::value* config = record.as_object().if_contains("config"); config != nullptr && config->is_string()) {
      json::value parsed = parse_json(std::string(config->get_string()), "a recorded configuration");
      *config = std::move(parsed);
    }
    leave_out_secrets(record);
    records.push_back(std::move(record));
  }
  for (const auto& [path, error] : unreadable) records.push_back(json::object{{"path", path}, {"error", error}});
  return records;
}

json::value doctor_part(const Node& node, const ovsdb::Endpoint& endpoint) {
  json::array findings;
  for (const manager::Finding& finding : manager::examine(node, {endpoint, manager::running_modules_dir()}))
    findings.push_back(json::object{{"verdict", manager::text_of(finding.verdict)},
                                    {"part", finding.part},
                                    {"text", finding.text},
                                    {"next", finding.next}});
  return findings;
}

json::object make_report(const Session& session, const Options& options) {
  const Node& node = session.node;
  const ovsdb::Endpoint endpoint = ovsdb::parse_endpoint(options.socket, "--socket");
  json::object report{{"format", manager::kSnapshotFormat}};
  add_part(report, "system", system_part);
  add_part(report, "nics",
           [&] { return manager::to_json(manager::take_snapshot(node, manager::drift_finders_of_vfs(node))); });
  add_part(report, "attachments", [&] { return records_part(node); });
  add_part(report, "doctor", [&] { return doctor_part(node, endpoint); });
  add_part(report, "policy", [&] { return file_part(node.policy_file); });
  add_part(report, "pools", [] { return file_part("/etc/barewire/pools.json"); });
  add_part(report, "networks", [&] { return configurations_part(options.conf_dir); });
  return report;
}

constexpr const char* kExamples = R"(Examples:
  barewire report > report.json        for a ticket; secrets are left out, look at it before you send it
  barewire report --conf-dir /etc/rancher/k3s/cni/net.d)";

}  // namespace

void add_report_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("report", "Print all that somebody needs who is asked for help");
  const auto options = std::make_shared<Options>();
  command->add_option("--conf-dir", options->conf_dir, "Where the runtime keeps its networks (/etc/cni/net.d)")
      ->type_name("DIRECTORY");
  command->add_option("--socket", options->socket, "Database of Open vSwitch")->type_name("ENDPOINT");
  command->footer(kExamples);
  command->callback([&session, options] { session.print_json(make_report(session, *options)); });
}

}  // namespace barewire::cli
