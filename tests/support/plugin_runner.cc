// SPDX-License-Identifier: Apache-2.0
#include "tests/support/plugin_runner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "core/error.h"

namespace fs = std::filesystem;
namespace json = boost::json;

namespace barewire::test {

std::string built_program(const std::string& name) {
  const char* given = std::getenv("BAREWIRE_BIN_DIR");
  const std::string root = given != nullptr ? given : BAREWIRE_BUILD_DIR;
  std::vector<std::string> directories;
  for (const char* part : {"lib/cni", "bin", "sbin"}) directories.push_back(root + "/" + part);
  std::string searched;
  for (const auto& directory : directories) {
    std::string path = directory + "/" + name;
    if (fs::is_regular_file(path)) return path;
    searched += " " + directory;
  }
  throw Error(Error::Code::io, fmt::format("{} is not built; looked in{}", name, searched),
              "build it, or set BAREWIRE_BIN_DIR to the build tree or installation that has it");
}

int PluginResult::code() const {
  if (!json.is_object()) return 0;
  const json::value* code_value = json.get_object().if_contains("code");
  return code_value != nullptr && code_value->is_number() ? code_value->to_number<int>() : 0;
}

std::string PluginResult::msg() const {
  if (!json.is_object()) return {};
  const json::value* text = json.get_object().if_contains("msg");
  return text != nullptr && text->is_string() ? std::string(text->get_string()) : std::string();
}

std::ostream& operator<<(std::ostream& out, const PluginResult& result) {
  return out << "exit status " << result.exit_status << (result.timed_out ? " (timed out)" : "")
             << "\nstdout: " << result.out << "\nstderr: " << result.err;
}

PluginRunner::PluginRunner(std::string program, std::string further)
    : program_(std::move(program)), further_(std::move(further)) {
  // Everybody may look inside: a test may run a plugin as another user.
  fs::permissions(directory_.path(), fs::perms(0755));
}

void PluginRunner::install(const std::string& name, const std::string& program) {
  const fs::path path = fs::path(directory_.path()) / name;
  fs::remove(path);
  fs::create_symlink(program, path);
}

std::string PluginRunner::link(const std::string& plugin) const {
  const fs::path path = fs::path(directory_.path()) / plugin;
  if (fs::is_symlink(path)) return path;
  // Threads of a test call one plugin at once: whichever makes the link, it is there for both.
  if (::symlink(program_.c_str(), path.c_str()) < 0 && errno != EEXIST) throw sys_error("linking {}", path.string());
  return path;
}

std::string PluginRunner::cni_path() const {
  return further_.empty() ? directory_.path() : directory_.path() + ":" + further_;
}

Command PluginRunner::command(const std::string& verb, const std::string& plugin, const std::string& config,
                              const CniCall& call) const {
  Command command;
  command.program = link(plugin);
  command.stdin_bytes = config;
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) command.environment[name] = value;
  };
  set("CNI_COMMAND", verb);
  set("CNI_PATH", cni_path());
  set("CNI_ARGS", call.args);
  set("CNI_NETNS_OVERRIDE", call.netns_override);
  if (verb == "GC" || verb == "STATUS" || verb == "VERSION") return command;
  set("CNI_CONTAINERID", call.container_id);
  set("CNI_NETNS", call.netns);
  set("CNI_IFNAME", call.ifname);
  return command;
}

PluginResult PluginRunner::result_of(const CommandResult& result) {
  PluginResult plugin;
  plugin.exit_status = result.exit_status;
  plugin.timed_out = result.timed_out;
  plugin.out = result.out;
  plugin.err = result.err;
  boost::system::error_code not_json;
  plugin.json = json::parse(result.out, not_json);
  if (not_json) plugin.json = nullptr;
  return plugin;
}

PluginResult PluginRunner::call(const std::string& verb, const std::string& plugin, const std::string& config,
                                const CniCall& call) const {
  return result_of(run(command(verb, plugin, config, call)));
}

namespace {

/// Versions from 0.4.0 on have CHECK. "0.4.0" and "1.1.0" compare as texts do.
bool has_check(const json::object& config) {
  const json::value* version = config.if_contains("cniVersion");
  return version != nullptr && version->is_string() && version->get_string() >= "0.4.0";
}

}  // namespace

void PluginRunner::expect_checks(const std::string& plugin, const std::string& config, const CniCall& cni,
                                 const PluginResult& added) const {
  boost::system::error_code not_json;
  const json::value parsed = json::parse(config, not_json);
  if (not_json || !parsed.is_object() || !has_check(parsed.get_object())) return;
  std::vector<Link> chain;
  {
    const std::scoped_lock lock(chains_mutex_);
    std::vector<Link>& known = chains_[cni.container_id + "/" + cni.ifname];
    if (!parsed.get_object().contains("prevResult")) known.clear();
    known.push_back({plugin, parsed.get_object()});
    chain = known;
  }
  for (Link& link : chain) {
    link.config["prevResult"] = added.json;
    const PluginResult checked = call("CHECK", link.plugin, json::serialize(link.config), cni);
    if (!checked.ok())
      ADD_FAILURE() << "CHECK of " << link.plugin << " right after ADD of " << plugin << ": " << checked;
  }
}

PluginResult PluginRunner::add(const std::string& plugin, const std::string& config, const CniCall& cni) const {
  PluginResult added = call("ADD", plugin, config, cni);
  if (added.ok() && checks_after_add_) expect_checks(plugin, config, cni, added);
  return added;
}
PluginResult PluginRunner::del(const std::string& plugin, const std::string& config, const CniCall& cni) const {
  {
    const std::scoped_lock lock(chains_mutex_);
    std::erase_if(chains_[cni.container_id + "/" + cni.ifname],
                  [&](const Link& link) { return link.plugin == plugin; });
  }
  return call("DEL", plugin, config, cni);
}
PluginResult PluginRunner::check(const std::string& plugin, const std::string& config, const CniCall& cni) const {
  return call("CHECK", plugin, config, cni);
}
PluginResult PluginRunner::gc(const std::string& plugin, const std::string& config) const {
  return call("GC", plugin, config);
}
PluginResult PluginRunner::status(const std::string& plugin, const std::string& config) const {
  return call("STATUS", plugin, config);
}

}  // namespace barewire::test
