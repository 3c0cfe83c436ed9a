// SPDX-License-Identifier: Apache-2.0
// Files are taken in the order of their names, as libcni takes them; the first of a network's name counts.
#include "core/cni/conflist.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <filesystem>

#include "core/cni/zero_values.h"
#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "core/log.h"

namespace barewire::cni {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

/// Files of `directory` with `extension`, sorted; empty when there is no such directory. What is no file is for
/// somebody else.
std::vector<std::string> files_in(const std::string& directory, std::string_view extension) {
  std::vector<std::string> files;
  for (const std::string& name : list_directory(directory)) {
    const fs::path path = fs::path(directory) / name;
    std::error_code gone;
    if (path.extension() == extension && fs::is_regular_file(path, gone)) files.push_back(path);
  }
  return files;
}

std::string read_config(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) throw Error(Error::Code::config, fmt::format("reading {} failed: no such file", path));
  return std::move(*bytes);
}

/// A switch written as a boolean or as text, as older lists have it.
bool flag(const JsonView& root, const char* key) {
  const auto found = root.find(key);
  if (!found) return false;
  if (!found->is_string()) return found->boolean();
  const std::string text = found->string();
  // As Go's strconv.ParseBool, but for "t" and "f".
  if (text == "true" || text == "True" || text == "TRUE" || text == "1") return true;
  if (text == "false" || text == "False" || text == "FALSE" || text == "0" || text.empty()) return false;
  found->reject("true or false");
}

Version parse_version(const JsonView& view) {
  const auto version = parse_configured_version(view.string());
  if (!version) view.reject("a version, as 1.0.0");
  return *version;
}

/// The newest version named that we speak; with none of ours named, the newest named, for the plugins to refuse.
Version choose_version(const JsonView& root) {
  std::vector<Version> named;
  if (const auto one = root.find("cniVersion")) named.push_back(parse_version(*one));
  if (const auto list = root.find("cniVersions"))
    for (const JsonView& element : list->array()) named.push_back(parse_version(element));
  if (named.empty()) return {0, 1, 0};
  std::sort(named.begin(), named.end());
  // Source: CNI spec 1.1.0, section 1, "cniVersions".
  const auto ours = std::find_if(named.rbegin(), named.rend(), is_supported);
  return ours != named.rend() ? *ours : named.back();
}

json::object plugin_object(const JsonView& plugin) {
  if (plugin.at("type").string().empty()) plugin.at("type").reject("the name of a plugin");
  return plugin.value().get_object();
}

void append_folder(const std::string& path, ConfList& list) {
  for (const std::string& file : files_in((fs::path(path).parent_path() / list.name).string(), ".conf")) {
    const json::value document = parse_json(read_config(file), file);
    list.plugins.push_back(plugin_object(JsonView(document, file + ": key")));
  }
}

void read_plugins(const std::string& path, const JsonView& root, ConfList& list) {
  if (const auto plugins = root.find("plugins"))
    for (const JsonView& plugin : plugins->array()) list.plugins.push_back(plugin_object(plugin));
  // A folder of the network's name beside the list. Source: CNI spec 1.1.0, section 1.
  if (!flag(root, "loadOnlyInlinedPlugins")) append_folder(path, list);
  if (list.plugins.empty())
    throw Error(Error::Code::config, fmt::format("{}: key \"plugins\" names no plugin", path),
                fmt::format("list plugins there, or put .conf files into the folder {}",
                            (fs::path(path).parent_path() / list.name).string()));
}

/// Lists before single configurations, as the reference library looks.
std::vector<std::string> files_in_order(const std::string& directory) {
  std::vector<std::string> files;
  for (const char* extension : {".conflist", ".conf", ".json"})
    for (std::string& path : files_in(directory, extension)) files.push_back(std::move(path));
  return files;
}

/// Another network's file must not keep the one asked for from being found: minikube and cri-o install a loopback
/// configuration without a name that sorts before all. `unread` gathers why.
std::optional<ConfList> load_or_pass_over(const std::string& path, std::string& unread) {
  try {
    return ConfList::load_file(path);
  } catch (const Error& error) {
    log_warning("passing over {}", error.what());
    unread += (unread.empty() ? "" : "; ") + std::string(error.what());
    return std::nullopt;
  }
}

}  // namespace

ConfList ConfList::load_file(const std::string& path) {
  ConfList list;
  list.bytes = read_config(path);
  if (list.bytes.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Error(Error::Code::config, fmt::format("{}: the file is empty", path));
  const json::value document = parse_json(list.bytes, path);
  const JsonView root(document, path + ": key");
  list.name = root.at("name").string();
  if (list.name.empty()) root.at("name").reject("the name of a network");
  list.cni_version = choose_version(root);
  list.disable_check = flag(root, "disableCheck");
  list.disable_gc = flag(root, "disableGC");
  const bool single = !root.has("plugins") && root.has("type");
  if (single)
    list.plugins.push_back(plugin_object(root));
  else
    read_plugins(path, root, list);
  return list;
}

ConfList find_conflist(const std::string& directory, const std::string& name) {
  std::optional<ConfList> found;
  std::string found_in, others, unread;
  for (const std::string& path : files_in_order(directory)) {
    // Every file is read, also after the first match: a second network of that name is worth a warning.
    const auto list = load_or_pass_over(path, unread);
    if (!list) continue;
    if (list->name != name) {
      others += (others.empty() ? "" : ", ") + list->name;
    } else if (found) {
      log_warning("network \"{}\" is in {} and in {}: the first counts", name, found_in, path);
    } else {
      found = list;
      found_in = path;
    }
  }
  if (found) return *std::move(found);
  throw Error(Error::Code::config, fmt::format("no network configuration with name \"{}\" in {}", name, directory),
              !unread.empty()   ? "not read: " + unread
              : !others.empty() ? "networks there: " + others
                                : "NETCONFPATH names the directory of .conflist, .conf and .json files");
}

}  // namespace barewire::cni
