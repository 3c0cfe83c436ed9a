// SPDX-License-Identifier: Apache-2.0
// Reading asks from a configuration by the tables of keys, and judging them. A value that has not the type its key
// should have becomes an ask without value: the plugin refuses it anyway, unless it is more lenient than this.
#include "core/cni/guard.h"

#include <array>
#include <charconv>

#include "core/cni/plugin.h"
#include "core/policy/file.h"

namespace barewire::cni {

namespace {

using policy::Ask;
using policy::Asks;
using policy::Kind;
using policy::Subject;

constexpr std::string_view kArgs = "CNI_ARGS ";
constexpr std::string_view kList = "[]";

constexpr std::array kCommon{
    harmless("cniVersion", "the form of the result"),
    harmless("name", "rules are chosen by it"),
    read_by_guard("type", Subject::plugins),
    asks("ipam.type", Subject::plugins),
    harmless("dns", "told in the result"),
    read_by_guard("prevResult", Subject::addresses),
    harmless("runtimeConfig", "its keys are listed one by one"),
    asks("runtimeConfig.CNIDeviceInfoFile", Subject::device_info_files),
    asks("runtimeConfig.mac", Subject::macs),
    asks("runtimeConfig.ips", Subject::addresses),
    harmless("args.cni", "its keys are listed one by one"),
    asks("args.cni.mac", Subject::macs),
    asks("args.cni.ips", Subject::addresses),
    asks("mac", Subject::macs),
    asks("CNI_ARGS MAC", Subject::macs),
    read_by_guard("CNI_ARGS IP", Subject::addresses),
    asks("CNI_ARGS GATEWAY", Subject::addresses),
    harmless("cni.dev/valid-attachments", "not of ADD"),
    harmless("logLevel", "how much is told"),
    harmless("log_level", "how much is told"),
    asks("logFile", Subject::log_files),
    asks("log_file", Subject::log_files),
    harmless("debug", "how much is told"),
    harmless("args.cni.debug", "how much is told"),
};

std::string scalar_text(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_int64()) return std::to_string(value.get_int64());
  if (value.is_uint64()) return std::to_string(value.get_uint64());
  return {};
}

std::optional<std::uint64_t> number_in(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Ask not_understood(const GuardedKey& key, const std::string& path) {
  return {.subject = key.subject, .key = path, .shown = "a value that is not understood"};
}

Ask ask_text(const GuardedKey& key, const std::string& path, const std::string& text) {
  const auto number = number_in(text);
  switch (policy::info_of(key.subject).kind) {
    case Kind::patterns:
    case Kind::paths:
    case Kind::vfs:
      return policy::ask_name(key.subject, path, text);
    case Kind::prefixes:
      return policy::ask_address(key.subject, path, text);
    case Kind::macs:
      return policy::ask_mac(path, text);
    case Kind::numbers:
      if (number) return policy::ask_number(key.subject, path, *number);
      break;
    case Kind::limit:
      // Rounded up: what exceeds a bound by less than a unit exceeds it.
      if (number) return policy::ask_number(key.subject, path, *number / key.per_unit + (*number % key.per_unit != 0));
      break;
    case Kind::flag:
      break;
  }
  return not_understood(key, path);
}

void ask_value(const GuardedKey& key, const JsonView& view, Asks& asks) {
  const bool flag = policy::info_of(key.subject).kind == Kind::flag;
  if (view.is_array()) {
    for (const JsonView& element : view.array()) ask_value(key, element, asks);
  } else if (flag && view.value().is_bool()) {
    if (view.boolean()) asks.push_back(policy::ask_flag(key.subject, view.path()));
  } else if (const std::string text = scalar_text(view.value()); !text.empty()) {
    asks.push_back(ask_text(key, view.path(), text));
  } else if (!view.is_string()) {  // an empty string is the same as no key to every plugin
    asks.push_back(not_understood(key, view.path()));
  }
}

/// Calls `found` with every value at `path` below `view`: several where a component ends in "[]".
template <typename Found>
void visit(const JsonView& view, std::string_view path, const Found& found) {
  if (path.empty()) return found(view);
  const auto dot = path.find('.');
  std::string_view name = path.substr(0, dot);
  const std::string_view rest = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  const bool list = name.ends_with(kList);
  if (list) name.remove_suffix(kList.size());
  if (!view.is_object()) return found(view);  // for it to be "not understood"
  const auto child = view.find(name);
  if (!child) return;
  if (!list || !child->is_array()) return visit(*child, rest, found);
  for (const JsonView& element : child->array()) visit(element, rest, found);
}

void ask_key(const GuardedKey& key, const Request& request, Asks& asks) {
  // A key that is left out may ask for something too: then the table says for what ("absent").
  const std::size_t before = asks.size();
  if (key.path.starts_with(kArgs)) {
    const auto given = request.args.find(key.path.substr(kArgs.size()));
    if (given && !given->empty()) asks.push_back(ask_text(key, std::string(key.path), *given));
  } else {
    visit(request.conf.root(), key.path, [&](const JsonView& view) { ask_value(key, view, asks); });
  }
  if (asks.size() == before && !key.absent.empty())
    asks.push_back(ask_text(key, std::string(key.path), std::string(key.absent)));
}

void ask_keys(std::span<const GuardedKey> keys, const Request& request, Asks& asks) {
  for (const GuardedKey& key : keys)
    if (key.reading == GuardedKey::Reading::value) ask_key(key, request, asks);
}

/// "10.1.2.3/24,2001:db8::5"
void ask_listed_addresses(const Request& request, Asks& asks) {
  const std::string text = request.args.find("IP").value_or("");
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    std::string one = text.substr(start, comma - start);
    std::erase_if(one, [](char c) { return c == ' ' || c == '\t'; });
    if (!one.empty()) asks.push_back(policy::ask_address(Subject::addresses, "CNI_ARGS IP", one));
    start = comma + 1;
  }
}

/// Whoever writes the configuration can write a result of an earlier plugin into it too, with anybody's addresses.
void ask_previous(const Request& request, Asks& asks) {
  if (!request.conf.previous) return;
  for (const IpConfig& ip : request.conf.previous->ips)
    asks.push_back(policy::ask_addresses(Subject::addresses, "prevResult", {ip.address.address, ip.address.address}));
}

/// The tables are asked first, and judged before the rest: a guard's code may read files that the configuration names.
enum class Part { tables, code };

void ask_guard(const Plugin& plugin, Part part, const Request& request, const Node& node, Asks& asks) {
  // Refused and not let pass: a plugin that forgot its guard would be outside every policy.
  if (plugin.guard == nullptr)
    throw Error(Error::Code::internal, fmt::format("plugin {} does not say what it asks of the node", plugin.name));
  if (part == Part::tables)
    ask_keys(plugin.guard->keys, request, asks);
  else if (plugin.guard->more != nullptr)
    plugin.guard->more(request, node, asks);
}

void ask_common(const Plugin& plugin, const Request& request, Asks& asks) {
  asks.push_back(policy::ask_name(Subject::plugins, "type", std::string(plugin.name)));
  ask_keys(kCommon, request, asks);
  ask_listed_addresses(request, asks);
  ask_previous(request, asks);
}

void ask_all(const Plugin& plugin, Part part, const Request& request, const Node& node, Asks& asks) {
  if (part == Part::tables) ask_common(plugin, request, asks);
  ask_guard(plugin, part, request, node, asks);
  // One that is not of this suite takes what keys it likes: all that can be said of it is whether it may be called.
  const Plugin* ipam = node.plugins == nullptr ? nullptr : node.plugins->find(request.conf.ipam_type);
  if (ipam != nullptr && ipam->name != plugin.name) ask_guard(*ipam, part, request, node, asks);
}

}  // namespace

std::span<const GuardedKey> common_keys() {
  return kCommon;
}

Asks asks_of(const Plugin& plugin, const Request& request, const Node& node) {
  Asks asks;
  for (const Part part : {Part::tables, Part::code}) ask_all(plugin, part, request, node, asks);
  return asks;
}

void ask_delegate(const Request& request, const std::string& config, const std::string& key, const Node& node,
                  Asks& asks) {
  Request delegated = request;
  // The delegate's own keys are judged, not those of the configuration around it.
  delegated.conf = NetConf::parse(config);
  const std::string type = delegated.conf.type;
  const Plugin* plugin = node.plugins == nullptr ? nullptr : node.plugins->find(type);
  if (plugin == nullptr) return asks.push_back(policy::ask_name(Subject::plugins, key + ".type", type));
  const std::size_t before = asks.size();
  // Ends, since each delegate's configuration stands within the one before.
  for (const Part part : {Part::tables, Part::code}) ask_all(*plugin, part, delegated, node, asks);
  for (std::size_t i = before; i < asks.size(); ++i) asks[i].key = key + "." + asks[i].key;
}

policy::Subscriber subscriber_of(const Request& request) {
  return {request.conf.name, request.args.find("K8S_POD_NAMESPACE").value_or("")};
}

void require_permitted(const Plugin& plugin, const Request& request, const Node& node) {
  const auto policy = policy::read_policy(node.policy_file);
  if (!policy) return;
  for (const Part part : {Part::tables, Part::code}) {
    Asks asks;
    ask_all(plugin, part, request, node, asks);
    policy->require_allowed(subscriber_of(request), asks);
  }
}

bool may_log_to_file(const Request& request, const Node& node) noexcept {
  try {
    const auto policy = policy::read_policy(node.policy_file);
    if (!policy) return true;
    Asks asks;
    for (const GuardedKey& key : kCommon)
      if (key.subject == Subject::log_files && key.reading == GuardedKey::Reading::value) ask_key(key, request, asks);
    policy->require_allowed(subscriber_of(request), asks);
    return true;
  } catch (const std::exception&) {
    // A policy that cannot be read allows nothing, the log's file included.
    return false;
  }
}

}  // namespace barewire::cni
