// SPDX-License-Identifier: Apache-2.0
// Each collector stands alone: a driver that does not answer must not take the count of calls away.
#include "device-manager/metrics/collect.h"

#include <algorithm>
#include <functional>
#include <map>

#include "core/build_info.h"
#include "core/journal.h"
#include "core/state/allocation.h"
#include "core/state/claimed_name.h"
#include "core/vf/inventory.h"
#include "device-manager/inventory/pool_count.h"
#include "device-manager/metrics/exposition.h"
#include "device-manager/metrics/switch.h"
#include "device-manager/metrics/told.h"
#include "device-manager/metrics/totals.h"
#include "device-manager/vf_counters.h"

namespace barewire::metrics {
namespace {

using Type = Exposition::Type;

/// One look at the node for all collectors.
struct Look {
  const Node& node;
  std::string pools_file;
  std::vector<std::string>& problems;
  std::vector<vf::Pf> pfs{};
  std::vector<state::Attachment> attachments{};
  std::vector<state::Claim> claims{};
  std::uint64_t unreadable = 0;
};

struct Counter {
  const char* name;
  const char* help;
  std::optional<std::uint64_t> kernel::VfStats::*member;
};
/// Names as the SR-IOV network metrics exporter has them, for its dashboards.
constexpr Counter kCounters[] = {
    {"sriov_vf_rx_bytes", "Bytes received by the VF.", &kernel::VfStats::rx_bytes},
    {"sriov_vf_tx_bytes", "Bytes sent by the VF.", &kernel::VfStats::tx_bytes},
    {"sriov_vf_rx_packets", "Packets received by the VF.", &kernel::VfStats::rx_packets},
    {"sriov_vf_tx_packets", "Packets sent by the VF.", &kernel::VfStats::tx_packets},
    {"sriov_vf_rx_broadcast", "Broadcast packets received by the VF.", &kernel::VfStats::broadcast},
    {"sriov_vf_rx_multicast", "Multicast packets received by the VF.", &kernel::VfStats::multicast},
    {"sriov_vf_rx_dropped", "Packets dropped on their way into the VF.", &kernel::VfStats::rx_dropped},
    {"sriov_vf_tx_dropped", "Packets dropped on their way out of the VF.", &kernel::VfStats::tx_dropped},
};

std::string name_of(const vf::Pf& pf) {
  return pf.link ? pf.link->name : pf.pci.address;
}

/// Empty where the machine has no NUMA, as the exporter has it.
std::string numa_of(const vf::Pf& pf) {
  return pf.pci.numa_node < 0 ? "" : std::to_string(pf.pci.numa_node);
}

struct VfSample {
  Labels labels;
  kernel::VfStats stats;
};

void read_records(Look& look) {
  const state::Store store(look.node.run_dir);
  state::Store::Unreadable unreadable;
  look.attachments = store.list(&unreadable);
  look.claims = store.claims();
  look.unreadable = unreadable.size();
  for (const auto& each : unreadable) look.problems.push_back(each.second);
}

/// By PCI address: the attachment that claimed it.
std::map<std::string, const state::Attachment*> holders_of(const Look& look) {
  const state::Store store(look.node.run_dir);
  std::map<std::string, const state::Attachment*> by_record, by_device;
  for (const state::Attachment& attachment : look.attachments) by_record[store.path_of(attachment.id)] = &attachment;
  for (const state::Claim& claim : look.claims)
    if (const auto found = by_record.find(claim.record); found != by_record.end())
      by_device[claim.device] = found->second;
  return by_device;
}

std::vector<manager::CountedVf> counted_vfs(const vf::Pf& pf,
                                            const std::map<std::string, const state::Attachment*>& holders) {
  std::vector<manager::CountedVf> vfs;
  for (const vf::Vf& vf : pf.vfs) {
    const auto holder = holders.find(vf.pci.address);
    vfs.push_back({vf.id, vf.pci.address, holder == holders.end() ? nullptr : holder->second});
  }
  return vfs;
}

std::vector<VfSample> sample_vfs(Look& look) {
  std::vector<VfSample> samples;
  kernel::NlSocket socket;
  const auto holders = holders_of(look);
  for (const vf::Pf& pf : look.pfs) {
    // The PF's netdev answers for its VFs: without either there is nobody to ask.
    if (!pf.link || pf.vfs.empty()) continue;
    try {
      for (const kernel::VfStats& stats : manager::count_vfs(socket, pf.link->index, counted_vfs(pf, holders))) {
        const auto vf =
            std::find_if(pf.vfs.begin(), pf.vfs.end(), [&](const vf::Vf& each) { return each.id == stats.id; });
        // It has come since the VFs were listed: its address is known the next time.
        if (vf == pf.vfs.end()) continue;
        samples.push_back({{{"pf", name_of(pf)},
                            {"vf", std::to_string(stats.id)},
                            {"pciAddr", vf->pci.address},
                            {"numa_node", numa_of(pf)}},
                           stats});
      }
    } catch (const Error& error) {  // of this PF; the others have theirs
      look.problems.emplace_back(error.what());
    }
  }
  return samples;
}

void write_pfs(Exposition& page, Look& look) {
  page.family("barewire_pf_vfs", Type::gauge, "VFs that are enabled on the PF.");
  for (const vf::Pf& pf : look.pfs)
    page.sample({{"pf", name_of(pf)}, {"pciAddr", pf.pci.address}, {"numa_node", numa_of(pf)}}, pf.vfs.size());
  page.family("barewire_pf_vfs_max", Type::gauge, "VFs that the PF can have.");
  for (const vf::Pf& pf : look.pfs) page.sample({{"pf", name_of(pf)}, {"pciAddr", pf.pci.address}}, pf.total_vfs);
  page.family("barewire_pf_carrier", Type::gauge, "Whether the PF has a carrier.");
  for (const vf::Pf& pf : look.pfs)
    // Left out where the netdev is not here: not known is not "no carrier".
    if (pf.link) page.sample({{"pf", name_of(pf)}, {"pciAddr", pf.pci.address}}, pf.link->carrier ? 1 : 0);
  const auto samples = sample_vfs(look);
  for (const Counter& counter : kCounters) {
    page.family(counter.name, Type::counter, counter.help);
    for (const VfSample& sample : samples)
      // No zero for what the driver does not count: it would read as "no traffic".
      if (const auto value = sample.stats.*counter.member) page.sample(sample.labels, *value);
  }
  page.family("barewire_vf_link_state", Type::gauge,
              "The VF's link as the PF has set it: 0 as its own, 1 always up, 2 always down.");
  for (const VfSample& sample : samples)
    if (sample.stats.link_state) page.sample(sample.labels, *sample.stats.link_state);
}

bool is_network_pf(const kernel::Sysfs& sysfs, const std::string& device) {
  constexpr std::int64_t kNetworkClass = 2;
  // What is no PF has no such file, and is left alone.
  return sysfs.exists(device + "/sriov_totalvfs") &&
         sysfs.read_integer(device + "/class").value_or(0) >> 16 == kNetworkClass;
}

/// Of VFs their number and address alone: to read all of hundreds would be most of a scrape.
void read_pfs(Look& look) {
  kernel::NlSocket socket;
  const kernel::Sysfs sysfs(look.node.sysfs);
  for (const std::string& address : sysfs.list("bus/pci/devices")) {
    if (!is_network_pf(sysfs, "bus/pci/devices/" + address)) continue;
    auto pf = vf::find_pf_alone(sysfs, socket, address);
    if (!pf) continue;
    for (const auto& [id, vf_address] : kernel::list_vf_addresses(sysfs, address)) {
      vf::Vf& vf = pf->vfs.emplace_back();
      vf.id = id;
      vf.pci.address = vf_address;
    }
    look.pfs.push_back(*std::move(pf));
  }
}

void write_records(Exposition& page, Look& look) {
  read_records(look);
  std::map<std::string, std::uint64_t> by_plugin;
  for (const state::Attachment& attachment : look.attachments) ++by_plugin[attachment.id.plugin];
  page.family("barewire_attachments", Type::gauge, "Attachments on record, by the plugin that keeps the record.");
  for (const auto& [plugin, count] : by_plugin) page.sample({{"plugin", plugin}}, count);
  page.family("barewire_unreadable_records", Type::gauge, "Records of attachments that cannot be read.");
  page.sample({}, look.unreadable);
  page.family("barewire_device_attachment", Type::gauge, "One for each device that an attachment holds.");
  for (const auto& [device, holder] : holders_of(look))
    page.sample({{"pciAddr", std::string(state::claimed_name(device))},
                 {"namespace", holder->pod.name_space},
                 {"pod", holder->pod.name},
                 {"network", holder->id.network},
                 {"interface", holder->id.ifname},
                 {"plugin", holder->id.plugin}},
                1);
}

/// What the daemon, as device plugin, promised to containers: the exporter asks kubelet for the same.
void write_pod_devices(Exposition& page, Look& look) {
  // A counter, as the exporter has it, although it never is but one.
  page.family("sriov_kubepoddevice", Type::counter, "One for each device that a container was given.");
  std::vector<std::pair<std::string, std::string>> unreadable;
  for (const auto& allocation :
       state::Allocations(look.node.cni_state_dir + state::Allocations::kBelow).list(&unreadable))
    if (allocation.by == state::Allocation::kDevicePlugin && !allocation.pod.name.empty())
      page.sample({{"pciAddr", allocation.device},
                   {"dev_type", allocation.owner},
                   {"pod", allocation.pod.name},
                   {"namespace", allocation.pod.name_space},
                   {"container", allocation.container}},
                  1);
  for (const auto& each : unreadable) look.problems.push_back(each.second);
}

void write_pools(Exposition& page, Look& look) {
  using inventory::PoolCount;
  const auto config = inventory::find_pools(look.pools_file);
  if (!config) return;
  look.problems.insert(look.problems.end(), config->problems.begin(), config->problems.end());
  const auto counts = inventory::count_pools(look.node, config->pools);
  const auto write = [&](const char* name, const char* help, std::uint64_t PoolCount::*member) {
    page.family(name, Type::gauge, help);
    for (const PoolCount& count : counts) page.sample({{"resource", count.resource}}, count.*member);
  };
  write("barewire_pool_devices", "Devices that belong to the pool.", &PoolCount::total);
  write("barewire_pool_devices_allocated", "Of them promised to a container or claim, or kept back.",
        &PoolCount::allocated);
  write("barewire_pool_devices_free", "Of them to be had: neither promised nor in use.", &PoolCount::free);
}

void write_journal(Exposition& page, Look& look) {
  const Totals totals = update_totals(look.node.cni_state_dir + journal::kBelow, look.problems);
  page.family("barewire_cni_call_duration_seconds", Type::histogram,
              "Calls of runtimes, by plugin, command and CNI error code (0: success), and what they took.");
  for (const auto& [key, durations] : totals.calls)
    page.histogram({{"plugin", std::get<0>(key)}, {"command", std::get<1>(key)}, {"code", std::get<2>(key)}},
                   duration_bounds(), durations.counts, durations.sum);
  page.family("barewire_grpc_call_duration_seconds", Type::histogram,
              "Calls of kubelet, by method and error code (0: success), and what they took.");
  for (const auto& [key, durations] : totals.rpcs)
    page.histogram({{"method", std::get<1>(key)}, {"code", std::get<2>(key)}}, duration_bounds(), durations.counts,
                   durations.sum);
  page.family("barewire_events_total", Type::counter, "Events in the journal, by kind.");
  for (const auto& [kind, count] : totals.events) page.sample({{"event", kind}}, count);
  page.family("barewire_journal_damaged_lines_total", Type::counter, "Lines of the journal that were left out.");
  page.sample({}, totals.damaged_lines);
}

struct Collector {
  const char* name;
  void (*write)(Exposition&, Look&);
};
constexpr Collector kCollectors[] = {
    {"records", write_records},  // first: who has a VF may have to be asked for its counters
    {"vfs",
     [](Exposition& page, Look& look) {
       read_pfs(look);
       write_pfs(page, look);
     }},
    {"representors", [](Exposition& page, Look& look) { write_representors(page, look.node, look.pfs); }},
    {"switch", [](Exposition& page, Look&) { write_switch(page); }},
    {"allocations", write_pod_devices},
    {"pools", write_pools},
    {"journal", write_journal},
};

bool is_written(const Collector& collector, Exposition& page, Look& look) {
  const std::size_t before = look.problems.size();
  try {
    collector.write(page, look);
  } catch (const std::exception& error) {
    look.problems.emplace_back(error.what());
  }
  // A collector that goes on past what it could not read has named it: its part is not whole.
  return look.problems.size() == before;
}

void collect_into(Exposition& page, const Node& node, const std::string& pools_file,
                  std::vector<std::string>& problems) {
  Look look{node, pools_file, problems};
  std::map<std::string, bool> success;
  for (const Collector& collector : kCollectors) success[collector.name] = is_written(collector, page, look);
  page.family("barewire_collector_success", Type::gauge, "Whether the part of these metrics could be read as a whole.");
  for (const auto& [name, good] : success) page.sample({{"collector", name}}, good ? 1 : 0);
  page.family("barewire_build_info", Type::gauge, "One, with the version of the program that tells these metrics.");
  page.sample({{"version", std::string(build_info())}}, 1);
}

}  // namespace

std::string collect(const Node& node, const std::string& pools_file, std::vector<std::string>& problems) {
  Exposition page;
  collect_into(page, node, pools_file, problems);
  return page.text();
}

std::string collect_in_daemon(const Node& node, const std::string& pools_file, std::vector<std::string>& problems) {
  Exposition page;
  collect_into(page, node, pools_file, problems);
  write_told(page);
  return page.text();
}

}  // namespace barewire::metrics
