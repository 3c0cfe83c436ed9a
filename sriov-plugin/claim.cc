// SPDX-License-Identifier: Apache-2.0
#include "sriov-plugin/claim.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/cni/fallback.h"
#include "core/vf/settings.h"

namespace barewire::sriov {

namespace {

/// A pod that names a pool gets an interface; one on a user-space driver has none to give.
bool is_for_pods(const vf::Vf& vf) {
  return !kernel::is_userspace_driver(vf.pci.driver);
}

bool is_free(vf::Host& host, const vf::Vf& vf) {
  return is_for_pods(vf) && vf::use_of(vf, host.store, host.socket, host.peer_state_dir) == vf::UseOfVf::free;
}

std::string describe_use(const vf::Host& host, const vf::Vf& vf, vf::UseOfVf use) {
  const std::string name = fmt::format("vf {} ({})", vf.id, vf.pci.address);
  if (use != vf::UseOfVf::held) return name + " is used elsewhere or has no driver";
  const auto holder = host.store.holder(vf.pci.address);
  return fmt::format("{} is held by {}", name, holder ? holder->text() : "a damaged record");
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

std::optional<vf::VfOfPf> first_free(vf::Host& host, const vf::Pf& pf, const vf::VfRange& range,
                                     std::vector<std::string>& why_not) {
  bool any = false;
  for (const vf::Vf& vf : pf.vfs) {
    if (!range.contains(vf.id)) continue;
    any = true;
    if (!is_for_pods(vf)) {
      why_not.push_back(
          fmt::format("vf {} ({}) is on {}: \"deviceID\" hands it over", vf.id, vf.pci.address, vf.pci.driver));
      continue;
    }
    const vf::UseOfVf use = vf::use_of(vf, host.store, host.socket, host.peer_state_dir);
    if (use == vf::UseOfVf::free) return single(pf, vf);
    why_not.push_back(describe_use(host, vf, use));
  }
  if (!any) why_not.push_back(fmt::format("PF {} has no VF of that range", range.pf));
  return std::nullopt;
}

std::optional<vf::Reservation> reserve_from(vf::Host& host, const vf::VfRange& range,
                                            std::vector<std::string>& why_not) {
  const auto pf = find_pool_pf(host, range, why_not);
  if (!pf) return std::nullopt;
  state::FileLock lock = vf::lock_pf(host, pf->pci.address);
  const auto present = find_pool_pf(host, range, why_not);  // as it is under the lock
  auto target = present ? first_free(host, *present, range, why_not) : std::nullopt;
  if (!target) return std::nullopt;
  return vf::Reservation{std::move(lock), std::move(*target)};
}

[[noreturn]] void refuse_pool(vf::Host& host, const Config& config, const std::vector<std::string>& why_not) {
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
  for (const vf::VfRange& range : config.pool)
    if (auto reservation = reserve_from(host, range, why_not)) return std::move(*reservation);
  refuse_pool(host, config, why_not);
}

PoolState inspect_pool(vf::Host& host, const Config& config) {
  PoolState state;
  for (const vf::VfRange& range : config.pool) {
    const auto pf = vf::find_pf(host.sysfs, host.socket, range.pf);
    if (!pf) {
      state.missing.push_back(range.pf);
      continue;
    }
    // A driver's watchdog may give a link that has just been set down its carrier back (igb).
    if (pf->link && pf->link->is_up() && pf->link->carrier) state.carrier = true;
    for (const vf::Vf& vf : pf->vfs)
      if (range.contains(vf.id) && is_free(host, vf)) ++state.free;
  }
  return state;
}

vf::VfOfPf peek(vf::Host& host, const Config& config) {
  if (config.device) return vf::find_free_device(host, *config.device);
  std::vector<std::string> why_not;
  for (const vf::VfRange& range : config.pool)
    if (const auto pf = find_pool_pf(host, range, why_not))
      if (auto target = first_free(host, *pf, range, why_not)) return std::move(*target);
  refuse_pool(host, config, why_not);
}

}  // namespace barewire::sriov
