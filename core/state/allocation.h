// SPDX-License-Identifier: Apache-2.0
/// Devices that are promised to a container or a claim and not attached yet, or no longer: kubelet by its device plugin
/// API, a resource claim, an admin. An attachment's claim (store.h) is about who has a device in a netns; this is about
/// who may have it. The node daemon and the admin's command write these records, plugins read them when they look for a
/// free device.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state/attachment.h"

namespace barewire::state {

struct Allocation {
  std::string device{};     ///< PCI address
  std::string by{};         ///< kDevicePlugin, kClaim or kAdmin
  std::string owner{};      ///< of kDevicePlugin the resource, of kClaim the claim's UID, of kAdmin the admin's word
  Pod pod{};                ///< as far as it is known: kubelet does not say for whom it allocates
  std::string container{};  ///< its name in the pod, as far as it is known
  std::string since{};      ///< RFC 3339, UTC

  static constexpr const char* kDevicePlugin = "device-plugin";
  static constexpr const char* kClaim = "claim";
  static constexpr const char* kAdmin = "admin";

  /// "resource example.com/vf promises it to pod default/web-0", a clause for messages.
  std::string text() const;
};

/// The time now as records have it: RFC 3339 in UTC, whole seconds.
std::string now_text();

/// One file per device, durable: kubelet and the API server keep their promises over a reboot, so must the node.
/// Who writes or removes holds the lock that an attachment's claim is made under: the PF's (core/vf/settings.h).
class Allocations {
 public:
  /// Below Node::cni_state_dir.
  static constexpr const char* kBelow = "/barewire/allocations";

  explicit Allocations(std::string directory) : directory_(std::move(directory)) {}

  /// Throws Error{state} when the record is there but unreadable: that never means "promised to no one".
  std::optional<Allocation> find(const std::string& device) const;
  /// Throws Error{io}.
  void save(const Allocation& allocation) const;
  /// Harmless when there is none.
  void remove(const std::string& device) const;
  /// Every readable record, sorted by device; an unreadable one is passed to `unreadable` (path, error) when given.
  std::vector<Allocation> list(std::vector<std::pair<std::string, std::string>>* unreadable = nullptr) const;
  std::string path_of(const std::string& device) const;
  const std::string& directory() const noexcept { return directory_; }

 private:
  std::string directory_;
};

}  // namespace barewire::state
