// SPDX-License-Identifier: Apache-2.0
/// Greedy choice, one device after another, each the best beside those chosen before.
/// Not the best of all subsets, which would be too many to try; for one or two devices, as pods ask for, it is the
/// same.
#include "device-manager/inventory/preferred.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace barewire::inventory {
namespace {

class Chooser {
 public:
  Chooser(Policy policy, const std::vector<Device>& available, std::size_t size)
      : policy_(policy), available_(available), size_(size) {
    for (const Device& device : available) {
      ++free_on_pf_[device.pf];
      ++free_on_node_[device.numa_node];
    }
  }

  void choose(const Device& device) {
    chosen_.push_back(&device);
    ++chosen_on_pf_[device.pf];
    --free_on_pf_[device.pf];
  }
  bool is_chosen(const Device& device) const {
    return std::find(chosen_.begin(), chosen_.end(), &device) != chosen_.end();
  }
  const Device* best() const {
    const Device* best = nullptr;
    for (const Device& device : available_) {
      if (is_chosen(device)) continue;
      if (best == nullptr || cost(device) < cost(*best)) best = &device;
    }
    return best;
  }
  const std::vector<const Device*>& chosen() const { return chosen_; }

 private:
  using Cost = std::tuple<int, int, int, int, int, std::string, int>;

  static int at(const std::map<std::string, int>& counts, const std::string& pf) {
    const auto found = counts.find(pf);
    return found == counts.end() ? 0 : found->second;
  }
  int node_cost(const Device& device) const {
    // Memory of another node costs more than anything a policy wants; the first device decides which node it is.
    if (!chosen_.empty()) return device.numa_node == chosen_.front()->numa_node ? 0 : 1;
    return free_on_node_.at(device.numa_node) >= static_cast<int>(size_) ? 0 : 1;
  }
  int root_cost(const Device& device) const {
    return chosen_.empty() || device.pcie_root == chosen_.front()->pcie_root ? 0 : 1;
  }
  /// Smaller is better; what distinguishes nothing is the address, so that the answer is always the same.
  Cost cost(const Device& device) const {
    const int taken = at(chosen_on_pf_, device.pf), free = at(free_on_pf_, device.pf);
    const int first = policy_ == Policy::distinct_pf ? taken : 0;
    const int taken_cost = policy_ == Policy::pack ? -taken : taken;
    // Packing begins where just enough is left, else where most is.
    const bool enough = free + taken >= static_cast<int>(size_);
    // The constant puts PFs where it fits before all those where it does not.
    const int free_cost = policy_ == Policy::pack && enough ? free - 1'000'000 : -free;
    return {first, node_cost(device), root_cost(device), taken_cost, free_cost, device.pf, device.number};
  }

  Policy policy_;
  const std::vector<Device>& available_;
  std::size_t size_;
  std::vector<const Device*> chosen_;
  std::map<std::string, int> free_on_pf_, chosen_on_pf_;
  std::map<int, int> free_on_node_;
};

}  // namespace

std::vector<std::string> prefer(Policy policy, const std::vector<Device>& available,
                                const std::vector<std::string>& must_include, std::size_t size) {
  Chooser chooser(policy, available, size);
  // Also those that are not among the available: kubelet has decided on them.
  std::vector<std::string> ids = must_include;
  for (const std::string& id : must_include) {
    const auto found =
        std::find_if(available.begin(), available.end(), [&](const Device& each) { return each.id == id; });
    if (found != available.end()) chooser.choose(*found);
  }
  while (ids.size() < size) {
    const Device* next = chooser.best();
    if (next == nullptr) break;
    chooser.choose(*next);
    ids.push_back(next->id);
  }
  return ids;
}

}  // namespace barewire::inventory
