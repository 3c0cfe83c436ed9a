// SPDX-License-Identifier: Apache-2.0
/// What a plugin's keys ask of the node, and holding that against the node's policy (core/policy). Every plugin of the
/// table has a Guard; plugin.cc asks it before an ADD, wherever the call comes from: a runtime, a chain, a fallback, a
/// delegate.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/cni/request.h"
#include "core/node.h"
#include "core/policy/policy.h"

namespace barewire::cni {

struct Plugin;

/// One documented key of a plugin. Made by the functions below, which name what becomes of it.
struct GuardedKey {
  enum class Reading {
    value,     ///< read here, by the subject's kind
    by_guard,  ///< read by the guard's `more`: its meaning depends on other keys, or on the node
    harmless,  ///< asks nothing of the node; `note` says why
  };
  std::string_view path;  ///< as documented: "ipam.dataDir", "mirrors[].name", "CNI_ARGS MAC"
  Reading reading = Reading::harmless;
  policy::Subject subject{};
  std::string_view note{};     ///< of a harmless key
  std::string_view absent{};   ///< what is asked for without the key; empty: nothing
  std::uint64_t per_unit = 1;  ///< of a limit: how many of the key's make one of the subject's, 1'000'000 for Mb/s
};
/// The key's value, as it is written, is asked for.
constexpr GuardedKey asks(std::string_view path, policy::Subject subject) {
  return {.path = path, .reading = GuardedKey::Reading::value, .subject = subject};
}
/// As asks; without the key `absent` is asked for, which is the plugin's default.
constexpr GuardedKey asks_or(std::string_view path, policy::Subject subject, std::string_view absent) {
  return {.path = path, .reading = GuardedKey::Reading::value, .subject = subject, .absent = absent};
}
/// In bits per second, of a subject in Mb/s.
constexpr GuardedKey asks_bits(std::string_view path, policy::Subject subject) {
  return {.path = path, .reading = GuardedKey::Reading::value, .subject = subject, .per_unit = 1'000'000};
}
/// The guard's `more` makes the asks; named here so that the tests find every key of the documentation.
constexpr GuardedKey read_by_guard(std::string_view path, policy::Subject subject) {
  return {.path = path, .reading = GuardedKey::Reading::by_guard, .subject = subject};
}
/// Asks nothing, for the reason given.
constexpr GuardedKey harmless(std::string_view path, std::string_view why) {
  return {.path = path, .note = why};
}

struct Guard {
  std::span<const GuardedKey> keys;
  /// Asks of the keys that are read_by_guard. Reads the node, changes nothing. May throw Error, as the plugin's own
  /// ADD would; what it does not understand it asks for without a value, which no bound allows.
  void (*more)(const Request&, const Node&, policy::Asks&) = nullptr;
};

/// The keys of every plugin. Source: docs/configuration.md.
std::span<const GuardedKey> common_keys();

/// All that an ADD of `plugin` asks of the node, that of its IPAM plugin and of plugins it delegates to included.
/// Throws Error{internal} for a plugin without a guard, and what guards throw.
policy::Asks asks_of(const Plugin& plugin, const Request& request, const Node& node);
/// The asks of a plugin that `request` has called with another configuration. `key` is where that stands.
void ask_delegate(const Request& request, const std::string& config, const std::string& key, const Node& node,
                  policy::Asks& asks);

/// The network by its name, the namespace by CNI_ARGS.
policy::Subscriber subscriber_of(const Request& request);

/// Throws Error{policy} when the node's policy refuses the ADD, or cannot be read. Nothing has been touched.
void require_permitted(const Plugin& plugin, const Request& request, const Node& node);
/// Whether root may append the log of a call other than ADD to the file that the configuration names: false where the
/// policy refuses it or cannot be read. Never throws: DEL must go on.
bool may_log_to_file(const Request& request, const Node& node) noexcept;

}  // namespace barewire::cni
