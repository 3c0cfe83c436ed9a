// SPDX-License-Identifier: Apache-2.0
// Pods of other plugins that died without DEL, from the cache of results that libcni keeps of every attachment
// (/var/lib/cni/results). DEL is called as the runtime would have, with what the cache has of the network.
#include "device-manager/peer_pods.h"

#include <boost/archive/iterators/binary_from_base64.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "core/kernel/netns.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/state/store.h"
#include "device-manager/plugin_call.h"
#include "standard-plugins/common/reference.h"

namespace barewire::manager {

namespace json = boost::json;

namespace {

/// The cache does not tell where the runtime looked; what is called here is built in.
constexpr const char* kUsualPluginDirectory = "/opt/cni/bin";

/// RFC 4648. Throws when it is none.
std::string from_base64(std::string text) {
  using namespace boost::archive::iterators;
  using Decoder = transform_width<binary_from_base64<std::string::const_iterator>, 8, 6>;
  while (!text.empty() && text.back() == '=') text.pop_back();
  const std::size_t size = text.size() * 6 / 8;
  std::string bytes;
  for (Decoder at(text.begin()); bytes.size() < size; ++at) bytes.push_back(static_cast<char>(*at));
  return bytes;
}

/// As the cache tells it; older libraries leave it to the result.
std::string netns_of(const JsonView& entry) {
  if (std::string netns = entry.string_or("netns", ""); !netns.empty()) return netns;
  const auto result = entry.find("result");
  const auto interfaces = result ? result->find("interfaces") : std::nullopt;
  if (!interfaces) return {};
  for (const JsonView& interface : interfaces->array())
    if (std::string sandbox = interface.string_or("sandbox", ""); !sandbox.empty()) return sandbox;
  return {};
}

std::string args_of(const JsonView& entry) {
  std::string args;
  const auto pairs = entry.find("cniArgs");
  if (!pairs || !pairs->is_array()) return args;
  for (const JsonView& pair : pairs->array()) {
    const auto both = pair.strings();
    if (both.size() == 2) args += fmt::format("{}{}={}", args.empty() ? "" : ";", both[0], both[1]);
  }
  return args;
}

/// One plugin's configuration as a runtime hands it to DEL. Source: CNI spec 1.1.0 section 3, "Deriving execution
/// configuration from plugin configuration".
std::string execution_config(json::object plugin, const JsonView& list, const JsonView& entry) {
  plugin["name"] = entry.at("networkName").string();
  plugin["cniVersion"] = list.string_or("cniVersion", "");
  if (const auto result = entry.find("result")) plugin["prevResult"] = result->value();
  const json::value* declared = plugin.if_contains("capabilities");
  const auto given = entry.find("capabilityArgs");
  if (declared != nullptr && declared->is_object() && given && given->is_object()) {
    json::object runtime;
    for (const auto& [name, value] : given->value().get_object())
      if (const json::value* wanted = declared->get_object().if_contains(name); wanted != nullptr && *wanted == true)
        runtime[name] = value;
    if (!runtime.empty()) plugin["runtimeConfig"] = std::move(runtime);
  }
  plugin.erase("capabilities");
  return json::serialize(plugin);
}

void read_list(PeerPod& pod, const JsonView& entry) {
  const std::string bytes = from_base64(entry.at("config").string());
  const json::value document = parse_json(bytes, "the network's configuration");
  const JsonView list(document, "config key");
  json::array plugins;
  if (const auto several = list.find("plugins"))
    for (const JsonView& plugin : several->array()) plugins.push_back(plugin.value());
  else
    plugins.push_back(document);
  // DEL goes through a chain backwards. Source: CNI spec 1.1.0, section 3 "Deleting an attachment".
  for (auto plugin = plugins.rbegin(); plugin != plugins.rend(); ++plugin) {
    pod.types.push_back(JsonView(*plugin, "config key").at("type").string());
    pod.configs.push_back(execution_config(plugin->as_object(), list, entry));
  }
}

PeerPod read_pod(const std::string& file) {
  const json::value document = parse_json(read_file(file).value_or(""), file);
  const JsonView entry(document, file + ": key");
  PeerPod pod;
  pod.cache_file = file;
  pod.network = entry.at("networkName").string();
  pod.container_id = entry.at("containerId").string();
  pod.ifname = entry.at("ifName").string();
  pod.netns = netns_of(entry);
  pod.environment = {.command = "DEL",
                     .container_id = pod.container_id,
                     // Empty, since it is gone: plugins must do with that.
                     .netns = "",
                     .ifname = pod.ifname,
                     .path = kUsualPluginDirectory,
                     .args = args_of(entry),
                     .netns_override = ""};
  read_list(pod, entry);
  return pod;
}

bool is_dead(const PeerPod& pod, const state::Store& store) {
  // Without a netns in the cache nothing tells whether the pod lives.
  if (pod.netns.empty() || kernel::NetNs::try_open(pod.netns)) return false;
  const state::AttachmentId id{
      .network = pod.network, .container_id = pod.container_id, .ifname = pod.ifname, .plugin = {}};
  for (const std::string& type : pod.types) {
    state::AttachmentId ours = id;
    ours.plugin = type;
    if (store.find(ours)) return false;  // its record tells more
  }
  return standard::has_reference_parts(id);
}

}  // namespace

std::string name_of(const PeerPod& pod) {
  return fmt::format("what other plugins left of {}/{}/{}, whose netns {} is gone", pod.network, pod.container_id,
                     pod.ifname, pod.netns);
}

std::vector<PeerPod> find_dead_peer_pods(const Node& node) {
  std::vector<PeerPod> pods;
  const state::Store store(node.run_dir);
  const std::string results = node.cni_state_dir + "/results";
  for (const std::string& name : list_directory(results)) {
    if (name.starts_with('.')) continue;  // of a writer at work
    const std::string path = results + "/" + name;
    try {
      PeerPod pod = read_pod(path);
      if (is_dead(pod, store)) pods.push_back(std::move(pod));
    } catch (const std::exception& error) {  // another program's file: not ours to judge
      log_warning("ignoring {}: {}", path, error.what());
    }
  }
  return pods;
}

Reaped reap(const Node& node, const PeerPod& pod) {
  Reaped reaped{name_of(pod), std::nullopt};
  Collector collector;
  for (std::size_t i = 0; i < pod.types.size(); ++i) {
    // Only plugins of this program: another's binary is its runtime's to call.
    if (node.plugins == nullptr || node.plugins->find(pod.types[i]) == nullptr) continue;
    collector.run("DEL by " + pod.types[i],
                  [&] { call_in_child(node, pod.types[i], pod.environment, pod.configs[i], kPluginTimeout); });
  }
  try {
    collector.finish();
    // Only when every DEL succeeded: with the file goes all that is known of what to undo.
    remove_file(pod.cache_file);
  } catch (const Error& error) {
    reaped.error = describe(error);
  }
  return reaped;
}

}  // namespace barewire::manager
