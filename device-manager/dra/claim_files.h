// SPDX-License-Identifier: Apache-2.0
/// What a prepared claim leaves on the node for others: the CDI file that gives its containers their devices, and the
/// device-info file of each device for Multus. All of it can be made again from the claim's record.
/// Source: Container Device Interface specification; Device Information Specification 1.1.0.
#pragma once

#include <string>
#include <vector>

#include "core/state/claim_record.h"
#include "device-manager/dra/metadata_files.h"
#include "device-manager/inventory/grant.h"

namespace barewire::dra {

/// Paths and content of these files. Keeps nothing between calls; of the driver's thread, since two writers of one file
/// would race.
class ClaimFiles {
 public:
  /// `driver` is the vendor of the CDI names. The directories need not be there yet; a container runtime must read
  /// `cdi_dir`. `roots` is where device nodes are looked for.
  /// `metadata`: files for the containers, whose mounts are the CDI file's.
  ClaimFiles(std::string driver, std::string cdi_dir, std::string device_info_dir, inventory::DevRoots roots,
             MetadataFiles metadata);
  const MetadataFiles& metadata() const noexcept { return metadata_; }

  /// `members` are the devices of `record`, in its order. Each file is there as a whole or not at all. Throws
  /// Error{io}.
  void write(const state::ClaimRecord& record, const std::vector<inventory::Member>& members) const;
  /// Before the promise of a device is given back: after that it may be another claim's. Harmless for what is gone.
  /// Throws Error{io}.
  void remove_cdi(const state::ClaimRecord& record) const;
  /// The name of this file holds resource and device, not the claim: only for a device that is promised to this one.
  /// Harmless for what is gone. Throws Error{io}.
  void remove_device_info(const state::ClaimedDevice& device) const;
  /// "barewire.io/claim-<uid>=0000:01:10.1": names of one claim are of no other, since runtimes remember them. Multus
  /// to 4.3 hands what stands behind the '=' to the plugin as deviceID. Source: its pkg/kubeletclient, getDRAResources.
  /// Of a port "…=port-1": a claim may have several of one bridge. `device` is a place in the record.
  std::string cdi_id(const state::ClaimRecord& record, std::size_t device) const;

  /// What write() puts into the CDI file, as JSON. Each device has a variable with its PCI address, and its nodes if it
  /// has any.
  std::string specification(const state::ClaimRecord& record, const std::vector<inventory::Member>& members) const;

 private:
  /// What stands before the '=' of each id; the class tells the claim.
  std::string cdi_kind(const state::ClaimRecord& record) const;
  /// One file for each claim, with the name that CDI's own library gives it: <vendor>-<class>_<id>.json.
  std::string cdi_path(const state::ClaimRecord& record) const;
  /// Below the directory that Multus searches, under the name that it derives from resource and device.
  std::string device_info_path(const state::ClaimedDevice& device) const;

  std::string driver_, cdi_dir_, device_info_dir_;
  inventory::DevRoots roots_;
  MetadataFiles metadata_;
};

}  // namespace barewire::dra
