// SPDX-License-Identifier: Apache-2.0
// Counters are of the PF where its driver has them: they count on, whoever has the VF.
#include "device-manager/traffic.h"

#include "device-manager/vf_counters.h"

namespace barewire::manager {
namespace {

std::optional<std::uint64_t> rate(std::optional<std::uint64_t> before, std::optional<std::uint64_t> now,
                                  double seconds) {
  if (!before || !now || *now < *before) return std::nullopt;
  return static_cast<std::uint64_t>(static_cast<double>(*now - *before) / seconds);
}

void read_pf(kernel::NlSocket& socket, const PfEntry& pf, Traffic& traffic) {
  std::map<std::uint32_t, const std::string*> addresses;
  std::vector<CountedVf> vfs;
  for (const VfEntry& vf : pf.vfs) {
    addresses[vf.vf.id] = &vf.vf.pci.address;
    vfs.push_back({vf.vf.id, vf.vf.pci.address, vf.holder ? &*vf.holder : nullptr});
  }
  for (const kernel::VfStats& stats : count_vfs(socket, pf.pf.link->index, vfs))
    if (const auto found = addresses.find(stats.id); found != addresses.end())
      traffic[*found->second] = {stats.rx_bytes, stats.tx_bytes, {}, {}};
}

}  // namespace

Traffic read_traffic(const std::vector<PfEntry>& pfs, std::vector<std::string>& problems) {
  Traffic traffic;
  kernel::NlSocket socket;
  for (const PfEntry& pf : pfs) {
    // The PF's netdev answers for its VFs: without either there is nobody to ask.
    if (!pf.pf.link || pf.vfs.empty()) continue;
    try {
      read_pf(socket, pf, traffic);
    } catch (const Error& error) {  // of this PF; the others have theirs
      problems.emplace_back(error.what());
    }
  }
  return traffic;
}

void add_traffic(Snapshot& snapshot) {
  const Traffic traffic = read_traffic(snapshot.pfs, snapshot.problems);
  for (PfEntry& pf : snapshot.pfs) {
    for (VfEntry& vf : pf.vfs) {
      const auto found = traffic.find(vf.vf.pci.address);
      if (found == traffic.end()) continue;
      vf.rx_bytes = found->second.rx_bytes;
      vf.tx_bytes = found->second.tx_bytes;
    }
  }
}

Traffic TrafficMeter::measure(Traffic now, Time time) {
  const double seconds = when_ ? std::chrono::duration<double>(time - *when_).count() : 0;
  if (seconds > 0) {
    for (auto& [address, traffic] : now) {
      const auto before = before_.find(address);
      if (before == before_.end()) continue;
      traffic.rx_rate = rate(before->second.rx_bytes, traffic.rx_bytes, seconds);
      traffic.tx_rate = rate(before->second.tx_bytes, traffic.tx_bytes, seconds);
    }
  }
  before_ = now;
  when_ = time;
  return now;
}

}  // namespace barewire::manager
