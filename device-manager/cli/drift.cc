// SPDX-License-Identifier: Apache-2.0
// How the commands that show VFs compare them with what ADD left: by the plugin's own comparison in this process, which
// is fast enough for a list that is redrawn; everything else through its plugin's CHECK, in a process each.
#include "device-manager/cli/drift.h"

#include "core/cni/plugin.h"
#include "device-manager/checker.h"
#include "device-manager/plugin_call.h"

namespace barewire::cli {
namespace {

/// A comparison that cannot be made is a difference too: whoever reads the list has to know.
std::vector<std::string> drift_of_vf(const Node& node, const state::Attachment& attachment) {
  const cni::Plugin* plugin = node.plugins->find(attachment.id.plugin);
  if (plugin == nullptr || plugin->drift == nullptr) return manager::drift_by_check(node, attachment);
  try {
    Node own = node;
    return plugin->drift(attachment, own);
  } catch (const Error& error) {
    return {manager::describe(error)};
  }
}

}  // namespace

manager::DriftFinders drift_finders(const Node& node) {
  return {
      .of_vf = [&node](const state::Attachment& attachment) { return drift_of_vf(node, attachment); },
      .of_other = [&node](const state::Attachment& attachment) { return manager::drift_by_check(node, attachment); }};
}

manager::DriftFinders drift_finders_of_vfs(const Node& node) {
  manager::DriftFinders finders = drift_finders(node);
  finders.of_other = nullptr;
  return finders;
}

}  // namespace barewire::cli
