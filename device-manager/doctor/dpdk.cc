// SPDX-License-Identifier: Apache-2.0
// VFs that are there for programs of DPDK, or for virtual machines, told by what sysfs says and DPDK said when it was
// asked. DPDK itself is not started here.
#include <fmt/ranges.h>

#include "core/vf/dpdk_report.h"
#include "core/vf/inventory.h"
#include "device-manager/doctor/doctor.h"
#include "device-manager/dpdk/preflight.h"
#include "hw-profiles/nic.h"

namespace barewire::manager {
namespace {

class DpdkExamination {
 public:
  DpdkExamination(const Node& node, const vf::Pf& pf, Findings& findings)
      : node_(node), sysfs_(node.sysfs), pf_(pf), profile_(hw::find_nic(node, pf).profile), findings_(findings) {}

  void run() {
    examine(pf_.pci, "the NIC itself");
    for (const vf::Vf& vf : pf_.vfs) examine(vf.pci, fmt::format("VF {}", vf.id));
    if (!good_.empty()) add(Verdict::good, fmt::format("DPDK drives {}", fmt::join(good_, ", ")));
    if (!for_machines_.empty())
      add(Verdict::note,
          fmt::format("{} on a driver for user space: for virtual machines; DPDK works beside {}'s kernel driver",
                      fmt::join(for_machines_, ", "), profile_.description()),
          "for DPDK declare \"driver\": \"dpdk\"");
    if (!unknown_.empty())
      add(Verdict::note, fmt::format("DPDK was not asked of {}", fmt::join(unknown_, ", ")),
          "barewire-dpdk-probe " + first_unknown_);
  }

 private:
  void add(Verdict verdict, std::string text, std::string next = {}) {
    findings_.push_back({verdict, pf_.link ? pf_.link->name : pf_.pci.address, std::move(text), std::move(next)});
  }

  void examine(const kernel::PciFunction& pci, const std::string& name) {
    const auto report = vf::find_dpdk_report(node_, pci);
    if (!kernel::is_userspace_driver(pci.driver)) {
      if (report) tell(*report, pci, name);  // somebody wanted to know
      return;
    }
    if (const auto obstacle = dpdk::find_iommu_obstacle(sysfs_, pci))
      return add(Verdict::broken, fmt::format("{}: {}", name, obstacle->text), obstacle->hint);
    if (profile_.dpdk_bifurcated.value) return for_machines_.push_back(name);
    if (report) return tell(*report, pci, name);
    if (unknown_.empty()) first_unknown_ = pci.address;
    unknown_.push_back(name);
  }

  void tell(const vf::DpdkReport& report, const kernel::PciFunction& pci, const std::string& name) {
    if (report.usable) return good_.push_back(name);
    add(kernel::is_userspace_driver(pci.driver) ? Verdict::broken : Verdict::warning,
        fmt::format("DPDK cannot drive {}: {}", name, report.problem), report.hint);
  }

  const Node& node_;
  kernel::Sysfs sysfs_;
  const vf::Pf& pf_;
  hw::Profile profile_;
  Findings& findings_;
  std::vector<std::string> good_, for_machines_, unknown_;
  std::string first_unknown_;
};

}  // namespace

void examine_dpdk(const Node& node, Findings& findings) {
  kernel::NlSocket socket;
  for (const vf::Pf& pf : vf::list_pfs(kernel::Sysfs(node.sysfs), socket)) DpdkExamination(node, pf, findings).run();
}

}  // namespace barewire::manager
