// SPDX-License-Identifier: Apache-2.0
// Each finding says what to type next; nothing is changed here.
#include "device-manager/doctor/doctor.h"

#include <sys/utsname.h>

#include <algorithm>

#include "core/kernel/devlink.h"
#include "core/kernel/netlink.h"
#include "core/kernel/sysfs.h"
#include "core/vf/inventory.h"

namespace barewire::manager {

namespace {

bool any_in_switchdev(const Node& node) {
  kernel::NlSocket socket;
  const auto pfs = vf::list_pfs(kernel::Sysfs(node.sysfs), socket);
  return std::any_of(pfs.begin(), pfs.end(), [](const vf::Pf& pf) {
    return kernel::find_eswitch_mode({"pci", pf.pci.address}) == kernel::EswitchMode::switchdev;
  });
}

}  // namespace

std::string_view text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return "ok";
    case Verdict::note:
      return "note";
    case Verdict::warning:
      return "warning";
    case Verdict::broken:
      return "broken";
  }
  return "";
}

std::string running_modules_dir() {
  utsname name{};
  ::uname(&name);
  return fmt::format("/lib/modules/{}", name.release);
}

Findings examine(const Node& node, const DoctorOptions& options) {
  const SwitchState state = ask_switch(options.switch_endpoint);
  // What the node shows an intention of: only that decides whether something missing is broken, or a note.
  const ChainInUse use{any_in_switchdev(node), state.hw_offload, state.dpdk_wanted};
  Findings findings;
  examine_kernel(node, options.modules_dir, use, findings);
  examine_nics(node, use, findings);
  examine_switch(state, use, findings);
  examine_flows(use, findings);
  examine_dpdk(node, findings);
  examine_memory(node, use, findings);
  examine_attachments(node, findings);
  return findings;
}

}  // namespace barewire::manager
