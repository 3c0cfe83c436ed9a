// SPDX-License-Identifier: Apache-2.0
/// Network configuration lists as a runtime reads them from a directory; chain.h runs them. For cnitool
/// (packaging/cnitool.cc), which is a runtime of its own, never for a plugin.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/version.h"

namespace barewire::cni {

struct ConfList {
  std::string name;
  Version cni_version{0, 1, 0};  ///< the newest we speak of "cniVersion" and "cniVersions"
  bool disable_check = false;
  bool disable_gc = false;
  std::vector<boost::json::object> plugins;  ///< as written, in order
  std::string bytes;                         ///< the file, for the cache

  /// A list ("plugins") or a single plugin's configuration (".conf"), which becomes a list of one. Plugins in the
  /// folder
  /// `<directory>/<name>/` are appended unless "loadOnlyInlinedPlugins". Throws Error naming file and key.
  static ConfList load_file(const std::string& path);
};

/// The first file of `directory`, in order of name, whose network is `name`: .conflist before .conf and .json. Files
/// that cannot be read, or have no name, are passed over with a line in the log, and so are further files of that name.
/// Throws Error{config} when there is none, naming the directory, and what could not be read or is there instead.
ConfList find_conflist(const std::string& directory, const std::string& name);

}  // namespace barewire::cni
