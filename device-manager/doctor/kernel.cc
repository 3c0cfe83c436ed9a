// SPDX-License-Identifier: Apache-2.0
// The kernel's part of the chain: the modules that offloaded flows are made of.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/fd.h"
#include "core/kernel/sysfs.h"
#include "device-manager/doctor/doctor.h"

namespace barewire::manager {

namespace {

struct Module {
  const char* name;
  const char* purpose;
};
constexpr std::array kOffload = {
    Module{"sch_ingress", "the hook filters hang on"}, Module{"cls_flower", "matches of offloaded flows"},
    Module{"act_mirred", "output to a port"}, Module{"act_vlan", "VLAN tags"}, Module{"act_tunnel_key", "tunnels"}};

bool is_listed(const std::string& file, const std::string& module) {
  const auto text = read_file(file);
  // Also compressed ones: ".ko.xz", ".ko.zst".
  return text && text->find("/" + module + ".ko") != std::string::npos;
}

/// Loaded, built in, or there to be loaded when it is needed.
bool is_available(const Node& node, const std::string& modules_dir, const std::string& module) {
  return kernel::Sysfs(node.sysfs).exists("module/" + module) || is_listed(modules_dir + "/modules.builtin", module) ||
         is_listed(modules_dir + "/modules.dep", module);
}

}  // namespace

void examine_kernel(const Node& node, const std::string& modules_dir, const ChainInUse& use, Findings& findings) {
  const bool offloads = use.switchdev || use.hw_offload;
  std::vector<std::string> missing;
  for (const Module& module : kOffload)
    if (!is_available(node, modules_dir, module.name))
      missing.push_back(fmt::format("{} ({})", module.name, module.purpose));
  if (missing.empty()) {
    findings.push_back({Verdict::good, "kernel", "has what offloaded flows are made of", ""});
  } else {
    findings.push_back({offloads ? Verdict::broken : Verdict::note, "kernel",
                        fmt::format("lacks {}", fmt::join(missing, ", ")),
                        "boot a kernel that has them: Debian's linux-image-amd64 does"});
  }
  if (is_available(node, modules_dir, "openvswitch"))
    findings.push_back({Verdict::good, "kernel", "has the datapath of Open vSwitch", ""});
  else
    findings.push_back({use.hw_offload ? Verdict::broken : Verdict::note, "kernel",
                        "lacks openvswitch, the kernel datapath", "bridges with datapath_type=netdev work without it"});
}

}  // namespace barewire::manager
