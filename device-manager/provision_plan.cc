// SPDX-License-Identifier: Apache-2.0
// Pure: what is to be done, and why not, before the first file is written.
#include <algorithm>

#include "device-manager/provision.h"

namespace barewire::manager {
namespace {

const std::string& name_of(const PfFacts& facts) {
  return facts.pf.link ? facts.pf.link->name : facts.pf.pci.address;
}

void require_possible(const ProvisionRequest& request, const PfFacts& facts) {
  if (request.vfs > facts.pf.total_vfs) {
    throw Error(Error::Code::config,
                fmt::format("creating {} VFs on {} is impossible: it can have at most {}", request.vfs, name_of(facts),
                            facts.pf.total_vfs),
                "the limit is sriov_totalvfs of the card; its firmware configuration may allow to raise it");
  }
  if (!request.driver) return;
  if (std::find(facts.drivers.begin(), facts.drivers.end(), *request.driver) != facts.drivers.end()) return;
  throw Error(Error::Code::config, fmt::format("the kernel has no PCI driver {}", *request.driver),
              fmt::format("load it first: modprobe {}", *request.driver));
}

[[noreturn]] void refuse(const PfFacts& facts, std::string_view doing, const std::vector<std::string>& reasons) {
  throw Error(Error::Code::held, fmt::format("{} {} is refused: {}", doing, name_of(facts), fmt::join(reasons, "; ")),
              "nothing was touched; `barewire list --pf " + name_of(facts) + "` shows who holds what");
}

void require_replaceable(const PfFacts& facts) {
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < facts.pf.vfs.size(); ++i) {
    if (facts.in_use[i]) reasons.push_back(fmt::format("VF {}: {}", facts.pf.vfs[i].id, *facts.in_use[i]));
  }
  if (facts.default_route) reasons.push_back(*facts.default_route);
  if (!reasons.empty()) refuse(facts, "changing the number of VFs of", reasons);
}

ProvisionStep step_of(StepKind kind, std::uint32_t number = 0, std::uint32_t vf = 0, std::string text = {}) {
  return {.kind = kind, .number = number, .vf = vf, .text = std::move(text)};
}

void plan_count(const ProvisionRequest& request, const PfFacts& facts, std::vector<ProvisionStep>& steps) {
  if (request.vfs == facts.pf.vfs.size()) return;
  require_replaceable(facts);
  // The kernel changes a count only from or to zero (EBUSY).
  // Source: drivers/pci/iov.c sriov_numvfs_store.
  if (!facts.pf.vfs.empty()) steps.push_back(step_of(StepKind::set_count, 0));
  if (request.vfs == 0) return;
  steps.push_back(step_of(StepKind::set_count, request.vfs));
  steps.push_back(step_of(request.driver ? StepKind::wait_for_devices : StepKind::wait_for_netdevs, request.vfs));
}

/// Drivers restart the NIC for another number of VFs and for another MTU, and its link goes down for seconds: whoever
/// looks right after (`barewire list`, a pod's ADD) would find the PF without a carrier.
void plan_carrier(const PfFacts& facts, std::vector<ProvisionStep>& steps) {
  const bool restarts = std::any_of(steps.begin(), steps.end(), [](const ProvisionStep& step) {
    return step.kind == StepKind::set_count || step.kind == StepKind::set_pf_mtu;
  });
  if (restarts && facts.pf.link && facts.pf.link->carrier) steps.push_back(step_of(StepKind::wait_for_carrier));
}

bool are_kept(const ProvisionRequest& request, const PfFacts& facts) {
  return request.vfs == facts.pf.vfs.size();
}

void plan_pf_mtu(const ProvisionRequest& request, const PfFacts& facts, std::vector<ProvisionStep>& steps) {
  if (!request.mtu || !facts.pf.link || facts.pf.link->mtu >= *request.mtu) return;
  if (facts.default_route) refuse(facts, "changing the MTU of", {*facts.default_route});
  steps.push_back(step_of(StepKind::set_pf_mtu, *request.mtu));
}

/// Of a new VF: always. Of one that is kept: when it differs.
void plan_driver(const ProvisionRequest& request, const PfFacts& facts, std::vector<ProvisionStep>& steps) {
  if (!request.driver) return;
  std::vector<std::string> reasons;
  for (std::uint32_t i = 0; i < request.vfs; ++i) {
    if (!are_kept(request, facts)) {
      steps.push_back(step_of(StepKind::bind_driver, 0, i, *request.driver));
      continue;
    }
    const vf::Vf& vf = facts.pf.vfs[i];
    if (vf.pci.driver == *request.driver) continue;
    if (facts.in_use[i]) reasons.push_back(fmt::format("VF {}: {}", vf.id, *facts.in_use[i]));
    steps.push_back(step_of(StepKind::bind_driver, 0, vf.id, *request.driver));
  }
  if (!reasons.empty()) refuse(facts, fmt::format("binding to {} the VFs of", *request.driver), reasons);
}

void plan_vf_mtu(const ProvisionRequest& request, const PfFacts& facts, std::vector<ProvisionStep>& steps) {
  if (!request.mtu || (request.driver && kernel::is_userspace_driver(*request.driver))) return;
  std::vector<std::string> reasons;
  for (std::uint32_t i = 0; i < request.vfs; ++i) {
    if (!are_kept(request, facts)) {
      steps.push_back(step_of(StepKind::set_vf_mtu, *request.mtu, i));
      continue;
    }
    const vf::Vf& vf = facts.pf.vfs[i];
    const bool will_have_netdev = vf.link || (request.driver && vf.pci.driver != *request.driver);
    if (!will_have_netdev || (vf.link && vf.link->mtu == *request.mtu)) continue;
    if (facts.in_use[i]) reasons.push_back(fmt::format("VF {}: {}", vf.id, *facts.in_use[i]));
    steps.push_back(step_of(StepKind::set_vf_mtu, *request.mtu, vf.id));
  }
  if (!reasons.empty()) refuse(facts, "changing the MTU of VFs of", reasons);
}

/// Of the steps that `barewire apply` has beside those of `barewire provision`.
std::string describe_setup(const ProvisionStep& step, const std::string& pf_name) {
  switch (step.kind) {
    case StepKind::load_module:
      return fmt::format("load the kernel module {}", step.text);
    case StepKind::set_eswitch:
      return fmt::format("set the eswitch of {} to {}", pf_name, step.text);
    case StepKind::set_hw_tc_offload:
      return fmt::format("set hw-tc-offload on {}", pf_name);
    case StepKind::unbind_driver:
      return fmt::format("unbind VF {} from its driver", step.vf);
    case StepKind::bring_up_pf:
      return fmt::format("bring up {}", pf_name);
    case StepKind::set_vf_mac:
      return fmt::format("set MAC address {} on VF {}", step.text, step.vf);
    case StepKind::set_trust:
      return fmt::format("set trust {} on VF {}", step.number != 0 ? "on" : "off", step.vf);
    case StepKind::set_spoofchk:
      return fmt::format("set spoofchk {} on VF {}", step.number != 0 ? "on" : "off", step.vf);
    case StepKind::set_min_rate:
      return fmt::format("set min_tx_rate {} Mb/s on VF {}", step.number, step.vf);
    case StepKind::set_max_rate:
      return fmt::format("set max_tx_rate {} Mb/s on VF {}", step.number, step.vf);
    case StepKind::name_pf:
      return fmt::format("name {} {} too", pf_name, step.text);
    case StepKind::name_vf:
      return fmt::format("name VF {} of {} {} too", step.vf, pf_name, step.text);
    default:
      return {};
  }
}

}  // namespace

std::string ProvisionStep::describe(const std::string& pf_name) const {
  switch (kind) {
    case StepKind::set_count:
      return number == 0 ? fmt::format("remove the VFs of {}", pf_name)
                         : fmt::format("create {} VFs on {}", number, pf_name);
    case StepKind::wait_for_devices:
      return fmt::format("wait for {} VFs", number);
    case StepKind::wait_for_netdevs:
      return fmt::format("wait for {} VFs and their netdevs", number);
    case StepKind::set_pf_mtu:
      return fmt::format("set MTU {} on {}", number, pf_name);
    case StepKind::bind_driver:
      return fmt::format("bind VF {} to {}", vf, text);
    case StepKind::set_vf_mtu:
      return fmt::format("set MTU {} on VF {}", number, vf);
    case StepKind::wait_for_carrier:
      return fmt::format("wait for the carrier of {}", pf_name);
    default:
      return describe_setup(*this, pf_name);
  }
}

std::vector<ProvisionStep> plan_provision(const ProvisionRequest& request, const PfFacts& facts) {
  require_possible(request, facts);
  std::vector<ProvisionStep> steps;
  plan_count(request, facts, steps);
  // Before the VFs': some PFs refuse their VFs an MTU above their own.
  plan_pf_mtu(request, facts, steps);
  plan_driver(request, facts, steps);
  plan_vf_mtu(request, facts, steps);
  // Last: each step before may have restarted the link.
  plan_carrier(facts, steps);
  return steps;
}

}  // namespace barewire::manager
