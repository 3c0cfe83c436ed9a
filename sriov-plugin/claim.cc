// SPDX-License-Identifier: Apache-2.0
// Free is decided under the PF's lock. Before it everything is a guess, which saves taking locks in vain.
#include "sriov-plugin/claim.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/cni/fallback.h"
#include "core/vf/settings.h"

namespace barewire::sriov {

namespace {

vf::UseFinding find_use(vf::Host& host, const vf::Vf& vf) {
  vf::ForeignState foreign;
  foreign.peer_state_dir = host.peer_state_dir;
  foreign.allocation_dir = host.allocations.directory();
  return vf::find_use(vf, host.store, host.socket, foreign);
}

/// Why this VF is not one for `driver`; nullopt when it is. A pod that wants a netdev must not get a VF without one.
std::optional<std::string> wrong_driver(const vf::Vf& vf, const std::string& driver) {
  const bool userspace = kernel::is_userspace_driver(vf.pci.driver);
  if (driver == Config::kNetdev ? !userspace : vf.pci.driver == driver) return std::nullopt;
  if (driver == Config::kNetdev)
    return fmt::format("vf {} ({}) is on {}: \"deviceID\" hands it over", vf.id, vf.pci.address, vf.pci.driver);
  return fmt::format("vf {} ({}) is bound to {}, the pool is for {}", vf.id, vf.pci.address,
                     vf.pci.driver.empty() ? "no driver" : vf.pci.driver, driver);
}

/// nullopt: a pod may have it.
std::optional<std::string> find_obstacle(vf::Host& host, const vf::Vf& vf, const Config& config) {
  if (auto why = wrong_driver(vf, config.pool_driver)) return why;
  const vf::UseFinding finding = find_use(host, vf);
  if (finding.use == vf::UseOfVf::free) return std::nullopt;
  return fmt::format("vf {} ({}): {}", vf.id, vf.pci.address, finding.why);
}

/// Moves the VF to the reservation; the PF is copied without its other VFs.
vf::VfOfPf single(const vf::Pf& pf, const vf::Vf& vf) {
  vf::VfOfPf target{pf, vf};
  target.pf.vfs = {vf};
  return target;
}

std::optional<vf::Pf> find_pool_pf(vf::Host& host, const vf::VfRange& range, std::vector<std::string>& why_not) {
  auto pf = vf::find_pf(host.sysfs, host.socket, range.pf);
  if (!pf) why_not.push_back(fmt::format("there is no PF {}", range.pf));
  return pf;
}

std::optional<vf::VfOfPf> first_free(vf::Host& host, const vf::Pf& pf, const vf::VfRange& range, const Config& config,
                                     std::vector<std::string>& why_not) {
  bool any = false;
  for (const vf::Vf& vf : pf.vfs) {
    if (!range.contains(vf.id)) continue;
    any = true;
    auto obstacle = find_obstacle(host, vf, config);
    if (!obstacle) return single(pf, vf);
    why_not.push_back(*std::move(obstacle));
  }
  if (!any) why_not.push_back(fmt::format("PF {} has no VF of that range", range.pf));
  return std::nullopt;
}

std::optional<vf::Reservation> reserve_from(vf::Host& host, const vf::VfRange& range, const Config& config,
                                            std::vector<std::string>& why_not) {
  const auto pf = find_pool_pf(host, range, why_not);
  if (!pf) return std::nullopt;
  state::FileLock lock = vf::lock_pf(host, pf->pci.address);
  // The first look was for the PF's address, which the lock's name needs; its VFs may be others by now.
  const auto present = find_pool_pf(host, range, why_not);  // as it is under the lock
  auto target = present ? first_free(host, *present, range, config, why_not) : std::nullopt;
  if (!target) return std::nullopt;
  return vf::Reservation{std::move(lock), std::move(*target)};
}

[[noreturn]] void refuse_pool(vf::Host& host, const Config& config, const std::vector<std::string>& why_not) {
  // A pool without any PF is another lack than one whose VFs are all in use: a fallback may answer one and not the
  // other.
  const bool any_pf = std::any_of(config.pool.begin(), config.pool.end(), [&](const vf::VfRange& range) {
    return vf::find_pf(host.sysfs, host.socket, range.pf).has_value();
  });
  throw cni::LackError(any_pf ? cni::Lack::free_vf : cni::Lack::device,
                       Error(Error::Code::try_again, fmt::format("no VF of pool \"{}\" is free", config.pool_text),
                             fmt::format("{}", fmt::join(why_not, "; "))));
}

}  // namespace

vf::Reservation reserve(vf::Host& host, const Config& config) {
  if (config.device) return vf::reserve_device(host, *config.device);
  std::vector<std::string> why_not;
  // In the order of the configuration, one PF's lock at a time: two locks held at once could wait for each other.
  for (const vf::VfRange& range : config.pool)
    if (auto reservation = reserve_from(host, range, config, why_not)) return std::move(*reservation);
  refuse_pool(host, config, why_not);
}

PoolState inspect_pool(vf::Host& host, const Config& config) {
  PoolState state;
  for (const vf::VfRange& range : config.pool) {
    const auto pf = vf::find_pf_alone(host.sysfs, host.socket, range.pf);
    if (!pf) state.missing.push_back(range.pf);
    // A driver's watchdog may give a link that has just been set down its carrier back (igb).
    if (pf && pf->link && pf->link->is_up() && pf->link->carrier) state.carrier = true;
  }
  return state;
}

std::size_t count_free(vf::Host& host, const Config& config) {
  std::size_t free = 0;
  for (const vf::VfRange& range : config.pool) {
    const auto pf = vf::find_pf(host.sysfs, host.socket, range.pf);
    if (!pf) continue;
    for (const vf::Vf& vf : pf->vfs)
      if (range.contains(vf.id) && !find_obstacle(host, vf, config)) ++free;
  }
  return free;
}

vf::VfOfPf peek(vf::Host& host, const Config& config) {
  if (config.device) return vf::find_free_device(host, *config.device);
  std::vector<std::string> why_not;
  for (const vf::VfRange& range : config.pool)
    // Without the lock: this is a forecast, and an ADD may be in the middle of its own.
    if (const auto pf = find_pool_pf(host, range, why_not))
      if (auto target = first_free(host, *pf, range, config, why_not)) return std::move(*target);
  refuse_pool(host, config, why_not);
}

}  // namespace barewire::sriov
