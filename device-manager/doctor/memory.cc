// SPDX-License-Identifier: Apache-2.0
// What a switch in user space needs of the node: huge pages.
#include <fmt/format.h>

#include "core/kernel/sysfs.h"
#include "device-manager/doctor/doctor.h"

namespace barewire::manager {

void examine_memory(const Node& node, const ChainInUse& use, Findings& findings) {
  if (!use.dpdk) return;
  const kernel::Sysfs sysfs(node.sysfs);
  std::int64_t total = 0, free = 0;
  // All sizes together: DPDK takes any. Source: Documentation/ABI/testing/sysfs-kernel-mm-hugepages.
  for (const std::string& size : sysfs.list("kernel/mm/hugepages")) {
    total += sysfs.read_integer("kernel/mm/hugepages/" + size + "/nr_hugepages").value_or(0);
    free += sysfs.read_integer("kernel/mm/hugepages/" + size + "/free_hugepages").value_or(0);
  }
  if (total > 0)
    findings.push_back({Verdict::good, "memory", fmt::format("{} huge pages, {} of them free", total, free), ""});
  else
    findings.push_back({Verdict::warning, "memory", "no huge pages: DPDK starts only with --no-huge, and is slow",
                        "sysctl vm.nr_hugepages=1024"});
}

}  // namespace barewire::manager
