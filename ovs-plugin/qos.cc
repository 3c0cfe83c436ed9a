// SPDX-License-Identifier: Apache-2.0
// The switch counts policing in kilobits, queues in bits, DPDK's policer in bytes.
#include "ovs-plugin/qos.h"

#include <algorithm>
#include <limits>

namespace barewire::ovs {

namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max() / 8;
constexpr std::int64_t kKilo = 1000, kBitsPerByte = 8;
constexpr std::int64_t kDefaultBurstKb = 8000;  // ovs-vswitchd.conf.db(5), ingress_policing_burst
constexpr std::int64_t kLargestQueue = 61439;   // linux-htb's classes. Source: ovs-vswitchd.conf.db(5), "linux-htb".
constexpr std::int64_t kLargestDscp = 63;
constexpr const char* kHtb = "linux-htb";
constexpr const char* kPolicer = "egress-policer";

std::int64_t rate_of(const JsonView& from, std::string_view key) {
  return from.integer_or(key, 0, kLargest, "bits per second, 0 for no limit", 0);
}

std::int64_t burst_of(const JsonView& from, std::string_view key) {
  return from.integer_or(key, 0, kLargest, "bits, 0 for the default", 0);
}

void put(ovsdb::StringMap& map, const char* key, std::int64_t value) {
  if (value != 0) map[key] = std::to_string(value);
}

/// One rate for the whole port: a queue of htb that everything goes to, or DPDK's policer, which counts bytes.
QosRequest shape(std::int64_t rate, std::int64_t burst, bool by_dpdk) {
  ovsdb::StringMap whole, queue;
  // cir and cbs, in bytes. The bucket holds what passes in an eighth of a second at least: it must hold the largest
  // packet. Source: ovs-vswitchd.conf.db(5), "Configuration for egress-policer QoS".
  if (by_dpdk) {
    put(whole, "cir", rate / kBitsPerByte);
    put(whole, "cbs", std::max<std::int64_t>(burst, rate / kBitsPerByte) / kBitsPerByte);
    return {ovsdb::Row{{"type", kPolicer}, {"other_config", ovsdb::Value(whole)}}, {}};
  }
  put(whole, "max-rate", rate);
  put(queue, "max-rate", rate);
  put(queue, "burst", burst);
  return {ovsdb::Row{{"type", kHtb}, {"other_config", ovsdb::Value(whole)}},
          {{0, ovsdb::Row{{"other_config", ovsdb::Value(queue)}}}}};
}

ovsdb::Row parse_queue(const JsonView& entry) {
  ovsdb::StringMap config;
  put(config, "min-rate", rate_of(entry, "min_rate"));
  put(config, "max-rate", rate_of(entry, "max_rate"));
  put(config, "burst", burst_of(entry, "burst"));
  if (const auto priority = entry.find("priority"))
    config["priority"] = std::to_string(priority->integer(0, std::numeric_limits<std::uint32_t>::max(), "a priority"));
  ovsdb::Row queue{{"other_config", ovsdb::Value(config)}};
  if (const auto dscp = entry.find("dscp")) queue.set("dscp", dscp->integer(0, kLargestDscp, "a DSCP value"));
  return queue;
}

QosRequest parse_shaping(const JsonView& qos, bool by_dpdk) {
  const std::string type = qos.string_or("type", by_dpdk ? kPolicer : kHtb);
  const auto queues = qos.find("queues");
  if (type != (by_dpdk ? kPolicer : kHtb))
    qos.at("type").reject(by_dpdk ? "egress-policer, the one a DPDK port knows" : "linux-htb");
  if (by_dpdk && queues) queues->reject("no such key: a DPDK port has one rate");
  QosRequest request = shape(rate_of(qos, "max_rate"), burst_of(qos, "burst"), by_dpdk);
  if (!queues) {
    if (rate_of(qos, "max_rate") == 0) qos.reject("a \"max_rate\", or \"queues\"");
    return request;
  }
  request.queues.clear();
  for (const JsonView& entry : queues->array("a list of queues")) {
    const std::int64_t id = entry.at("id").integer(0, kLargestQueue, "a queue's number");
    if (!request.queues.emplace(id, parse_queue(entry)).second) entry.reject("each queue once");
  }
  return request;
}

}  // namespace

std::optional<kernel::TokenBucket> sending_bucket(const Qos& qos) {
  if (qos.policing_kbps == 0) return std::nullopt;
  const std::int64_t burst = qos.policing_burst_kb != 0 ? qos.policing_burst_kb : kDefaultBurstKb;
  return kernel::make_token_bucket(static_cast<std::uint64_t>(qos.policing_kbps * kKilo),
                                   static_cast<std::uint64_t>(burst * kKilo));
}

Qos parse_qos(const cni::Request& request, const LayeredConfig& config, bool by_dpdk) {
  Qos qos;
  if (const auto policing = config.find("ingress_policing")) {
    qos.policing_kbps = rate_of(*policing, "rate") / kKilo;
    qos.policing_burst_kb = burst_of(*policing, "burst") / kKilo;
    if (qos.policing_kbps == 0) policing->reject("a \"rate\" of at least 1000 bits per second");
  }
  if (const auto shaping = config.find("qos")) qos.shaping = parse_shaping(*shaping, by_dpdk);
  const auto bandwidth = request.conf.runtime_config("bandwidth");
  if (!bandwidth) return qos;
  if (const auto rate = rate_of(*bandwidth, "egressRate"); rate != 0) {
    // 0 would mean no limit, which a rate below 1 kbit/s did not ask for.
    qos.policing_kbps = std::max<std::int64_t>(rate / kKilo, 1);
    qos.policing_burst_kb = burst_of(*bandwidth, "egressBurst") / kKilo;
  }
  // The runtime's bandwidth goes before the network's: it is the pod's own. Ingress is the pod's view, so it is what
  // the switch sends (QoS), and egress what the switch polices.
  if (const auto rate = rate_of(*bandwidth, "ingressRate"); rate != 0)
    qos.shaping = shape(rate, burst_of(*bandwidth, "ingressBurst"), by_dpdk);
  return qos;
}

}  // namespace barewire::ovs
