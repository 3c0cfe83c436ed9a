// SPDX-License-Identifier: Apache-2.0
// A report is only as good as the binding that it is of: everything else is "not known", never "cannot".
#include "core/vf/dpdk_report.h"

#include <sys/stat.h>

#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/json_view.h"
#include "core/regular_file.h"
#include "core/run_directory.h"

namespace barewire::vf {
namespace {

namespace json = boost::json;

std::string path_of(const Node& node, const std::string& address) {
  return fmt::format("{}/dpdk/{}.json", node.run_dir, address);
}

std::string id_text(const kernel::PciFunction& pci) {
  return fmt::format("{:04x}:{:04x}", pci.vendor, pci.device);
}

bool is_of(const JsonView& device, const Node& node, const kernel::PciFunction& pci) {
  const std::string binding = dpdk_binding(kernel::Sysfs(node.sysfs), pci.address);
  return !binding.empty() && device.string_or("binding", "") == binding && device.string_or("id", "") == id_text(pci) &&
         device.string_or("kernelDriver", "") == pci.driver && device.string_or("pci", "") == pci.address;
}

DpdkReport parse(const JsonView& view) {
  DpdkReport report;
  report.usable = view.at("usable").boolean();
  report.problem = view.string_or("problem", "");
  report.hint = view.string_or("hint", "");
  const auto ports = view.at("ports").array();
  if (ports.empty()) return report;
  report.driver = ports.front().string_or("driver", "");
  if (const auto in_switch = ports.front().find("switch")) {
    constexpr std::int64_t kMost = 0xffff;
    report.switch_domain = static_cast<std::uint32_t>(in_switch->at("domain").integer(0, kMost, "a switch domain"));
  }
  return report;
}

}  // namespace

std::string dpdk_binding(const kernel::Sysfs& sysfs, const std::string& address) {
  struct stat entry {};
  const std::string path = sysfs.path(fmt::format("bus/pci/devices/{}/driver", address));
  return ::lstat(path.c_str(), &entry) == 0 ? fmt::format("{}", entry.st_ino) : std::string();
}

std::optional<DpdkReport> find_dpdk_report(const Node& node, const kernel::PciFunction& pci) {
  const auto bytes = read_roots_file(path_of(node, pci.address));
  if (!bytes) return std::nullopt;
  try {
    const json::value value = parse_json(*bytes, "DPDK report");
    const JsonView view(value, "key of the DPDK report", Error::Code::state);
    if (!is_of(view.at("device"), node, pci)) return std::nullopt;
    DpdkReport report = parse(view);
    report.document = value.as_object();
    return report;
  } catch (const Error&) {  // damaged, or of another version of ours: as if it had not been asked
    return std::nullopt;
  }
}

std::optional<DpdkReport> find_dpdk_report(const Node& node, const std::string& address) {
  const auto pci = kernel::find_pci_function(kernel::Sysfs(node.sysfs), address);
  return pci ? find_dpdk_report(node, *pci) : std::nullopt;
}

void save_dpdk_report(const Node& node, const std::string& address, const json::object& document) {
  make_run_directory(node.run_dir, "dpdk");
  write_file_atomically(path_of(node, address), json::serialize(document) + "\n", Durability::until_reboot);
}

}  // namespace barewire::vf
