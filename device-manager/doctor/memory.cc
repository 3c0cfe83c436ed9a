// SPDX-License-Identifier: Apache-2.0
// What a switch in user space needs of the node: huge pages.
#include <fmt/format.h>

#include "core/kernel/sysfs.h"
#include "device-manager/doctor/doctor.h"
#include "device-manager/dpdk/preflight.h"

namespace barewire::manager {

void examine_memory(const Node& node, const ChainInUse& use, Findings& findings) {
  if (!use.dpdk) return;
  const kernel::Sysfs sysfs(node.sysfs);
  const dpdk::HugePages pages = dpdk::count_huge_pages(sysfs);
  if (pages.total > 0)
    findings.push_back(
        {Verdict::good, "memory", fmt::format("{} huge pages, {} of them free", pages.total, pages.free), ""});
  else
    findings.push_back({Verdict::warning, "memory", "no huge pages: DPDK starts only with --no-huge, and is slow",
                        "sysctl vm.nr_hugepages=1024"});
}

}  // namespace barewire::manager
