// SPDX-License-Identifier: Apache-2.0
// How who shows VFs compares them with what ADD left: by the plugin's own comparison in this process, which
// is fast enough for a list that is redrawn; everything else through its plugin's CHECK, in a process each.
#include "device-manager/drift.h"

#include "core/cni/plugin.h"
#include "device-manager/checker.h"
#include "device-manager/plugin_call.h"

namespace barewire::manager {
namespace {

/// A comparison that cannot be made is a difference too: whoever reads the list has to know.
std::vector<std::string> drift_of_vf(const Node& node, const state::Attachment& attachment) {
  const cni::Plugin* plugin = node.plugins->find(attachment.id.plugin);
  if (plugin == nullptr || plugin->drift == nullptr) return drift_by_check(node, attachment);
  try {
    Node own = node;
    return plugin->drift(attachment, own);
  } catch (const Error& error) {
    return {describe(error)};
  }
}

bool is_asked_here(const Node& node, const state::Attachment& attachment) {
  const cni::Plugin* plugin = node.plugins->find(attachment.id.plugin);
  return plugin != nullptr && plugin->drift != nullptr;
}

}  // namespace

DriftFinders drift_finders(const Node& node) {
  return {.of_vf = [&node](const state::Attachment& attachment) { return drift_of_vf(node, attachment); },
          .of_other = [&node](const state::Attachment& attachment) { return drift_by_check(node, attachment); }};
}

DriftFinders drift_finders_of_vfs(const Node& node) {
  DriftFinders finders = drift_finders(node);
  finders.of_other = nullptr;
  return finders;
}

DriftFinders quick_drift_finders(const Node& node) {
  return {.of_vf =
              [&node](const state::Attachment& attachment) {
                return is_asked_here(node, attachment) ? drift_of_vf(node, attachment) : std::vector<std::string>();
              },
          .of_other = nullptr};
}

}  // namespace barewire::manager
