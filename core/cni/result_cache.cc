// SPDX-License-Identifier: Apache-2.0
// The runtime's memory of results, in the reference library's format ("cniCacheV1").
// The same directory and names as libcni's, so that `cnitool` and a runtime can each end what the other began.
#include <algorithm>
#include <boost/archive/iterators/base64_from_binary.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <tuple>

#include "core/cni/chain.h"
#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "core/log.h"
#include "core/state/file_name.h"
#include "core/temporary_file.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

constexpr const char* kKind = "cniCacheV1";

/// RFC 4648 base64: how Go writes a byte slice.
std::string base64(const std::string& bytes) {
  using namespace boost::archive::iterators;
  using Encoder = base64_from_binary<transform_width<std::string::const_iterator, 6, 8>>;
  std::string text(Encoder(bytes.begin()), Encoder(bytes.end()));
  text.append((3 - bytes.size() % 3) % 3, '=');
  return text;
}

/// CNI_ARGS as the list of pairs the cache holds, and back.
json::array pairs_of(const std::string& args) {
  json::array pairs;
  std::string_view rest = args;
  while (!rest.empty()) {
    const auto semicolon = rest.find(';');
    const std::string_view pair = rest.substr(0, semicolon);
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos) pairs.push_back(json::array{pair.substr(0, equals), pair.substr(equals + 1)});
    if (semicolon == std::string_view::npos) break;
    rest.remove_prefix(semicolon + 1);
  }
  return pairs;
}

std::string args_of(const JsonView& entry) {
  std::string args;
  const auto pairs = entry.find("cniArgs");
  if (!pairs) return args;
  for (const JsonView& pair : pairs->array()) {
    const auto both = pair.strings();
    if (both.size() == 2) args += fmt::format("{}{}={}", args.empty() ? "" : ";", both[0], both[1]);
  }
  return args;
}

Attach attach_of(const JsonView& entry) {
  Attach attach{.container_id = entry.at("containerId").string(),
                .netns = entry.string_or("netns", ""),
                .ifname = entry.at("ifName").string(),
                .args = args_of(entry),
                .path = "",
                .capability_args = {}};
  if (const auto capabilities = entry.find("capabilityArgs"); capabilities && capabilities->is_object())
    attach.capability_args = capabilities->value().get_object();
  return attach;
}

}  // namespace

std::string ResultCache::path(const std::string& network, const Attach& attach) const {
  return fmt::format("{}/{}", directory_,
                     state::file_name(fmt::format("{}-{}-{}", network, attach.container_id, attach.ifname)));
}

void ResultCache::save(const ConfList& list, const Attach& attach, const json::value& result) const {
  json::object entry{{"kind", kKind},
                     {"containerId", attach.container_id},
                     {"config", base64(list.bytes)},
                     {"ifName", attach.ifname},
                     {"networkName", list.name},
                     {"netns", attach.netns},
                     {"cniArgs", pairs_of(attach.args)},
                     {"capabilityArgs", attach.capability_args},
                     {"result", result}};
  // Configurations may hold secrets of plugins.
  make_directories(directory_, 0700);
  write_file_atomically(path(list.name, attach), json::serialize(entry), Durability::durable);
}

std::optional<json::value> ResultCache::find(const std::string& network, const Attach& attach) const {
  const std::string file = path(network, attach);
  const auto bytes = read_file(file);
  if (!bytes) return std::nullopt;
  try {
    const json::value entry = parse_json(*bytes, file);
    const auto result = JsonView(entry, file + ": key").find("result");
    return result ? std::optional(result->value()) : std::nullopt;
  } catch (const Error& error) {  // a power loss left it empty or torn: the attachment has to go all the same
    log_warning("ignoring the remembered result: {}", error.what());
    return std::nullopt;
  }
}

void ResultCache::remove(const std::string& network, const Attach& attach) const {
  const std::string file = path(network, attach);
  remove_file(file);
  remove_temporary(file);
}

std::vector<Attach> ResultCache::list(const std::string& network) const {
  std::vector<Attach> attachments;
  for (const std::string& name : list_directory(directory_)) {
    if (name.starts_with('.')) continue;  // of a writer at work, or one that was killed
    const std::string file = fmt::format("{}/{}", directory_, name);
    try {
      const json::value document = parse_json(read_file(file).value_or(""), file);
      const JsonView entry(document, file + ": key");
      if (entry.string_or("kind", "") == kKind && entry.string_or("networkName", "") == network)
        attachments.push_back(attach_of(entry));
    } catch (const Error& error) {  // another program's file: not ours to judge
      log_warning("ignoring {}: {}", file, error.what());
    }
  }
  std::sort(attachments.begin(), attachments.end(), [](const Attach& a, const Attach& b) {
    return std::tie(a.container_id, a.ifname) < std::tie(b.container_id, b.ifname);
  });
  return attachments;
}

}  // namespace barewire::cni
