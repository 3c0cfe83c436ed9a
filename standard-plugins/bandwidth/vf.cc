// SPDX-License-Identifier: Apache-2.0
// A NIC limits what a VF sends, in whole Mb/s, and knows no burst.
#include "standard-plugins/bandwidth/vf.h"

#include <algorithm>

#include "core/kernel/pci.h"
#include "core/vf/claim.h"
#include "core/vf/rate.h"
#include "core/vf/settings.h"
#include "hw-profiles/check.h"
#include "hw-profiles/nic.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace {

constexpr std::uint64_t kBytesPerMegabit = 125000;
constexpr std::uint64_t kLargestRate = 4294967;  // Mb/s: what drivers multiply by 1000 still has to fit

std::uint32_t megabits(const kernel::TokenBucket& bucket) {
  if (bucket.rate < kBytesPerMegabit)
    throw Error(Error::Code::config, "config key \"egressRate\" is too low: NICs limit a VF in steps of 1000000 bits",
                "give 1000000 or more");
  return static_cast<std::uint32_t>(std::min(bucket.rate / kBytesPerMegabit, kLargestRate));
}

void require_only_egress(const std::string& device, const BandwidthConfig& config) {
  if (!config.ingress) return;
  throw Error(Error::Code::unsupported_by_nic,
              fmt::format("limiting what VF {} receives is not supported: a NIC limits only what a VF sends", device),
              "remove ingressRate and ingressBurst, or limit the senders");
}

}  // namespace

std::optional<std::string> find_vf(const cni::Result& previous, const std::string& ifname, const Node& node) {
  for (const cni::Interface& interface : previous.interfaces) {
    if (interface.name != ifname || interface.sandbox.empty()) continue;
    const auto address = kernel::normalise_pci_address(interface.pci_id);
    if (address && kernel::find_vf_place(kernel::Sysfs(node.sysfs), *address)) return address;
  }
  return std::nullopt;
}

void limit_vf(state::Attachment& attachment, const std::string& device, const BandwidthConfig& config, Node& node) {
  require_only_egress(device, config);
  const std::uint32_t rate = megabits(*config.egress);
  vf::Host host(node);
  const auto place = kernel::find_vf_place(host.sysfs, device);
  if (!place)
    throw Error(Error::Code::device, fmt::format("VF {} is gone", device), "`barewire list` shows the VFs there are");
  // As every change of a VF: what the rate was, and is restored to, must not change between the look and the setting.
  const state::FileLock lock = vf::lock_pf(host, place->pf_address);
  const vf::VfOfPf target = vf::require_vf(host, device);
  const hw::Nic nic = hw::find_nic(node, target.pf);
  hw::check_supported(nic.profile, {{hw::Attribute::max_tx_rate, "egressRate", fmt::format("{}", rate), rate}},
                      {target.pf.pci.address, target.vf.id});
  const vf::RateLimit limit = vf::plan_rate_limit(target, rate);
  vf::put(attachment.data, limit);
  // The rate before is on record before it changes.
  host.store.save(attachment);
  vf::apply_rate_limit(host, limit, nic.habits);
}

void lift_limit(const state::Attachment& attachment, Node& node) {
  const auto limit = vf::find_rate_limit(attachment.data);
  if (!limit) return;
  vf::Host host(node);
  vf::lift_rate_limit(host, *limit, attachment.id, hw::find_habits(node, host, limit->pf));
}

void compare_vf(std::vector<std::string>& clauses, const state::Attachment& attachment, Node& node) {
  const auto limit = vf::find_rate_limit(attachment.data);
  if (!limit) return clauses.push_back("its record tells of no limit");
  vf::Host host(node);
  const auto now = vf::find_tx_rate(host, *limit);
  if (!now) return clauses.push_back(fmt::format("VF {} is gone", limit->device));
  if (*now != limit->limit)
    clauses.push_back(fmt::format("VF {} may send {} Mb/s, not {}", limit->device, *now, limit->limit));
}

}  // namespace barewire::standard
