// SPDX-License-Identifier: Apache-2.0
/// `barewire explain`: whether the node's policy allows what a configuration asks for, and what each plugin's ADD would
/// do. Nothing is opened for writing and no lock is taken: what is foretold holds for this moment.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/cni/guard.h"
#include "core/cni/plugin.h"
#include "core/json_view.h"
#include "core/policy/file.h"
#include "device-manager/cli/session.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string config;
  std::optional<std::string> device;
  std::string pod_namespace;
  std::string output = "text";
};

/// As a runtime would send it to each plugin: of a list, with the list's name and version.
std::vector<json::object> plugin_configs(const Options& options) {
  const std::string& path = options.config;
  const json::value document = parse_json(read_input(path), path == "-" ? "standard input" : path);
  const JsonView view(document);
  std::vector<json::object> configs;
  if (!view.has("plugins")) {
    configs.push_back(document.as_object());
  } else {
    for (const JsonView& plugin : view.at("plugins").array("a list of plugin configurations")) {
      if (!plugin.is_object()) plugin.reject("the configuration of a plugin");
      configs.push_back(plugin.value().as_object());
      configs.back()["name"] = view.at("name").string();
      configs.back()["cniVersion"] = view.string_or("cniVersion", "1.1.0");
    }
  }
  return configs;
}

std::string type_of(const json::object& config) {
  const json::value value(config);
  return JsonView(value).string_or("type", "");
}

/// The device given on the command line is what a runtime would give.
cni::Request request_for(json::object config, const Options& options) {
  // Multus puts the device there, for each plugin of the list that takes one.
  if (options.device) config["deviceID"] = *options.device;
  cni::Request request;
  request.command = cni::Command::add;
  if (!options.pod_namespace.empty()) request.args = cni::Args::parse("K8S_POD_NAMESPACE=" + options.pod_namespace);
  request.conf = cni::NetConf::parse(json::serialize(config));
  return request;
}

/// A line per plugin; nothing where the node has no policy. Throws what ADD would.
void explain_policy(const Node& node, const std::vector<json::object>& configs, const Options& options,
                    std::vector<std::string>& steps) {
  const auto policy = policy::read_policy(node.policy_file);
  if (!policy) return;
  for (const json::object& config : configs) {
    const std::string type = type_of(config);
    const cni::Request request = request_for(config, options);
    const policy::Subscriber subscriber = cni::subscriber_of(request);
    const cni::Plugin* plugin = node.plugins->find(type);
    if (plugin != nullptr) policy->require_allowed(subscriber, cni::asks_of(*plugin, request, node));
    steps.push_back(fmt::format("policy: {}: {}", type,
                                plugin == nullptr ? "not a plugin of this suite: the policy does not reach it"
                                                  : "allowed, " + policy->verdict(subscriber)));
  }
}

/// What any plugin can tell: what it is for, what its keys ask of the node, and whether it could serve now.
void explain_by_keys(const cni::Plugin& plugin, const cni::Request& request, Node& node,
                     std::vector<std::string>& steps) {
  if (plugin.validate != nullptr) plugin.validate(request);
  steps.push_back(fmt::format("{}: {}", plugin.name, plugin.about));
  for (const policy::Ask& ask : cni::asks_of(plugin, request, node))
    steps.push_back(
        fmt::format("{}: \"{}\" asks for {} {}", plugin.name, ask.key, policy::info_of(ask.subject).name, ask.shown));
  if (plugin.status == nullptr) return;
  plugin.status(request, node);
  steps.push_back(fmt::format("{}: could serve a pod now, as STATUS tells", plugin.name));
}

void explain_plugin(const json::object& config, const Options& options, Node& node, std::vector<std::string>& steps) {
  const std::string type = type_of(config);
  const cni::Plugin* plugin = node.plugins->find(type);
  if (plugin == nullptr)
    return steps.push_back(fmt::format("{}: not a plugin of this suite: nothing is known of it", type));
  if (plugin->explain == nullptr) return explain_by_keys(*plugin, request_for(config, options), node, steps);
  for (std::string& step : plugin->explain(json::serialize(config), options.device, node))
    steps.push_back(std::move(step));
}

struct Explanation {
  std::vector<std::string> steps;
  std::optional<Error> refusal;
};

Explanation explain(const Session& session, const Options& options) {
  const std::vector<json::object> configs = plugin_configs(options);
  Explanation explanation;
  try {
    Node node = session.node;
    explain_policy(node, configs, options, explanation.steps);
    for (const json::object& config : configs) explain_plugin(config, options, node, explanation.steps);
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
  barewire explain blue.json --namespace tenant-a   which rule of the node's policy decides, and how
  barewire explain blue.json -o json                with the device or pool that the config names
  kubectl get net-attach-def blue -o jsonpath='{.spec.config}' | barewire explain - --device 0000:01:10.3)";

}  // namespace

void add_explain_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("explain", "Say step by step what ADD would do, touching nothing");
  const auto options = std::make_shared<Options>();
  command->add_option("config", options->config, "Network configuration or list; - reads stdin")
      ->required()
      ->type_name("FILE");
  command->add_option("--device", options->device, "PCI address of the VF; else what the configuration names")
      ->type_name("VF");
  command->add_option("--namespace", options->pod_namespace, "Namespace of the pod, for the node's policy")
      ->type_name("NAMESPACE");
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
