// SPDX-License-Identifier: Apache-2.0
// The files, and what only all of them together show.
#include "device-manager/state/reader.h"

#include <algorithm>
#include <map>

#include "core/cni/known_keys.h"
#include "core/text.h"
#include "core/trusted_file.h"
#include "device-manager/inventory/pool.h"
#include "device-manager/state/keys.h"

namespace barewire::declared {
namespace {

Error refuse(const std::string& path, std::string_view why) {
  return Error(Error::Code::config, fmt::format("the declaration {} cannot be used: {}", path, why));
}

/// The key that is most likely meant; of short ones, which meant_by leaves alone, one with the same letters.
std::optional<std::string> meant(std::string_view written, const std::vector<std::string_view>& known) {
  if (auto found = cni::meant_by(written, known)) return found;
  const auto letters = [](std::string_view word) {
    std::string sorted = to_lower(word);
    std::sort(sorted.begin(), sorted.end());
    // "vf" and "vfs" are one word.
    if (const auto plural = sorted.find('s'); plural != std::string::npos) sorted.erase(plural, 1);
    return sorted;
  };
  const auto same = std::find_if(known.begin(), known.end(),
                                 [&](std::string_view each) { return letters(each) == letters(written); });
  return same == known.end() ? std::nullopt : std::optional(std::string(*same));
}

void tell_unknown(std::vector<Problem>& problems, const JsonView& value, const std::string& key, const Keys& keys) {
  std::vector<std::string_view> known;
  for (const auto& [name, reader] : keys) known.push_back(name);
  const auto nearest = meant(key, known);
  attempt(problems, [&] {
    value.reject(nearest ? fmt::format("a known key: is \"{}\" meant?", *nearest) : "a known key",
                 fmt::format("known there: {}; letter case counts", fmt::join(known, ", ")));
  });
}

void read_rdma(Declaration& declaration, const JsonView& value, const std::string& path) {
  const std::string mode = value.string();
  RdmaMode wanted{.file = path};
  if (mode == name_of(kernel::RdmaNetnsMode::exclusive))
    wanted.mode = kernel::RdmaNetnsMode::exclusive;
  else if (mode != name_of(kernel::RdmaNetnsMode::shared))
    value.reject(R"("exclusive" or "shared")");
  if (declaration.rdma)
    value.reject("it in one file",
                 fmt::format("there is one mode for the node, and {} has it", declaration.rdma->file));
  declaration.rdma = wanted;
}

/// Kept as they are: the node daemon reads them from its pools.
void add_resources(Declaration& declaration, const JsonView& list) {
  for (const JsonView& each : list.array("a list of resources, as the SR-IOV network device plugin has it"))
    attempt(declaration.problems, [&] {
      inventory::parse_resource(each, "");
      declaration.resources.push_back(each.value());
    });
}

template <typename T>
void require_once(Declaration& declaration, std::map<T, std::string>& seen, const T& value, const std::string& place,
                  const std::string& what) {
  const auto [first, is_new] = seen.emplace(value, place);
  if (is_new) return;
  declaration.problems.push_back({fmt::format("{}: {} is declared at {} already", place, what, first->second), {}});
}

}  // namespace

void attempt(std::vector<Problem>& problems, const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    problems.push_back({error.what(), error.hint()});
  }
}

void read_keys(std::vector<Problem>& problems, const JsonView& view, const Keys& keys) {
  attempt(problems, [&] {
    for (const auto& [key, value] : view.members()) {
      if (key == "comment") continue;
      const auto known =
          std::find_if(keys.begin(), keys.end(), [&wanted = key](const auto& each) { return each.first == wanted; });
      if (known == keys.end())
        tell_unknown(problems, value, key, keys);
      else
        attempt(problems, [&, &member = value] { known->second(member); });
    }
  });
}

void add_file(Declaration& declaration, const std::string& path, std::string_view bytes) {
  declaration.files.push_back(path);
  attempt(declaration.problems, [&] {
    const auto document = parse_json(bytes, path);
    const JsonView root(document, path + ": key");
    read_keys(declaration.problems, root,
              {{"nics",
                [&](const JsonView& nics) {
                  for (const JsonView& each : nics.array("a list of NICs"))
                    declaration.nics.push_back(parse_nic(declaration.problems, each, path));
                }},
               {"resourceList", [&](const JsonView& list) { add_resources(declaration, list); }},
               {"$schema", [](const JsonView& schema) { schema.string(); }},
               {"bridges",
                [&](const JsonView& bridges) {
                  for (const JsonView& each : bridges.array("a list of bridges of Open vSwitch"))
                    declaration.bridges.push_back(parse_bridge(declaration.problems, each, path));
                }},
               {"rdmaMode", [&](const JsonView& mode) { read_rdma(declaration, mode, path); }}});
  });
}

namespace {

void check_bridges(Declaration& declaration) {
  std::map<std::string, std::string> names, uplinks;
  const OvsBridge* offload = nullptr;
  for (const OvsBridge& bridge : declaration.bridges) {
    const std::string place = fmt::format("{}: {}", bridge.file, bridge.key);
    if (!bridge.name.empty()) require_once(declaration, names, bridge.name, place, "bridge " + bridge.name);
    if (!bridge.uplink.empty()) require_once(declaration, uplinks, bridge.uplink, place, "uplink " + bridge.uplink);
    if (!bridge.hw_offload) continue;
    if (offload != nullptr && *offload->hw_offload != *bridge.hw_offload)
      declaration.problems.push_back(
          {fmt::format("{}: hwOffload is another one than at {}: {}, and there is one switch", place, offload->file,
                       offload->key),
           {}});
    offload = &bridge;
  }
}

}  // namespace

void check_together(Declaration& declaration) {
  check_bridges(declaration);
  std::map<std::string, std::string> pools, selectors, alt_names;
  std::map<MacAddress, std::string> macs;
  for (const Nic& nic : declaration.nics) {
    for (const Selector& selector : nic.selectors)
      require_once(declaration, selectors, selector.text(), nic.place(), "the NIC with " + selector.text());
    if (!nic.alt_name.empty())
      require_once(declaration, alt_names, nic.alt_name, nic.place(), "alternative name " + nic.alt_name);
    for (const VfGroup& group : nic.groups) {
      const std::string place = fmt::format("{}: {}", nic.file, group.key);
      if (!group.pool.empty()) require_once(declaration, pools, group.pool, place, "pool " + group.pool);
      for (const MacAddress& mac : group.macs)
        require_once(declaration, macs, mac, place, fmt::format("MAC address {}", mac.text()));
    }
  }
}

namespace {

void add_path(Declaration& declaration, const std::string& path) {
  attempt(declaration.problems, [&] {
    if (const auto bytes = read_trusted(path, refuse)) add_file(declaration, path, *bytes);
  });
}

Declaration read_files(const std::string& file) {
  Declaration declaration;
  add_path(declaration, file);
  bool has_more = false;
  attempt(declaration.problems, [&] {
    const std::string more = directory_beside(file);
    has_more = is_trusted_directory(more, refuse);
    if (!has_more) return;
    for (const std::string& each : list_json_files(more, refuse)) add_path(declaration, each);
  });
  // Who may write the directory may put another file into the place; where there is none, nothing was declared.
  if (!declaration.is_empty() || has_more)
    attempt(declaration.problems, [&] { is_trusted_directory(directory_of(file), refuse); });
  return declaration;
}

}  // namespace

Declaration read_declaration(const std::string& file) {
  Declaration declaration = read_files(file);
  check_together(declaration);
  return declaration;
}

Declaration read_whole_declaration(const std::string& file) {
  Declaration declaration = read_files(file);
  if (file == kDeclarationFile) add_path(declaration, kClusterDeclaration);
  check_together(declaration);
  return declaration;
}

}  // namespace barewire::declared
