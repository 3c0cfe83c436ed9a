// SPDX-License-Identifier: Apache-2.0
// What libcni does for a runtime, for cnitool: the same keys injected, the same order, the same cache, so that either
// can end what the other began.
#include "core/cni/chain.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "core/cni/delegate.h"
#include "core/rollback.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

constexpr Version k040{0, 4, 0}, k110{1, 1, 0};

/// The arguments of the capabilities that a plugin's configuration says it takes.
json::object runtime_config(const json::object& plugin, const json::object& capability_args) {
  json::object config;
  const auto* capabilities = plugin.if_contains("capabilities");
  if (capabilities == nullptr || !capabilities->is_object()) return config;
  for (const auto& [name, taken] : capabilities->get_object()) {
    const auto* value = capability_args.if_contains(name);
    if (taken.is_bool() && taken.get_bool() && value != nullptr) config[name] = *value;
  }
  return config;
}

/// What one plugin reads: its configuration with the list's name and version, without what is the runtime's alone.
/// Source: CNI spec 1.1.0 section 3, "Deriving request configuration from plugin configuration".
json::object execution_config(const ConfList& list, const json::object& plugin, const json::object& capability_args,
                              const std::optional<json::value>& previous) {
  json::object config = plugin;
  config["name"] = list.name;
  config["cniVersion"] = list.cni_version.text();
  const json::object runtime = runtime_config(plugin, capability_args);
  if (!runtime.empty()) config["runtimeConfig"] = runtime;
  // The runtime's own word to itself; a plugin sees what comes of it, "runtimeConfig".
  config.erase("capabilities");
  if (previous) config["prevResult"] = *previous;
  return config;
}

Environment environment_for(Command command, const Attach& attach) {
  return {.command = std::string(name_of(command)),
          .container_id = attach.container_id,
          .netns = attach.netns,
          .ifname = attach.ifname,
          .path = attach.path,
          .args = attach.args,
          .netns_override = ""};
}

std::string call(Command command, const Attach& attach, const json::object& config, Node& node) {
  const std::string type(config.at("type").as_string());
  return call_plugin(type, environment_for(command, attach), json::serialize(config), node);
}

}  // namespace

json::value add(const ConfList& list, const Attach& attach, const ResultCache& cache, Node& node) {
  std::optional<json::value> result;
  // An ADD that fails in the middle is not undone here: the runtime calls DEL of the whole list, as the specification
  // wants.
  for (const json::object& plugin : list.plugins) {
    const std::string printed =
        call(Command::add, attach, execution_config(list, plugin, attach.capability_args, result), node);
    result = parse_json(printed, fmt::format("the result of plugin {}", plugin.at("type").as_string().c_str()));
  }
  // After the last plugin: a result in the cache says that all of them have run.
  cache.save(list, attach, *result);
  return *result;
}

void del(const ConfList& list, const Attach& attach, const ResultCache& cache, Node& node) {
  // Before 0.4.0 DEL gets no result. Source: CNI spec 0.4.0, "prevResult".
  const auto previous = list.cni_version >= k040 ? cache.find(list.name, attach) : std::nullopt;
  for (auto plugin = list.plugins.rbegin(); plugin != list.plugins.rend(); ++plugin)
    call(Command::del, attach, execution_config(list, *plugin, attach.capability_args, previous), node);
  // Last: a DEL that failed is repeated with the same result.
  cache.remove(list.name, attach);
}

void check(const ConfList& list, const Attach& attach, const ResultCache& cache, Node& node) {
  if (list.cni_version < k040)
    throw Error(Error::Code::incompatible_version,
                fmt::format("configuration version \"{}\" does not support CHECK", list.cni_version.text()));
  if (list.disable_check) return;
  const auto previous = cache.find(list.name, attach);
  if (!previous)
    throw Error(Error::Code::unknown_container,
                fmt::format("checking {}/{}/{} failed: no result of an ADD is remembered", list.name,
                            attach.container_id, attach.ifname),
                "add the attachment first");
  for (const json::object& plugin : list.plugins)
    call(Command::check, attach, execution_config(list, plugin, attach.capability_args, previous), node);
}

void gc(const ConfList& list, const std::string& path, const std::vector<ValidAttachment>& valid,
        const ResultCache& cache, Node& node) {
  if (list.disable_gc) return;
  Collector collector;
  for (Attach& attach : cache.list(list.name)) {
    const ValidAttachment key{attach.container_id, attach.ifname};
    if (std::find(valid.begin(), valid.end(), key) != valid.end()) continue;
    attach.path = path;
    collector.run(fmt::format("DEL of {}/{}", key.container_id, key.ifname), [&] { del(list, attach, cache, node); });
  }
  json::array listed;
  for (const auto& [container, ifname] : valid)
    listed.push_back(json::object{{"containerID", container}, {"ifname", ifname}});
  for (const json::object& plugin : list.plugins) {
    // GC came with 1.1.0; older plugins refuse the command. Their DELs above have been called all the same.
    if (list.cni_version < k110) break;
    json::object config = execution_config(list, plugin, {}, std::nullopt);
    config["cni.dev/valid-attachments"] = listed;
    collector.run(fmt::format("GC by plugin {}", plugin.at("type").as_string().c_str()), [&] {
      call(Command::gc,
           {.container_id = "", .netns = "", .ifname = "", .args = "", .path = path, .capability_args = {}}, config,
           node);
    });
  }
  collector.finish();
}

void status(const ConfList& list, const std::string& path, Node& node) {
  if (list.cni_version < k110) return;
  for (const json::object& plugin : list.plugins)
    call(Command::status,
         {.container_id = "", .netns = "", .ifname = "", .args = "", .path = path, .capability_args = {}},
         execution_config(list, plugin, {}, std::nullopt), node);
}

}  // namespace barewire::cni
