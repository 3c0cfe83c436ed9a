// SPDX-License-Identifier: Apache-2.0
// The record of a fallback stands under the first plugin's name, since that is whom the runtime will call for DEL.
#include "core/cni/fallback.h"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/cni/life.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/text.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

constexpr std::array kLacks{Lack::free_vf, Lack::device, Lack::bridge, Lack::vswitch, Lack::unsupported};

std::optional<Lack> parse_lack(std::string_view text) {
  const auto found = std::find_if(kLacks.begin(), kLacks.end(), [&](Lack lack) { return word(lack) == text; });
  return found == kLacks.end() ? std::nullopt : std::optional(*found);
}

std::vector<Lack> parse_when(const JsonView& fallback) {
  const auto when = fallback.find("when");
  if (!when) return {kLacks.begin(), kLacks.end()};
  std::vector<Lack> lacks;
  for (const JsonView& element : when->array("an array of reasons")) {
    const auto lack = parse_lack(element.string());
    if (!lack) element.reject("one of no-free-vf, no-device, no-bridge, no-vswitch, unsupported");
    lacks.push_back(*lack);
  }
  return lacks;
}

/// The fallback's keys, and of the whole configuration's what every plugin of an attachment is told. Addresses come
/// from the whole's IPAM unless the fallback says otherwise.
std::string config_for(const Request& request, const JsonView& fallback) {
  json::object config;
  for (const auto& [key, value] : fallback.members())
    if (!equal_ignoring_case(key, "when")) config[key] = value.value();
  for (const char* key :
       {"ipam", "dns", "runtimeConfig", "args", "prevResult", "cni.dev/valid-attachments", "cni.dev/attachments"})
    // What a runtime adds to a configuration, it adds to the whole: the fallback is not visible to it.
    if (const auto value = request.conf.root().find(key); value && !fallback.has(key)) config[key] = value->value();
  // Over what the fallback says: the runtime reads the answer in the version that it has asked in.
  config["cniVersion"] = request.conf.cni_version.text();
  config["name"] = request.conf.name;
  return json::serialize(config);
}

FallbackRecord require_record(const state::Attachment& attachment) {
  if (auto record = find_fallback(attachment)) return *std::move(record);
  throw Error(Error::Code::internal, fmt::format("attachment {} is not by fallback", attachment.id.text()));
}

Environment with_command(const Request& request, Command command) {
  Environment environment = request.environment;
  environment.command = name_of(command);
  return environment;
}

}  // namespace

std::string_view word(Lack lack) {
  switch (lack) {
    case Lack::free_vf:
      return "no-free-vf";
    case Lack::device:
      return "no-device";
    case Lack::bridge:
      return "no-bridge";
    case Lack::vswitch:
      return "no-vswitch";
    case Lack::unsupported:
      return "unsupported";
  }
  return "";
}

std::optional<Fallback> Fallback::parse(const Request& request) {
  const auto json = request.conf.root().find("fallback");
  if (!json) return std::nullopt;
  if (!json->is_object()) json->reject("the configuration of a plugin: an object with \"type\"");
  Fallback fallback{json->at("type").string(), parse_when(*json), config_for(request, *json)};
  if (fallback.type.empty()) json->at("type").reject("the name of a plugin");
  // It would fall back to itself, for the same reason, without end.
  if (fallback.type == request.conf.type)
    json->at("type").reject(fmt::format("a plugin other than {} itself", fallback.type));
  return fallback;
}

bool Fallback::serves(Lack lack) const {
  return std::find(when.begin(), when.end(), lack) != when.end();
}

void require_fallback(const Request& request, const Node& node) {
  if (const auto fallback = Fallback::parse(request)) require_plugin(fallback->type, request.environment, node);
}

Result add_by_fallback(const Request& request, Node& node, std::string_view plugin, const LackError& lack) {
  const auto fallback = Fallback::parse(request);
  if (!fallback || !fallback->serves(lack.lack())) throw lack;
  log_warning("falling back to {} ({}): {}", fallback->type, word(lack.lack()), lack.what());
  state::Store store(node.run_dir);
  state::Attachment attachment = state::make_attachment(request, plugin);
  const state::FileLock lock = store.lock_attachment(attachment.id);
  attachment.data["fallback"] = json::object{
      {"type", fallback->type}, {"config", fallback->config}, {"when", word(lack.lack())}, {"because", lack.what()}};
  // Before the fallback is called: a call that is killed meanwhile leaves a record by which DEL calls the same plugin.
  store.save(attachment);
  Rollback rollback;
  rollback.add("fallback", [&] { undo_fallback(attachment, request.environment.path, node); });
  const Result result = delegate_add(fallback->type, with_command(request, Command::add), fallback->config,
                                     request.conf.cni_version, node);
  // Its presence says that ADD came to its end: life.h, is_leftover().
  attachment.data["result"] = result.to_json(kLatestVersion);
  store.save(attachment);
  rollback.keep();
  return result;
}

std::optional<FallbackRecord> find_fallback(const state::Attachment& attachment) {
  if (!is_by_fallback(attachment)) return std::nullopt;
  const json::value data(attachment.data);
  const JsonView view =
      JsonView(data, fmt::format("record of attachment {}: key", attachment.id.text()), Error::Code::state)
          .at("fallback");
  return FallbackRecord{view.at("type").string(), view.at("config").string(), view.string_or("when", ""),
                        view.string_or("because", "")};
}

bool is_by_fallback(const state::Attachment& attachment) {
  return attachment.data.contains("fallback");
}

void undo_fallback(const state::Attachment& attachment, const std::string& cni_path, Node& node) {
  const FallbackRecord record = require_record(attachment);
  // The record goes last: a DEL that fails is repeated from it.
  delegate_del(record.type, environment_for(attachment, cni_path, Command::del), record.config, node);
  state::Store(node.run_dir).remove(attachment.id);
}

void check_fallback(const state::Attachment& attachment, const Request& request, Node& node) {
  const FallbackRecord record = require_record(attachment);
  json::value config = parse_json(record.config, "the recorded configuration of the fallback");
  // The runtime's, not ADD's: later plugins of the chain have made theirs of it.
  if (const auto previous = request.conf.root().find("prevResult"))
    config.as_object()["prevResult"] = previous->value();
  call_plugin(record.type, environment_for(attachment, request.environment.path, Command::check),
              json::serialize(config), node);
}

void gc_fallback(const Request& request, Node& node) {
  if (const auto fallback = Fallback::parse(request))
    call_plugin(fallback->type, request.environment, fallback->config, node);
}

void status_by_fallback(const Request& request, Node& node, const LackError& lack) {
  const auto fallback = Fallback::parse(request);
  if (!fallback || !fallback->serves(lack.lack())) throw lack;
  call_plugin(fallback->type, request.environment, fallback->config, node);
  log_warning("{}; pods will be served by fallback {}", lack.what(), fallback->type);
}

}  // namespace barewire::cni
