// SPDX-License-Identifier: Apache-2.0
/// Running a configuration list against a netns, as a runtime does: each plugin in turn, the result of one handed to
/// the next, remembered for DEL, CHECK and GC. Source: CNI spec 1.1.0 section 3, "Execution of Network Configurations".
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/conflist.h"
#include "core/cni/plugin.h"

namespace barewire::cni {

/// What a runtime knows of one attachment.
struct Attach {
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string args;                     ///< CNI_ARGS
  std::string path;                     ///< CNI_PATH
  boost::json::object capability_args;  ///< by capability: "portMappings", "mac", …
};

/// Where results are remembered: the reference library's place and format, so that either can end what the other began.
class ResultCache {
 public:
  explicit ResultCache(std::string directory = "/var/lib/cni/results") : directory_(std::move(directory)) {}
  /// A file per attachment, replaced atomically. Throws Error{io}.
  void save(const ConfList& list, const Attach& attach, const boost::json::value& result) const;
  /// The result remembered; nullopt when there is none, or only a damaged file, which the log then names.
  std::optional<boost::json::value> find(const std::string& network, const Attach& attach) const;
  /// Harmless when there is none. Throws Error{io}.
  void remove(const std::string& network, const Attach& attach) const;
  /// Every attachment of `network` remembered, with its netns, arguments and capability arguments.
  std::vector<Attach> list(const std::string& network) const;

 private:
  std::string path(const std::string& network, const Attach& attach) const;
  std::string directory_;
};

/// The last plugin's result. On a failure nothing is undone: the runtime calls DEL, as the spec says. Throws Error.
boost::json::value add(const ConfList& list, const Attach& attach, const ResultCache& cache, Node& node);
/// In reverse order; the first failure ends it and keeps the cached result, so that it can be repeated.
void del(const ConfList& list, const Attach& attach, const ResultCache& cache, Node& node);
/// Nothing with disableCheck. Throws Error{incompatible_version} below 0.4.0, {config} without a remembered result.
void check(const ConfList& list, const Attach& attach, const ResultCache& cache, Node& node);
/// DEL for every remembered attachment not in `valid`, then GC by every plugin (from 1.1.0 on). Nothing with disableGC.
void gc(const ConfList& list, const std::string& path, const std::vector<ValidAttachment>& valid,
        const ResultCache& cache, Node& node);
/// From 1.1.0 on; throws the first plugin's Error.
void status(const ConfList& list, const std::string& path, Node& node);

}  // namespace barewire::cni
