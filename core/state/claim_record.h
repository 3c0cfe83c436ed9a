// SPDX-License-Identifier: Apache-2.0
/// Resource claims that the node daemon has prepared: which devices each has and what its parameters ask of them. The
/// daemon writes a record before it does anything else for a claim and removes it last; allocation.h has the promise of
/// each device. Plugins read what a claim asks of the device that they attach.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state/allocation.h"

namespace barewire::state {

struct ClaimedDevice {
  std::string request{};           ///< of the claim, without what follows a slash
  std::string pool{};              ///< as the API has it, "n1/0000-01-00.0"
  std::string device{};            ///< as the API has it, "0000-01-10-3"
  std::string share_id{};          ///< of a device that several claims share
  std::string id{};                ///< PCI address; of a bridge its name
  std::string resource{};          ///< "example.com/fast"
  bool is_port = false;            ///< of an OVS bridge, which others have ports of too: nothing is promised
  boost::json::object settings{};  ///< keys of a network configuration; docs/kubernetes.md
  std::string subrequest{};        ///< of `request`, where the scheduler chose among several
  /// In the API's form; kept where containers are told of them.
  boost::json::object attributes{};
  friend bool operator==(const ClaimedDevice&, const ClaimedDevice&) = default;
};

struct ClaimRecord {
  std::string uid{}, name_space{}, name{};
  Pod pod{};  ///< the one that the claim is reserved for
  std::vector<ClaimedDevice> devices{};
  std::string since{};      ///< RFC 3339, UTC
  std::string pod_claim{};  ///< by which name the pod has a claim made from a template; empty: by the claim's own

  /// By ClaimedDevice::id; nullptr when the claim has no such device. Lives as long as the record.
  const ClaimedDevice* find(const std::string& id) const;
};

/// One file per claim, durable: kubelet does not prepare a claim again after a reboot. Of one writer, the node daemon;
/// plugins only read. A reader sees a whole record or none: files are renamed into place.
class ClaimRecords {
 public:
  /// Below Node::cni_state_dir.
  static constexpr const char* kBelow = "/barewire/claims";

  explicit ClaimRecords(std::string directory) : directory_(std::move(directory)) {}

  /// Throws Error{state} when the record is there but unreadable, Error{config} for a UID that is none.
  std::optional<ClaimRecord> find(const std::string& uid) const;
  /// Throws Error{io}.
  void save(const ClaimRecord& record) const;
  /// Harmless when there is none. Throws Error{io}.
  void remove(const std::string& uid) const;
  /// Every readable record; an unreadable one is passed to `unreadable` (path, error) when given.
  std::vector<ClaimRecord> list(std::vector<std::pair<std::string, std::string>>* unreadable = nullptr) const;

 private:
  /// Throws Error{config} for what could lead out of the directory: a UID comes over kubelet's socket.
  std::string path_of(const std::string& uid) const;
  std::string directory_;
};

/// What the claim that `device` is promised to asks of it; nullopt when it is promised to no claim.
/// Throws Error{state} when that cannot be read.
std::optional<ClaimedDevice> find_claimed(const std::string& cni_state_dir, const std::string& device);

}  // namespace barewire::state
