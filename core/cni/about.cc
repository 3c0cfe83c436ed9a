// SPDX-License-Identifier: Apache-2.0
// Programs read these lines too: nerdctl, Nomad, shells that complete names.
#include "core/cni/about.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/build_info.h"
#include "core/fd.h"

namespace barewire::cni {

namespace json = boost::json;

namespace {

/// The release of the reference plugins whose keys and results ours have.
constexpr std::string_view kReferenceVersion = "v1.9.1";

std::string versions_text(const Plugin& plugin) {
  std::string text;
  for (const Version& version : kSupportedVersions)
    if (version >= plugin.oldest) text += (text.empty() ? "" : ", ") + version.text();
  return text;
}

/// The first line is what nerdctl reads from stderr to learn whether "firewall" isolates networks, and the first word
/// in the shape of a version is what Nomad's fingerprint takes for the plugin's: so it names the suite we do the same
/// as.
std::string about_text(const Plugin& plugin) {
  return fmt::format("CNI {} plugin {}\nCNI protocol versions supported: {}\nBarewire {}: {}\n", plugin.name,
                     kReferenceVersion, versions_text(plugin), build_info(), plugin.about);
}

}  // namespace

std::string version_output(const Plugin& plugin) {
  json::array supported;
  for (const Version& version : kSupportedVersions)
    if (version >= plugin.oldest) supported.emplace_back(version.text());
  return json::serialize(json::object{{"cniVersion", kLatestVersion.text()}, {"supportedVersions", supported}});
}

int print_holdings(const PluginTable& plugins) {
  std::string text = "Barewire: CNI plugins in one program, each called by its own name:\n";
  for (const Plugin& plugin : plugins.all()) text += fmt::format("  {:<22} {}\n", plugin.name, plugin.about);
  write_all(STDERR_FILENO, text, "stderr");
  return 0;
}

int print_version(int stream) {
  write_all(stream, fmt::format("Barewire {}\n", build_info()), "the version");
  return 0;
}

int print_names(const PluginTable& plugins) {
  std::string text;
  for (const Plugin& plugin : plugins.all()) text += fmt::format("{}\n", plugin.name);
  write_all(STDOUT_FILENO, text, "stdout");
  return 0;
}

int print_about(const Plugin& plugin, int stream) {
  write_all(stream, about_text(plugin), "what the plugin is");
  return 0;
}

}  // namespace barewire::cni
