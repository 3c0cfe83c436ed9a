// SPDX-License-Identifier: Apache-2.0
/// Promises made for one request of kubelet: taken back unless it is answered. Of one thread.
#pragma once

#include <chrono>
#include <exception>
#include <vector>

#include "core/vf/host.h"
#include "device-manager/inventory/allocate.h"

namespace barewire::kubelet {

/// For a request of several devices, of which one may be held: kubelet is told of an error then, and counts none of
/// them.
class Promises {
 public:
  /// `host` outlives it.
  explicit Promises(vf::Host& host) : host_(host) {}
  Promises(const Promises&) = delete;
  Promises& operator=(const Promises&) = delete;
  /// Throws nothing: it may run while the error that ends the request is on its way.
  ~Promises() {
    for (const state::Allocation& each : made_) {
      try {
        inventory::release(host_, each.device, each.by, each.owner, kPatience);
      } catch (const std::exception&) {
        // It goes when kubelet turns out not to count it as given.
      }
    }
  }
  /// Throws Error{held} when somebody else has the device, Error{try_again} when its PF stays locked.
  void make(const state::Allocation& allocation) {
    // A promise that stood before is not this request's to take back.
    const bool anew = !host_.allocations.find(allocation.device);
    inventory::allocate(host_, allocation, kPatience);
    if (anew) made_.push_back(allocation);
  }
  /// The answer is complete: from now on only kubelet's own count breaks these promises.
  void keep() { made_.clear(); }

 private:
  /// For the lock of a PF, which an ADD or DEL of another of its VFs holds while it changes them.
  static constexpr std::chrono::seconds kPatience{10};
  vf::Host& host_;
  std::vector<state::Allocation> made_;
};

}  // namespace barewire::kubelet
