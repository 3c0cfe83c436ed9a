// SPDX-License-Identifier: Apache-2.0
/// Files in which a container reads what the devices of its claims are: attributes as the ResourceSlice has them,
/// interface, addresses and MAC once they are known. Mounted by the claim's CDI file (claim_files.h). Source: KEP-5304,
/// its device metadata protocol; metadata.resource.k8s.io/v1beta1 and v1alpha1, which are alike.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/state/claim_record.h"

namespace barewire::dra {

/// One file for each request of a claim. Keeps nothing between calls; of the driver's thread.
class MetadataFiles {
 public:
  enum class Wanted { no, yes };
  /// `directory` is the host's: the container runtime mounts from there. Where none are wanted none are made, and those
  /// of a daemon that made some are removed all the same.
  MetadataFiles(std::string driver, std::string directory, Wanted wanted);
  bool are_wanted() const noexcept { return wanted_ == Wanted::yes; }

  /// Makes those that are missing, each as a whole or not at all. One that is there stays: it may know the network.
  /// Throws Error{io}, Error{config} for a request whose name cannot be a file's.
  void make(const state::ClaimRecord& record) const;
  /// `network`: of each device of the record, in its order, what the pod's network made of it; empty: not known. Files
  /// that tell something else are written over in place, with a higher generation: containers have them mounted, and
  /// would not see another under the name. Throws Error{io}.
  void tell(const state::ClaimRecord& record, const std::vector<boost::json::object>& network) const;
  /// Harmless for what is gone. Throws Error{io}.
  void remove(const state::ClaimRecord& record) const;

  /// The mount that the CDI device of `device`, a place in the record, needs: of the first of each request only, since
  /// a container gets all devices of a request. nullopt: none.
  std::optional<boost::json::object> mount_of(const state::ClaimRecord& record, std::size_t device) const;

  /// The file's content for `request`: the same object in each version, newest first.
  std::string content(const state::ClaimRecord& record, const std::string& request, std::int64_t generation,
                      const std::vector<boost::json::object>& network) const;

 private:
  std::string path(const state::ClaimRecord& record, const std::string& request) const;

  std::string driver_, directory_;
  Wanted wanted_;
};

}  // namespace barewire::dra
