// SPDX-License-Identifier: Apache-2.0
/// `barewire explain`.
#include "sriov-plugin/explain.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/json_view.h"
#include "device-manager/cli/session.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string config;
  std::optional<std::string> device;
  std::string output = "text";
};

std::string read_config(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, "standard input");
  const auto bytes = read_file(path);
  if (bytes) return *bytes;
  throw Error(Error::Code::io, fmt::format("there is no file {}", path), "- reads standard input");
}

/// Of a configuration list: its sriov plugin, with the list's name and version, as a runtime would send it.
json::value sriov_of_list(const json::value& list, const std::string& path) {
  const JsonView view(list);
  for (const JsonView& plugin : view.at("plugins").array()) {
    if (plugin.string_or("type", "") != "sriov") continue;
    json::value config = plugin.value();
    config.as_object()["name"] = view.at("name").string();
    config.as_object()["cniVersion"] = view.string_or("cniVersion", "1.1.0");
    return config;
  }
  throw Error(Error::Code::config, fmt::format("{} has no plugin of type sriov", path));
}

std::string sriov_config(const std::string& path) {
  const std::string bytes = read_config(path);
  const json::value document = parse_json(bytes, path == "-" ? "standard input" : path);
  const JsonView view(document);
  if (view.has("plugins")) return json::serialize(sriov_of_list(document, path));
  const std::string type = view.string_or("type", "");
  if (type == "sriov") return bytes;
  throw Error(Error::Code::config, fmt::format("config key \"type\" is \"{}\"; expected \"sriov\"", type),
              "what other plugins do depends on no hardware: their pages in docs/configuration tell");
}

struct Explanation {
  std::vector<std::string> steps;
  std::optional<Error> refusal;
};

Explanation explain(const Session& session, const Options& options) {
  const std::string config = sriov_config(options.config);
  Explanation explanation;
  try {
    Node node = session.node;
    explanation.steps = sriov::explain(config, options.device, node);
  } catch (const Error& error) {
    explanation.refusal = error;
  }
  return explanation;
}

json::object explanation_json(const Explanation& explanation) {
  json::object object{{"format", manager::kSnapshotFormat},
                      {"steps", json::array(explanation.steps.begin(), explanation.steps.end())},
                      {"refusal", nullptr}};
  if (const auto& refusal = explanation.refusal) {
    object["refusal"] = json::object{{"code", refusal->code()}, {"msg", refusal->what()}, {"details", refusal->hint()}};
  }
  return object;
}

void run(Session& session, const Options& options) {
  const Explanation explanation = explain(session, options);
  if (explanation.refusal) session.exit = Exit::problems;
  if (options.output == "json") return session.print_json(explanation_json(explanation));
  std::size_t number = 0;
  for (const std::string& step : explanation.steps)
    session.print(fmt::format("{:>2}. {}\n", ++number, printable(step)));
  if (!explanation.refusal) return;
  const Error& refusal = *explanation.refusal;
  session.print(fmt::format("ADD would be refused with code {}: {}\n", refusal.code(), printable(refusal.what())));
  if (!refusal.hint().empty()) session.print(fmt::format("  {}\n", printable(refusal.hint())));
}

constexpr const char* kExamples = R"(Examples:
  barewire explain /etc/cni/net.d/10-blue.conflist --device 0000:01:10.3
  barewire explain blue.json -o json                with the device or pool that the config names
  kubectl get net-attach-def blue -o jsonpath='{.spec.config}' | barewire explain - --device 0000:01:10.3)";

}  // namespace

void add_explain_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("explain", "Say step by step what ADD would do, touching nothing");
  const auto options = std::make_shared<Options>();
  command->add_option("config", options->config, "Network configuration or list of the sriov plugin; - reads stdin")
      ->required()
      ->type_name("FILE");
  command->add_option("--device", options->device, "PCI address of the VF; else what the configuration names")
      ->type_name("VF");
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
