// SPDX-License-Identifier: Apache-2.0
/// Keeps the cluster's NetworkAttachmentDefinitions as its networks say. Run by the one daemon that is elected; touches
/// only what bears its mark, or the operator's for the same network. Of one thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "device-manager/cluster/agent.h"
#include "device-manager/cluster/render.h"
#include "device-manager/kubernetes/api.h"

namespace barewire::cluster {

class Networks {
 public:
  /// `api` outlives it. Networks are those of `name_space`; `may_write` is asked before each change.
  Networks(kubernetes::Api& api, std::string name_space, std::string prefix, std::function<bool()> may_write, Say say);
  /// Reads all, changes what differs. What cannot be rendered is told, and what was made of it before stays. Throws as
  /// Api::require.
  void sync();

 private:
  void read();
  void add(const std::string& kind, const boost::json::value& object);
  void write(const Rendered& wanted);
  void remove_stale();

  kubernetes::Api& api_;
  std::string name_space_, prefix_;
  std::function<bool()> may_write_;
  Say say_;
  std::map<std::string, Rendered> wanted_;           ///< by path
  std::set<std::string> fought_for_;                 ///< paths that two networks want
  std::set<std::string> broken_;                     ///< sources that cannot be rendered
  std::set<std::string> unknown_kinds_;              ///< that the API server does not know
  std::map<std::string, boost::json::value> there_;  ///< by path, with our label
};

}  // namespace barewire::cluster
