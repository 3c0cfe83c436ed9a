// SPDX-License-Identifier: Apache-2.0
// The NICs' part of the chain: eswitch mode, representors, and whether they may take filters.
#include "hw-profiles/nic.h"

#include <fmt/ranges.h>

#include "core/kernel/devlink.h"
#include "core/vf/inventory.h"
#include "core/vf/representor.h"
#include "device-manager/doctor/doctor.h"

namespace barewire::manager {

namespace {

/// The last digit of the address. Source: PCI Local Bus, "bus:device.function".
std::uint16_t function_number(const std::string& address) {
  return address.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(address.back() - '0');
}

class NicExamination {
 public:
  NicExamination(const Node& node, const vf::Pf& pf, Findings& findings)
      : sysfs_(node.sysfs), pf_(pf), handle_{"pci", pf.pci.address}, findings_(findings) {
    profile_ = hw::find_profile({pf.pci.vendor, pf.pci.device}, pf.pci.driver, hw::options_for(node, pf));
  }

  void run(const ChainInUse& use) {
    const auto mode = kernel::find_eswitch_mode(handle_);
    if (mode == kernel::EswitchMode::switchdev) return examine_switchdev();
    const bool can = profile_.switchdev.capability.support != hw::Capability::Support::no;
    // The profile knows whether the card could: a driver that tells no mode may be an old one of a card that can.
    if (!mode && !can)
      return add(Verdict::note,
                 fmt::format("{} has no eswitch mode: its VFs go into pods without a bridge", profile_.description()));
    if (!mode)
      return add(use.hw_offload ? Verdict::warning : Verdict::note,
                 fmt::format("driver {} tells no eswitch mode", pf_.pci.driver), "update its driver or firmware");
    add(use.hw_offload ? Verdict::warning : Verdict::note, "is in legacy mode: Open vSwitch cannot offload to it",
        fmt::format("devlink dev eswitch set pci/{} mode switchdev", pf_.pci.address));
  }

 private:
  void add(Verdict verdict, std::string text, std::string next = {}) {
    findings_.push_back({verdict, pf_.link ? pf_.link->name : pf_.pci.address, std::move(text), std::move(next)});
  }

  void examine_switchdev() {
    add(Verdict::good, fmt::format("is in switchdev mode, with {} VFs", pf_.vfs.size()));
    if (!pf_.link) return add(Verdict::broken, "has no netdev on the host", "bring its uplink back into this netns");
    examine_feature(pf_.link->name);
    std::vector<std::uint32_t> missing;
    for (const vf::Vf& vf : pf_.vfs) {
      const auto representor =
          vf::find_representor(sysfs_, handle_, pf_.link->name, function_number(pf_.pci.address), vf.id);
      if (!representor) {
        missing.push_back(vf.id);
        continue;
      }
      examine_feature(representor->netdev);
      examine_mtu(representor->netdev);
    }
    if (!missing.empty())
      add(Verdict::broken, fmt::format("has no representor for vf {}", fmt::join(missing, ", ")),
          "`ip -d link` shows phys_port_name; a representor in another netns has to come back");
    else if (!pf_.vfs.empty())
      add(Verdict::good, "every VF has its representor");
  }

  void examine_feature(const std::string& netdev) {
    const auto on = kernel::find_feature(netdev, "hw-tc-offload");
    // Both the uplink and each representor: the switch adds its filters to every port by itself.
    if (on == true) return;
    add(Verdict::broken, fmt::format("{} takes no filters: hw-tc-offload is {}", netdev, on ? "off" : "unknown to it"),
        on ? fmt::format("ethtool -K {} hw-tc-offload on", netdev) : "");
  }

  void examine_mtu(const std::string& representor) {
    const auto link = kernel::find_link(socket_, representor);
    // Nobody on that path sends "fragmentation needed": it is a switch, so a packet that does not fit is dropped.
    if (!link || link->mtu <= pf_.link->mtu) return;
    add(Verdict::warning,
        fmt::format("the MTU of {} is {}, that of the uplink {}: large packets are lost", representor, link->mtu,
                    pf_.link->mtu),
        fmt::format("ip link set {} mtu {}", pf_.link->name, link->mtu));
  }

  kernel::Sysfs sysfs_;
  const vf::Pf& pf_;
  kernel::DevlinkHandle handle_;
  Findings& findings_;
  hw::Profile profile_;
  kernel::NlSocket socket_;
};

}  // namespace

void examine_nics(const Node& node, const ChainInUse& use, Findings& findings) {
  kernel::NlSocket socket;
  const auto pfs = vf::list_pfs(kernel::Sysfs(node.sysfs), socket);
  if (pfs.empty())
    findings.push_back({use.hw_offload ? Verdict::warning : Verdict::note, "NICs",
                        "no NIC of this node can have virtual functions", ""});
  for (const vf::Pf& pf : pfs) NicExamination(node, pf, findings).run(use);
}

}  // namespace barewire::manager
