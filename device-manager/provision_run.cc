// SPDX-License-Identifier: Apache-2.0
// The steps of a plan, one by one. Each is found undone or done by whoever plans next, so that a run that was killed is
// gone on with by the next one.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <thread>

#include "core/kernel/devlink.h"
#include "core/kernel/ethtool.h"
#include "core/vf/mac.h"
#include "device-manager/dpdk/preflight.h"
#include "device-manager/provision.h"
#include "hw-profiles/nic.h"

namespace barewire::manager {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{100};  ///< between looks while VFs appear

/// How long a VF may stay without a driver before that is taken for the administrator's will (no module, or
/// sriov_drivers_autoprobe off).
constexpr std::chrono::seconds kDriverPatience{5};

/// The work of one call: what every step needs.
struct Work {
  const Node& node;
  vf::Host host;
  kernel::Sysfs sysfs;
  kernel::NlSocket socket;
  vf::Pf pf;
  Clock::time_point start;
  std::chrono::milliseconds timeout;
  OnProgress on_progress;
  Progress progress;
  bool has_carrier_again = true;

  const std::string& name() const { return pf.link ? pf.link->name : pf.pci.address; }
  void tell(std::uint32_t done, std::uint32_t total) {
    progress.done = done;
    progress.total = total;
    progress.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    on_progress(progress);
  }
};

std::string count_file(const Work& work) {
  return fmt::format("bus/pci/devices/{}/sriov_numvfs", work.pf.pci.address);
}

std::uint32_t count_vfs(const Work& work) {
  return static_cast<std::uint32_t>(kernel::list_vf_addresses(work.sysfs, work.pf.pci.address).size());
}

/// The write returns when the driver has made every VF, which takes seconds: done aside, so that progress can be told.
void set_count(Work& work, std::uint32_t count) {
  const std::uint32_t before = count_vfs(work);
  // Nothing is read of `work` there that is changed here.
  auto writing = std::async(std::launch::async, [&] { work.sysfs.write(count_file(work), fmt::format("{}", count)); });
  do {
    const std::uint32_t there = count_vfs(work);
    work.tell(count == 0 ? before - std::min(before, there) : there, count == 0 ? before : count);
  } while (writing.wait_for(kPause) != std::future_status::ready);
  writing.get();
}

/// Ready, or as ready as it gets: a VF without a driver is waited for only a while.
bool is_ready(const Work& work, const std::string& address, StepKind kind, bool patient) {
  const auto function = kernel::find_pci_function(work.sysfs, address);
  if (!function) return false;
  if (kind == StepKind::wait_for_devices) return true;
  if (function->driver.empty()) return !patient;
  return kernel::is_userspace_driver(function->driver) || !function->netdevs.empty();
}

void wait_for_vfs(Work& work, const ProvisionStep& step) {
  const auto begin = Clock::now();
  while (true) {
    const auto waited = Clock::now() - begin;
    const auto vfs = kernel::list_vf_addresses(work.sysfs, work.pf.pci.address);
    const auto ready = std::count_if(vfs.begin(), vfs.end(), [&](const auto& vf) {
      return is_ready(work, vf.second, step.kind, waited < kDriverPatience);
    });
    work.tell(static_cast<std::uint32_t>(ready), step.number);
    if (static_cast<std::uint32_t>(ready) >= step.number) return;
    if (waited > work.timeout) {
      throw Error(Error::Code::device,
                  fmt::format("waiting for {} VFs of {} failed: {} ready after {} s", step.number, work.name(), ready,
                              std::chrono::duration_cast<std::chrono::seconds>(waited).count()),
                  "the kernel log (dmesg) tells what the driver is doing");
    }
    std::this_thread::sleep_for(kPause);
  }
}

std::string address_of(const Work& work, std::uint32_t id) {
  for (const auto& [number, address] : kernel::list_vf_addresses(work.sysfs, work.pf.pci.address)) {
    if (number == id) return address;
  }
  throw Error(Error::Code::device, fmt::format("VF {} of {} is gone", id, work.name()));
}

void set_vf_mtu(Work& work, const ProvisionStep& step) {
  const auto vf = vf::find_vf(work.sysfs, work.socket, address_of(work, step.vf));
  if (vf && vf->vf.link) return kernel::set_mtu(work.socket, *vf->vf.link, step.number);
  throw Error(Error::Code::device,
              fmt::format("setting the MTU of VF {} of {} failed: it has no netdev here", step.vf, work.name()));
}

/// By its address each time: another eswitch mode can make another netdev.
vf::PfPort port_of(Work& work) {
  const auto port = vf::find_pf_port(work.host, work.pf.pci.address);
  if (port) return *port;
  throw Error(Error::Code::device, fmt::format("setting up {} failed: it has no netdev here", work.name()));
}

kernel::Link uplink_of(Work& work) {
  return kernel::get_link(work.socket, port_of(work).name);
}

void await_carrier(Work& work) {
  const auto end = Clock::now() + kCarrierTimeout;
  while (true) {
    work.tell(0, 0);
    const auto port = vf::find_pf_port(work.host, work.pf.pci.address);
    const auto link = port ? kernel::find_link(work.socket, port->index) : std::nullopt;
    work.has_carrier_again = link && link->carrier;
    if (work.has_carrier_again || Clock::now() >= end) return;
    std::this_thread::sleep_for(kPause);
  }
}

/// Names come from the declaration's drivers, which are letters, digits, '_' and '-' alone.
void load_module(const std::string& name) {
  const pid_t child = ::fork();
  if (child < 0) throw sys_error("starting modprobe {}", name);
  if (child == 0) {
    ::execlp("modprobe", "modprobe", "--", name.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  throw Error(
      Error::Code::kernel, fmt::format("loading the kernel module {} failed", name),
      WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "there is no modprobe: install kmod" : "modprobe says why");
}

/// Of who has it already it stays: names are unique, and the kernel says so.
void add_name(Work& work, const kernel::Link& link, const std::string& name) {
  const auto& names = link.alt_names;
  if (link.name == name || std::find(names.begin(), names.end(), name) != names.end()) return;
  kernel::add_alt_name(work.socket, link, name);
}

void name_vf(Work& work, const ProvisionStep& step) {
  const auto vf = vf::find_vf(work.sysfs, work.socket, address_of(work, step.vf));
  if (vf && vf->vf.link) return add_name(work, *vf->vf.link, step.text);
  throw Error(Error::Code::device,
              fmt::format("naming VF {} of {} failed: it has no netdev here", step.vf, work.name()));
}

void set_eswitch(Work& work, const std::string& mode) {
  kernel::set_eswitch_mode({"pci", work.pf.pci.address},
                           mode == "switchdev" ? kernel::EswitchMode::switchdev : kernel::EswitchMode::legacy);
}

void set_vf_mac(Work& work, const ProvisionStep& step) {
  const MacAddress mac = MacAddress::parse(step.text).value();
  const auto habits = hw::find_nic(work.node, work.pf).habits;
  const std::string address = address_of(work, step.vf);
  const auto find_netdev = [&] {
    const auto found = vf::find_vf(work.sysfs, work.socket, address);
    return found ? found->vf.link : std::nullopt;
  };
  const auto link = find_netdev();
  vf::set_mac(work.host, port_of(work), step.vf, &work.socket, link ? &*link : nullptr, mac, habits);
  if (!link || vf::make_effective(work.socket, link->index, mac, habits)) return;
  const auto function = kernel::find_pci_function(work.sysfs, address);
  if (!function || function->driver.empty() || !habits.uses(vf::MacAction::rebind)) return;
  // A driver asks the PF for the address as it is bound.
  kernel::unbind_driver(work.sysfs, address);
  kernel::bind_driver(work.sysfs, address, function->driver);
}

/// Who has a function on vfio-pci reaches, by DMA, whatever shares its group.
void bind_driver(Work& work, const ProvisionStep& step) {
  const std::string address = address_of(work, step.vf);
  const auto function = kernel::find_pci_function(work.sysfs, address);
  const auto others =
      function && step.text == "vfio-pci" ? dpdk::list_group_others(work.sysfs, *function) : std::vector<std::string>();
  if (!others.empty())
    throw Error(Error::Code::device,
                fmt::format("binding VF {} of {} to vfio-pci is refused: IOMMU group {} of {} has {} too", step.vf,
                            work.name(), *function->iommu_group, address, fmt::join(others, ", ")),
                "a slot whose root port has ACS gives each function a group of its own");
  kernel::bind_driver(work.sysfs, address, step.text);
}

void set_vf_setting(Work& work, const ProvisionStep& step) {
  kernel::VfChange change;
  if (step.kind == StepKind::set_trust) change.trust = step.number != 0;
  if (step.kind == StepKind::set_spoofchk) change.spoof_check = step.number != 0;
  if (step.kind == StepKind::set_min_rate) change.min_tx_rate = step.number;
  if (step.kind == StepKind::set_max_rate) change.max_tx_rate = step.number;
  const auto port = port_of(work);
  vf::with_retries(hw::find_nic(work.node, work.pf).habits,
                   [&] { kernel::change_vf(work.socket, port.index, port.name, step.vf, change); });
}

void run_step(Work& work, const ProvisionStep& step) {
  work.tell(0, 0);
  switch (step.kind) {
    case StepKind::set_count:
      return set_count(work, step.number);
    case StepKind::wait_for_devices:
    case StepKind::wait_for_netdevs:
      return wait_for_vfs(work, step);
    case StepKind::set_pf_mtu:
      return kernel::set_mtu(work.socket, uplink_of(work), step.number);
    case StepKind::bind_driver:
      return bind_driver(work, step);
    case StepKind::set_vf_mtu:
      return set_vf_mtu(work, step);
    case StepKind::wait_for_carrier:
      return await_carrier(work);
    case StepKind::load_module:
      return load_module(step.text);
    case StepKind::set_eswitch:
      return set_eswitch(work, step.text);
    case StepKind::set_hw_tc_offload:
      return kernel::set_feature(uplink_of(work).name, "hw-tc-offload", true);
    case StepKind::unbind_driver:
      return kernel::unbind_driver(work.sysfs, address_of(work, step.vf));
    case StepKind::bring_up_pf:
      return kernel::set_up(work.socket, uplink_of(work));
    case StepKind::set_vf_mac:
      return set_vf_mac(work, step);
    case StepKind::name_pf:
      return add_name(work, uplink_of(work), step.text);
    case StepKind::name_vf:
      return name_vf(work, step);
    case StepKind::set_trust:
    case StepKind::set_spoofchk:
    case StepKind::set_min_rate:
    case StepKind::set_max_rate:
      return set_vf_setting(work, step);
  }
}

/// The VFs of before cannot be the same functions again, but the node has as many as it had.
void put_back(Work& work, std::uint32_t count) noexcept {
  try {
    // Only where none are left: a count that is not 0 cannot be changed, and VFs that were made stay.
    if (count_vfs(work) == 0 && count > 0) work.sysfs.write(count_file(work), fmt::format("{}", count));
  } catch (const std::exception&) {  // the failure being reported is the one that matters
  }
}

}  // namespace

bool run_steps(const Node& node, const vf::Pf& pf, const std::vector<ProvisionStep>& steps,
               const OnProgress& on_progress, std::chrono::milliseconds timeout) {
  Work work{node, vf::Host(node), kernel::Sysfs(node.sysfs), kernel::NlSocket(), pf, Clock::now(), timeout, on_progress,
            {}};
  const auto before = static_cast<std::uint32_t>(pf.vfs.size());
  try {
    for (const ProvisionStep& step : steps) {
      work.progress.step = &step;
      run_step(work, step);
      ++work.progress.index;
    }
  } catch (const Error&) {
    put_back(work, before);
    throw;
  }
  return work.has_carrier_again;
}

}  // namespace barewire::manager
