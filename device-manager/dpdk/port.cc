// SPDX-License-Identifier: Apache-2.0
// A driver that lacks a question answers ENOTSUP: then the key is null, which is "not known".
#include "device-manager/dpdk/port.h"

#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>

#include <array>
#include <boost/json/array.hpp>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/utf8.h"
#include "device-manager/dpdk/flows.h"

namespace barewire::dpdk {
namespace {

namespace json = boost::json;

constexpr std::uint16_t kDescriptors = 64;  // the driver raises or lowers it to what it can
constexpr unsigned kBuffers = 2047;         // more than any driver's least ring takes, in 8 MB

/// "preparing the port failed: No such device".
std::string failure(const char* doing, int result) {
  return fmt::format("{} failed: {}", doing, std::strerror(result < 0 ? -result : result));
}

template <typename NameOf>
json::array names_of(std::uint64_t bits, NameOf name_of) {
  json::array names;
  for (; bits != 0; bits &= bits - 1) names.emplace_back(name_of(bits & (~bits + 1)));
  return names;
}

json::value mac_of(std::uint16_t port) {
  rte_ether_addr address{};
  if (rte_eth_macaddr_get(port, &address) != 0) return nullptr;
  const auto* byte = address.addr_bytes;
  return json::string(
      fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", byte[0], byte[1], byte[2], byte[3], byte[4], byte[5]));
}

json::object mtu_of(std::uint16_t port, const rte_eth_dev_info& info) {
  std::uint16_t now = 0;
  json::value value = nullptr;
  if (rte_eth_dev_get_mtu(port, &now) == 0) value = now;
  return {{"now", value}, {"min", info.min_mtu}, {"max", info.max_mtu}};
}

json::value switch_of(const rte_eth_dev_info& info) {
  if (info.switch_info.domain_id == RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID) return nullptr;
  const char* name = info.switch_info.name;
  return json::object{{"domain", info.switch_info.domain_id},
                      {"port", info.switch_info.port_id},
                      {"name", name != nullptr ? escape_line(name) : ""}};
}

const char* kind_of(rte_eth_representor_type type) {
  switch (type) {
    case RTE_ETH_REPRESENTOR_VF:
      return "vf";
    case RTE_ETH_REPRESENTOR_SF:
      return "sf";
    case RTE_ETH_REPRESENTOR_PF:
      return "pf";
    default:
      return "other";
  }
}

/// The functions that representors can be made for.
json::value representors_of(std::uint16_t port) {
  const int count = rte_eth_representor_info_get(port, nullptr);
  if (count < 0) return nullptr;
  const std::size_t size =
      sizeof(rte_eth_representor_info) + static_cast<std::size_t>(count) * sizeof(rte_eth_representor_range);
  const std::unique_ptr<void, decltype(&std::free)> memory(std::calloc(1, size), &std::free);
  if (!memory) return nullptr;
  auto* info = static_cast<rte_eth_representor_info*>(memory.get());
  info->nb_ranges_alloc = static_cast<std::uint32_t>(count);
  if (rte_eth_representor_info_get(port, info) < 0) return nullptr;
  json::array ranges;
  for (std::uint32_t i = 0; i < info->nb_ranges; ++i) {
    const rte_eth_representor_range& range = info->ranges[i];
    ranges.emplace_back(json::object{{"type", kind_of(range.type)},
                                     {"pf", range.pf},
                                     {"first", range.vf},
                                     {"count", range.id_end - range.id_base + 1}});
  }
  return ranges;
}

json::object capabilities_of(std::uint16_t port, const rte_eth_dev_info& info) {
  return {{"mac", mac_of(port)},
          {"mtu", mtu_of(port, info)},
          {"numaNode", rte_eth_dev_socket_id(port) < 0 ? json::value(nullptr) : rte_eth_dev_socket_id(port)},
          {"queues", json::object{{"rx", info.max_rx_queues}, {"tx", info.max_tx_queues}}},
          {"descriptors", json::object{{"rx", info.rx_desc_lim.nb_max}, {"tx", info.tx_desc_lim.nb_max}}},
          {"rss", json::object{{"tableSize", info.reta_size}, {"keySize", info.hash_key_size}}},
          {"offloads", json::object{{"rx", names_of(info.rx_offload_capa, rte_eth_dev_rx_offload_name)},
                                    {"tx", names_of(info.tx_offload_capa, rte_eth_dev_tx_offload_name)}}},
          {"isRepresentor", info.dev_flags != nullptr && (*info.dev_flags & RTE_ETH_DEV_REPRESENTOR) != 0},
          {"switch", switch_of(info)},
          {"representors", representors_of(port)}};
}

/// Puts one queue each way on the port. The result is what failed; nullopt: nothing.
std::optional<std::string> prepare(std::uint16_t port, const rte_eth_dev_info& info) {
  const int numa = rte_eth_dev_socket_id(port);
  // Named by the port: several ports of one device each have their own.
  auto* pool = rte_pktmbuf_pool_create(fmt::format("probe{}", port).c_str(), kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                       numa < 0 ? SOCKET_ID_ANY : numa);
  if (pool == nullptr) return failure("allocating packet buffers", rte_errno);
  const rte_eth_conf config{};
  const std::uint16_t rx = info.max_rx_queues > 0 ? 1 : 0, tx = info.max_tx_queues > 0 ? 1 : 0;
  if (const int result = rte_eth_dev_configure(port, rx, tx, &config)) return failure("configuring the port", result);
  std::uint16_t rx_size = kDescriptors, tx_size = kDescriptors;
  if (const int result = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_size, &tx_size); result != 0 && result != -ENOTSUP)
    return failure("sizing the queues", result);
  const auto node = static_cast<unsigned>(numa < 0 ? SOCKET_ID_ANY : numa);
  if (rx != 0)
    if (const int result = rte_eth_rx_queue_setup(port, 0, rx_size, node, nullptr, pool))
      return failure("setting up a receive queue", result);
  if (tx != 0)
    if (const int result = rte_eth_tx_queue_setup(port, 0, tx_size, node, nullptr))
      return failure("setting up a transmit queue", result);
  return std::nullopt;
}

/// Whether nothing of the kernel's traffic will come here. Before the port is configured: some drivers take it only
/// then.
std::optional<std::string> isolate(std::uint16_t port) {
  rte_flow_error error{};
  const int result = rte_flow_isolate(port, 1, &error);
  if (result == 0) return std::nullopt;
  return failure("keeping the kernel's traffic out of the port", result) + "; it was not started";
}

void try_to_start(std::uint16_t port, const rte_eth_dev_info& info, bool isolated, json::object& told) {
  std::optional<std::string> problem = isolated ? isolate(port) : std::nullopt;
  if (!problem) problem = prepare(port, info);
  if (!problem)
    if (const int result = rte_eth_dev_start(port)) problem = failure("starting the port", result);
  told["starts"] = !problem;
  told["startProblem"] = problem ? json::value(*problem) : json::value(nullptr);
  told["flows"] = validate_flows(port);
  if (problem) return;
  rte_eth_link link{};
  const bool known = rte_eth_link_get_nowait(port, &link) == 0;
  told["link"] = known ? json::value(link.link_status != 0 ? "up" : "down") : json::value(nullptr);
  rte_eth_dev_stop(port);
}

}  // namespace

json::object describe_port(std::uint16_t port, bool isolated) {
  std::array<char, RTE_ETH_NAME_MAX_LEN> name{};
  rte_eth_dev_get_name_by_port(port, name.data());
  rte_eth_dev_info info{};
  json::object told{{"name", escape_line(name.data())}};
  if (const int result = rte_eth_dev_info_get(port, &info)) {
    told["driver"] = nullptr;
    told["starts"] = false;
    told["startProblem"] = failure("asking the port for its properties", result);
    return told;
  }
  told["driver"] = info.driver_name != nullptr ? info.driver_name : "";
  for (auto& each : capabilities_of(port, info)) told[each.key()] = each.value();
  try_to_start(port, info, isolated, told);
  return told;
}

}  // namespace barewire::dpdk
