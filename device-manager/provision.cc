// SPDX-License-Identifier: Apache-2.0
// The kernel changes sriov_numvfs from or to 0 only, so every VF dies in between: refused while one is in use.
#include "device-manager/provision.h"

#include <algorithm>
#include <future>
#include <set>
#include <thread>

#include "core/kernel/address.h"

namespace barewire::manager {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{100};  ///< between looks while VFs appear

/// How long a VF may stay without a driver before that is taken for the administrator's will (no module, or
/// sriov_drivers_autoprobe off).
constexpr std::chrono::seconds kDriverPatience{5};

/// `index` and everything that stands on it: bond, bridge, VLANs.
std::set<int> stacked_on(const std::vector<kernel::Link>& links, int index) {
  std::set<int> stack{index};
  for (std::size_t before = 0; before != stack.size();) {
    before = stack.size();
    for (const kernel::Link& link : links) {
      if (stack.contains(link.index) && link.master != 0) stack.insert(link.master);
      if (link.parent != 0 && link.kind != "veth" && stack.contains(link.parent)) stack.insert(link.index);
    }
  }
  return stack;
}

std::optional<std::string> find_default_route(kernel::NlSocket& socket, const vf::Pf& pf) {
  if (!pf.link) return std::nullopt;
  const auto links = kernel::list_links(socket);
  const auto stack = stacked_on(links, pf.link->index);
  // Any table: policy routing may send the node's traffic by another than main.
  constexpr std::uint32_t kAllTables = 0;
  for (const kernel::RouteInfo& route : kernel::list_routes(socket, 0, kAllTables)) {
    if (!route.destination.is_default() || !stack.contains(route.index)) continue;
    const auto link =
        std::find_if(links.begin(), links.end(), [&](const auto& each) { return each.index == route.index; });
    return fmt::format("the default route leaves by {}", link == links.end() ? pf.link->name : link->name);
  }
  return std::nullopt;
}

/// The work of one call: what every step needs.
struct Work {
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

void await_carrier(Work& work) {
  const auto end = Clock::now() + kCarrierTimeout;
  while (true) {
    work.tell(0, 0);
    const auto link = kernel::find_link(work.socket, work.pf.link->index);
    work.has_carrier_again = link && link->carrier;
    if (work.has_carrier_again || Clock::now() >= end) return;
    std::this_thread::sleep_for(kPause);
  }
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
      return kernel::set_mtu(work.socket, kernel::get_link(work.socket, work.name()), step.number);
    case StepKind::bind_driver:
      return kernel::bind_driver(work.sysfs, address_of(work, step.vf), step.text);
    case StepKind::set_vf_mtu:
      return set_vf_mtu(work, step);
    case StepKind::wait_for_carrier:
      return await_carrier(work);
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

PfFacts read_pf_facts(const Node& node, kernel::NlSocket& socket, const std::string& name) {
  const kernel::Sysfs sysfs(node.sysfs);
  auto pf = vf::find_pf(sysfs, socket, name);
  if (!pf) {
    throw Error(Error::Code::device, fmt::format("{} is no NIC that can have VFs", name),
                "`barewire list` shows those of this node; SR-IOV may be off in the firmware settings");
  }
  PfFacts facts;
  const state::Store store(node.run_dir);
  for (const vf::Vf& vf : pf->vfs) {
    const auto finding = vf::find_use(vf, store, socket, vf::foreign_state(node));
    const bool usable = finding.use == vf::UseOfVf::free || finding.use == vf::UseOfVf::unbound;
    facts.in_use.push_back(usable ? std::nullopt : std::optional(finding.why));
  }
  facts.default_route = find_default_route(socket, *pf);
  facts.drivers = sysfs.list("bus/pci/drivers");
  facts.pf = std::move(*pf);
  return facts;
}

bool provision(const Node& node, const ProvisionRequest& request, const OnProgress& on_progress,
               std::chrono::milliseconds timeout) {
  Work work{kernel::Sysfs(node.sysfs), kernel::NlSocket(), {}, Clock::now(), timeout, on_progress, {}};
  const std::string address = read_pf_facts(node, work.socket, request.pf).pf.pci.address;
  // The lock of every ADD and DEL on this PF. What was read before it is read again.
  const auto lock = state::Store(node.run_dir).lock_device(address);
  const PfFacts facts = read_pf_facts(node, work.socket, address);
  const auto before = static_cast<std::uint32_t>(facts.pf.vfs.size());
  const auto steps = plan_provision(request, facts);
  work.pf = facts.pf;
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
