// SPDX-License-Identifier: Apache-2.0
// The kernel sets both rates at once, so the one that is not asked for is sent as it is now.
#include "core/vf/rate.h"

#include <boost/json/value.hpp>
#include <limits>
#include <tuple>

#include "core/vf/settings.h"

namespace barewire::vf {

namespace {

constexpr const char* kKey = "vfRate";
constexpr std::int64_t kU32Max = std::numeric_limits<std::uint32_t>::max();

// Of the same interface of the pod, whichever plugin's: bandwidth limits what another plugin of the chain attached.
bool is_same_interface(const state::AttachmentId& left, const state::AttachmentId& right) {
  return std::tie(left.network, left.container_id, left.ifname) ==
         std::tie(right.network, right.container_id, right.ifname);
}

void set_rate(Host& host, const PfPort& pf, std::uint32_t id, std::uint32_t rate, const Habits& habits) {
  kernel::VfChange change;
  change.max_tx_rate = rate;
  with_retries(habits, [&] { kernel::change_vf(host.socket, pf.index, pf.name, id, change); });
}

}  // namespace

void put(boost::json::object& data, const RateLimit& limit) {
  data[kKey] = {
      {"device", limit.device}, {"pf", limit.pf}, {"vf", limit.id}, {"before", limit.before}, {"limit", limit.limit}};
}

std::optional<RateLimit> find_rate_limit(const boost::json::object& data) {
  const boost::json::value document(data);
  const auto found = JsonView(document, "record key", Error::Code::state).find(kKey);
  if (!found) return std::nullopt;
  const auto number = [&](const char* key) {
    return static_cast<std::uint32_t>(found->at(key).integer(0, kU32Max, "a number"));
  };
  return RateLimit{found->at("device").string(), found->at("pf").string(), number("vf"), number("before"),
                   number("limit")};
}

std::optional<RateLimit> find_rate_limit(const state::Store& store, const state::AttachmentId& id) {
  state::AttachmentId limiter = id;
  limiter.plugin = "bandwidth";
  const auto attachment = store.find(limiter);
  return attachment ? find_rate_limit(attachment->data) : std::nullopt;
}

RateLimit plan_rate_limit(const VfOfPf& target, std::uint32_t limit) {
  const std::string& device = target.vf.pci.address;
  if (!target.vf.info)
    throw Error(Error::Code::unsupported_by_nic,
                fmt::format("limiting what VF {} sends is not supported: its PF {} tells nothing of its VFs", device,
                            target.pf.pci.address),
                "remove the rates from the network config");
  return {device, target.pf.pci.address, target.vf.id, target.vf.info->max_tx_rate, limit};
}

std::optional<std::uint32_t> find_tx_rate(Host& host, const RateLimit& limit) {
  const auto place = kernel::find_vf_place(host.sysfs, limit.device);
  // The address may be that of another PF's VF by now, whose rate is not ours to judge.
  if (!place || place->pf_address != limit.pf) return std::nullopt;
  const auto pf = find_pf_port(host, limit.pf);
  const auto now = pf ? kernel::find_vf(host.socket, pf->index, limit.id) : std::nullopt;
  return now ? std::optional(now->max_tx_rate) : std::nullopt;
}

void apply_rate_limit(Host& host, const RateLimit& limit, const Habits& habits) {
  const auto pf = find_pf_port(host, limit.pf);
  if (!pf) throw Error(Error::Code::device, fmt::format("PF {} has no netdev on the host any more", limit.pf));
  if (limit.before != limit.limit) set_rate(host, *pf, limit.id, limit.limit, habits);
}

void lift_rate_limit(Host& host, const RateLimit& limit, const state::AttachmentId& id, const Habits& habits) {
  const state::FileLock lock = lock_pf(host, limit.pf);
  const auto holder = host.store.holder(limit.device);
  // Another pod has the VF by now, and its rate is that pod's.
  if (holder && !is_same_interface(*holder, id)) return;
  // A rate that is another by now was set by somebody else, and stays.
  if (limit.before == limit.limit || find_tx_rate(host, limit) != limit.limit) return;
  if (const auto pf = find_pf_port(host, limit.pf)) set_rate(host, *pf, limit.id, limit.before, habits);
}

}  // namespace barewire::vf
