// SPDX-License-Identifier: Apache-2.0
/// Looking at a network configuration before a pod needs it: every wrong key at once, and what looks like a slip of the
/// pen. Reads the configuration alone: nothing of the node but what a plugin's keys are bounded by.
#pragma once

#include <string>
#include <vector>

#include "core/cni/plugin.h"
#include "device-manager/validate/document.h"

namespace barewire::manager {

struct Finding {
  enum class Severity { error, warning } severity = Severity::error;
  std::string where;  ///< "plugin 2 (portmap)"; with the object's name before it in a manifest
  std::string what;   ///< what is wrong with which key
  std::string hint;   ///< what to do; may be empty
};

struct Verdict {
  std::string network;             ///< its name; empty when it has none
  std::vector<std::string> types;  ///< of its plugins, in order
  std::vector<Finding> findings;   ///< in the order of the plugins
  bool is_valid() const;           ///< no error; there may be warnings
};

/// As each plugin of the document would be given it. `plugins` are those that can be asked; of another it is said that
/// nobody looked. Never throws Error: what is wrong is a finding.
Verdict validate(const Document& document, const cni::PluginTable& plugins);

}  // namespace barewire::manager
