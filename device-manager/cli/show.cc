// SPDX-License-Identifier: Apache-2.0
/// `barewire show`.
/// One argument of several kinds, tried in an order in which none hides another: a VF, a PF, and last NAMESPACE/NAME,
/// which no device is called.
#include <boost/json/object.hpp>

#include "core/cni/life.h"
#include "device-manager/cli/list_view.h"
#include "device-manager/cli/session.h"
#include "device-manager/cli/show_view.h"
#include "device-manager/dpdk/ask.h"
#include "device-manager/dpdk/report_text.h"
#include "device-manager/drift.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string device;
  std::string output = "text";
  bool dpdk = false;
};

boost::json::value alive_json(const manager::VfEntry& vf, const Look& dead) {
  // null is "nobody knows", in JSON as everywhere: a program must not take it for dead.
  if (!vf.holder || dead.is_unknown()) return nullptr;
  return dead.is_no();
}

void show_vf(Session& session, const Options& options, manager::PfEntry pf) {
  const state::Store store(session.node.run_dir);
  const manager::VfEntry& vf = pf.vfs.front();
  const Look dead = vf.holder ? is_dead(*vf.holder) : Look::no();
  if (options.output == "text") {
    const std::string path = vf.holder ? store.path_of(vf.holder->id) : "";
    session.print(render(describe_vf(pf, vf, dead, path), session.terminal));
  } else {
    boost::json::object document = to_json(vf);
    document["pf"] = pf.name();
    document["pfPci"] = pf.pf.pci.address;
    document["netnsAlive"] = alive_json(vf, dead);
    document["record"] = vf.holder ? state::to_json(*vf.holder) : boost::json::value(nullptr);
    session.print_json(document);
  }
  // Not being able to tell is a problem too: somebody has to look.
  if (vf.state == manager::VfState::drifted || !dead.is_no()) session.exit = Exit::problems;
}

void show_pf(Session& session, const Options& options, const manager::PfEntry& pf) {
  if (options.output == "json") return session.print_json(to_json(pf));
  std::string text = render(describe_pf(pf), session.terminal);
  manager::Snapshot snapshot;
  snapshot.pfs.push_back(pf);
  text += "\n" + render_list(snapshot, {}, session.terminal);
  session.print(text);
}

/// Everything that a pod has, or that is promised to it.
void show_pod(Session& session, const Options& options) {
  const state::Store store(session.node.run_dir);
  const manager::Filter filter{.pods = {options.device}};
  const auto found = apply(filter, manager::take_snapshot(session.node, manager::drift_finders(session.node)));
  if (found.pfs.empty() && found.others.empty())
    throw Error(Error::Code::device, fmt::format("no device of this node belongs to pod {}", options.device),
                "`barewire list --all` shows those that have one");
  if (options.output == "json") return session.print_json(to_json(found));
  std::vector<Section> sections;
  const auto add = [&](std::vector<Section> more) {
    for (Section& section : more) sections.push_back(std::move(section));
  };
  for (const manager::PfEntry& pf : found.pfs)
    for (const manager::VfEntry& vf : pf.vfs)
      add(describe_vf(pf, vf, vf.holder ? is_dead(*vf.holder) : Look::no(),
                      vf.holder ? store.path_of(vf.holder->id) : ""));
  for (const manager::OtherAttachment& other : found.others)
    add(describe_attachment(other.attachment, is_dead(other.attachment), store.path_of(other.attachment.id)));
  session.print(render(sections, session.terminal));
}

/// A VF by its address, or by its netdev while that is on the host.
std::optional<vf::VfOfPf> find_vf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& name) {
  if (auto vf = vf::find_vf(sysfs, socket, name)) return vf;
  // It becomes a part of a path below /sys.
  if (name.find('/') != std::string::npos) return std::nullopt;
  const auto address = sysfs.link_name(fmt::format("class/net/{}/device", name));
  return address ? vf::find_vf(sysfs, socket, *address) : std::nullopt;
}

/// What barewire-dpdk-probe learnt; nothing is asked of DPDK here.
void show_dpdk(Session& session, const Options& options, const kernel::PciFunction& pci) {
  const auto report = vf::find_dpdk_report(session.node, pci);
  if (!report || !report->usable) session.exit = Exit::problems;
  if (options.output == "json")
    return session.print_json(report ? boost::json::value(report->document) : boost::json::value(nullptr));
  if (report) return session.print(dpdk::text_of(report->document));
  session.print(fmt::format("What DPDK can do with {} is not known: `barewire-dpdk-probe {}` asks it.\n", pci.address,
                            pci.address));
}

/// By its address, or by its netdev while that is on the host.
std::optional<kernel::PciFunction> find_function(const kernel::Sysfs& sysfs, const std::string& name) {
  if (const auto address = kernel::normalise_pci_address(name)) return kernel::find_pci_function(sysfs, *address);
  if (name.find('/') != std::string::npos) return std::nullopt;
  const auto address = sysfs.link_name(fmt::format("class/net/{}/device", name));
  return address ? kernel::find_pci_function(sysfs, *address) : std::nullopt;
}

void run(Session& session, const Options& options) {
  kernel::NlSocket socket;
  const kernel::Sysfs sysfs(session.node.sysfs);
  if (options.dpdk) {
    if (const auto pci = find_function(sysfs, options.device)) return show_dpdk(session, options, *pci);
    throw Error(Error::Code::device, fmt::format("{} is no PCI device of this node", options.device));
  }
  const auto finders = manager::drift_finders_of_vfs(session.node);
  if (auto vf = find_vf(sysfs, socket, options.device)) {
    return show_vf(session, options, manager::describe_pf(session.node, socket, std::move(vf->pf), finders.of_vf));
  }
  if (auto pf = vf::find_pf(sysfs, socket, options.device)) {
    return show_pf(session, options, manager::describe_pf(session.node, socket, std::move(*pf), finders.of_vf));
  }
  if (options.device.find('/') != std::string::npos) return show_pod(session, options);
  throw Error(Error::Code::device, fmt::format("{} is neither a VF nor a NIC that can have VFs", options.device),
              "`barewire list` shows those of this node; a VF is named by its PCI address or its netdev, a pod as "
              "NAMESPACE/NAME");
}

constexpr const char* kExamples = R"(Examples:
  barewire show 0000:01:10.3           one VF: attributes, holder, original state, drift
  barewire show ens1f0                 one PF, by name or PCI address
  barewire show default/web-0          what a pod has, and what is promised to it
  barewire show 0000:01:10.3 -o json   with the whole record
  barewire show --dpdk 0000:01:10.3    what DPDK can do with it, as it was last asked)";

}  // namespace

void add_show_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("show", "Show all that is known of one VF, PF or pod");
  const auto options = std::make_shared<Options>();
  command->add_option("device", options->device, "PCI address or netdev of a VF or PF, or NAMESPACE/POD")
      ->required()
      ->type_name("DEVICE");
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--dpdk", options->dpdk, "Show what barewire-dpdk-probe learnt of the device");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
