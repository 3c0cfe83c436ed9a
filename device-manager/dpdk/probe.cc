// SPDX-License-Identifier: Apache-2.0
// Refusals come from sysfs and records, before the EAL is started: it would take a device from its kernel driver's
// user.
#include "device-manager/dpdk/probe.h"

#include <sys/wait.h>

#include <boost/json/array.hpp>

#include "core/json_view.h"
#include "core/utf8.h"
#include "core/vf/dpdk_report.h"
#include "core/vf/host.h"
#include "core/vf/inventory.h"
#include "device-manager/dpdk/preflight.h"
#include "device-manager/dpdk/supervise.h"
#include "device-manager/dpdk/worker.h"
#include "hw-profiles/nic.h"

namespace barewire::dpdk {
namespace {

namespace json = boost::json;

constexpr int kReportFormat = 1;

/// A device that is to be probed, and whose it is.
struct Device {
  kernel::PciFunction pci;
  std::string lock;  ///< address of the PF
  hw::Profile profile;
};

std::string address_of(const kernel::Sysfs& sysfs, const std::string& device) {
  if (auto address = kernel::normalise_pci_address(device)) return *address;
  // It becomes a part of a path below /sys.
  const auto address = device.find('/') == std::string::npos
                           ? sysfs.link_name(fmt::format("class/net/{}/device", device))
                           : std::nullopt;
  if (address && kernel::normalise_pci_address(*address)) return *address;
  throw Error(Error::Code::device, fmt::format("{} is neither a PCI address nor a netdev of this node", device),
              "`barewire list` shows addresses; --vdev is for virtual devices");
}

void require_unused(const Node& node, vf::Host& host, const kernel::PciFunction& pci) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Error::Code::held, fmt::format("probing {} is refused: {}", pci.address, why),
                "it can be probed when it is free");
  };
  const auto foreign = vf::foreign_state(node);
  if (const auto vf = vf::find_vf(host.sysfs, host.socket, pci.address)) {
    const auto finding = vf::find_use(vf->vf, host.store, host.socket, foreign);
    if (finding.use == vf::UseOfVf::unbound)
      throw Error(Error::Code::unsupported_by_nic, fmt::format("{} has no driver", pci.address),
                  "bind it to vfio-pci, as `barewire provision … --driver vfio-pci` does");
    if (finding.use != vf::UseOfVf::free) refuse(finding.why);
  }
  if (const auto holder = host.store.holding(pci.address))
    refuse(fmt::format("attachment {} holds it", holder->text()));
  if (const auto user = vf::find_vfio_user(pci, foreign.vfio_dir)) refuse(*user);
}

void require_way(const Device& device) {
  if (way_of(device.pci, device.profile) != Way::none) return;
  const std::string wanted = driver_for_dpdk(device.profile);
  throw Error(Error::Code::unsupported_by_nic,
              fmt::format("{} is on {}, which keeps DPDK out", device.pci.address,
                          device.pci.driver.empty() ? "no driver" : "driver " + device.pci.driver),
              fmt::format("bind it to {}", wanted.empty() ? "its kernel driver" : wanted));
}

Device find_device(const Node& node, vf::Host& host, const std::string& address) {
  auto pci = kernel::find_pci_function(host.sysfs, address);
  if (!pci) throw Error(Error::Code::device, fmt::format("there is no PCI function {}", address));
  if (auto vf = vf::find_vf(host.sysfs, host.socket, address))
    return {std::move(*pci), vf->pf.pci.address, hw::find_nic(node, vf->pf).profile};
  auto pf = vf::find_pf_alone(host.sysfs, host.socket, address);
  if (pf) return {std::move(*pci), address, hw::find_nic(node, *pf).profile};
  auto profile = hw::find_profile({pci->vendor, pci->device}, pci->driver, {.site_dir = node.profile_dir, .link = {}});
  return {std::move(*pci), address, std::move(profile)};
}

std::vector<std::string> arguments_for(const Question& question) {
  return {"barewire-dpdk-probe",          "--worker", question.pci, question.vdev, question.isolated ? "1" : "0",
          question.huge_pages ? "1" : "0"};
}

/// The lines that say what went wrong; of the rest people can make nothing.
json::array complaints_of(const std::string& log) {
  constexpr std::size_t kMost = 20;
  json::array lines;
  std::size_t from = 0;
  while (from < log.size() && lines.size() < kMost) {
    const std::size_t end = std::min(log.find('\n', from), log.size());
    const std::string line = escape_line(log.substr(from, end - from));
    // EAL's usual words, of every start.
    const bool usual =
        line.find("Detected ") != std::string::npos || line.find("Multi-process") != std::string::npos ||
        line.find("Selected IOVA") != std::string::npos || line.find("VFIO support") != std::string::npos ||
        line.find("Probe PCI driver") != std::string::npos || line.find("Using IOMMU type") != std::string::npos;
    if (!line.empty() && !usual) lines.emplace_back(line);
    from = end + 1;
  }
  return lines;
}

std::string last_of(const json::array& lines) {
  return lines.empty() ? std::string() : std::string(lines.back().as_string());
}

/// Throws when nothing was learnt.
json::object ask(const Question& question, const std::string& name, std::chrono::milliseconds limit,
                 const std::string& hint) {
  const WorkerEnd end = run_worker(arguments_for(question), limit);
  json::array complaints = complaints_of(end.log);
  const auto fail = [&](const std::string& how) {
    const std::string last = last_of(complaints);
    throw Error(Error::Code::delegate,
                fmt::format("probing {} failed: DPDK {}{}", name, how, last.empty() ? "" : ": " + last), hint);
  };
  if (end.timed_out) fail(fmt::format("took longer than {} ms and was stopped", limit.count()));
  if (WIFSIGNALED(end.status)) fail(fmt::format("died of signal {}", WTERMSIG(end.status)));
  if (WEXITSTATUS(end.status) != 0 || end.answer.empty()) fail("did not start");
  json::object told = parse_json(end.answer, "what the worker says").as_object();
  told["log"] = std::move(complaints);
  return told;
}

void judge(json::object& report) {
  const json::value whole = report;
  std::string problem;
  const auto ports = JsonView(whole).at("ports").array();
  if (ports.empty()) problem = "no driver of DPDK takes it";
  if (ports.empty() && !report["log"].as_array().empty()) problem += ": " + last_of(report["log"].as_array());
  for (const JsonView& port : ports)
    if (!port.boolean_or("starts", false) && problem.empty())
      problem =
          fmt::format("port {} does not start: {}", port.string_or("name", ""), port.string_or("startProblem", ""));
  report["usable"] = problem.empty();
  report["problem"] = problem.empty() ? json::value(nullptr) : json::value(problem);
  const bool no_driver = ports.empty();
  report["hint"] = !problem.empty() && no_driver
                       ? json::value("Debian's drivers are in librte-meta-net; -o json has DPDK's own words in \"log\"")
                       : json::value(nullptr);
}

json::object surroundings(const kernel::Sysfs& sysfs) {
  const HugePages pages = count_huge_pages(sysfs);
  return {{"hugePages", json::object{{"total", pages.total}, {"free", pages.free}}}};
}

json::object make_report(const Node& node, json::object device, json::object told) {
  json::object report{{"format", kReportFormat}, {"device", std::move(device)}};
  report["node"] = surroundings(kernel::Sysfs(node.sysfs));
  for (auto& each : told) report[each.key()] = std::move(each.value());
  judge(report);
  return report;
}

json::object describe(const kernel::Sysfs& sysfs, const Device& device) {
  const kernel::PciFunction& pci = device.pci;
  return {{"pci", pci.address},
          {"id", fmt::format("{:04x}:{:04x}", pci.vendor, pci.device)},
          {"kernelDriver", pci.driver},
          {"bifurcated", way_of(pci, device.profile) == Way::bifurcated},
          {"iommuGroup", pci.iommu_group ? json::value(*pci.iommu_group) : json::value(nullptr)},
          {"binding", vf::dpdk_binding(sysfs, pci.address)}};
}

/// Without the EAL: it would only say so in its log.
json::object report_obstacle(const Node& node, json::object device, const Obstacle& obstacle) {
  json::object report = make_report(node, std::move(device), {{"ports", json::array()}, {"log", json::array()}});
  report["dpdk"] = nullptr;
  report["problem"] = obstacle.text;
  report["hint"] = obstacle.hint;
  return report;
}

}  // namespace

json::object probe_device(const Node& node, const std::string& name, std::chrono::milliseconds limit, bool keep) {
  vf::Host host(node);
  const std::string address = address_of(host.sysfs, name);
  const auto lock = host.store.lock_device(find_device(node, host, address).lock);
  const Device device = find_device(node, host, address);
  require_unused(node, host, device.pci);
  require_way(device);
  const bool physical = needs_physical_addresses(host.sysfs, device.pci);
  json::object told;
  if (const auto obstacle = find_iommu_obstacle(host.sysfs, device.pci)) {
    told = report_obstacle(node, describe(host.sysfs, device), *obstacle);
  } else {
    const Question question{
        .pci = address, .isolated = way_of(device.pci, device.profile) == Way::bifurcated, .huge_pages = physical};
    told = make_report(node, describe(host.sysfs, device),
                       ask(question, address, limit,
                           physical ? "without an IOMMU it takes huge pages: `sysctl vm.nr_hugepages=64`" : ""));
  }
  if (keep) vf::save_dpdk_report(node, address, told);
  return told;
}

json::object probe_virtual(const Node& node, const std::string& vdev, std::chrono::milliseconds limit) {
  const Question question{.vdev = vdev};
  return make_report(node, {{"vdev", vdev}}, ask(question, vdev, limit, ""));
}

}  // namespace barewire::dpdk
