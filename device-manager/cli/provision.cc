// SPDX-License-Identifier: Apache-2.0
/// `barewire provision`.
/// Plans and shows; the work is device-manager/provision.cc. The facts are read twice: here for what is shown, and
/// again under the PF's lock for what is done.
#include "device-manager/provision.h"

#include <unistd.h>

#include <optional>

#include "core/fd.h"
#include "core/journal.h"
#include "device-manager/cli/progress.h"
#include "device-manager/cli/session.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"

namespace barewire::cli {
namespace {

struct Options {
  manager::ProvisionRequest request;
  bool dry_run = false;
  bool save = false;
};

void provision(const Session& session, const Options& options) {
  kernel::NlSocket socket;
  const auto facts = manager::read_pf_facts(session.node, socket, options.request.pf);
  const std::string& name = facts.pf.link ? facts.pf.link->name : facts.pf.pci.address;
  const auto steps = manager::plan_provision(options.request, facts);
  if (steps.empty())
    return session.print(fmt::format("{} has {} VFs as asked; nothing to do\n", name, facts.pf.vfs.size()));
  if (options.dry_run) {
    for (const auto& step : steps) session.print(fmt::format("would {}\n", step.describe(name)));
    return;
  }
  ProgressLines lines(session, name);
  bool has_carrier_again = true;
  try {
    has_carrier_again = manager::provision(session.node, options.request,
                                           [&](const manager::Progress& progress) { lines.show(progress); });
  } catch (const Error&) {
    lines.finish();  // the message gets a line of its own
    throw;
  }
  lines.finish();
  journal::record({.kind = journal::Kind::change,
                   .command = "provision",
                   .pf = facts.pf.pci.address,
                   .what = fmt::format("{} was given {} VFs", name, options.request.vfs)});
  session.print(fmt::format("{} has {} VFs{}\n", name, options.request.vfs,
                            has_carrier_again ? "" : ", and not yet the carrier that it had before"));
}

/// Also when nothing was to be done: what is there is to be there after the next boot.
void save(const Session& session, const declared::Saved& saved, bool dry_run) {
  if (!dry_run) saved.write();
  session.print(fmt::format("{} {}\n", dry_run ? "would save it in" : "saved in", saved.path()));
}

void run(Session& session, const Options& options) {
  std::optional<declared::Saved> saved;
  if (options.save) saved.emplace(session.node, declared::kDeclarationFile, options.request);
  provision(session, options);
  if (saved) save(session, *saved, options.dry_run);
}

constexpr const char* kExamples = R"(Examples:
  barewire provision ens1f0 --vfs 7                      seven VFs on the kernel's own driver
  barewire provision ens1f0 --vfs 7 --mtu 9000           with jumbo frames
  barewire provision ens1f0 --vfs 4 --driver vfio-pci    for DPDK
  barewire provision ens1f0 --vfs 7 --save               and again after every boot
  barewire provision ens1f0 --vfs 0 --dry-run            what removing them would do)";

}  // namespace

void add_provision_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("provision", "Create the virtual functions of a PF");
  const auto options = std::make_shared<Options>();
  command->add_option("pf", options->request.pf, "The PF, by name or PCI address")->required()->type_name("PF");
  command->add_option("--vfs", options->request.vfs, "How many VFs it shall have; 0 removes them")
      ->required()
      ->type_name("N")
      ->check(CLI::Range(0U, 65535U));
  command->add_option("--mtu", options->request.mtu, "MTU of every VF, and of the PF at least")
      ->type_name("BYTES")
      ->check(CLI::Range(68U, 65535U));
  command->add_option("--driver", options->request.driver, "Driver to bind every VF to")->type_name("DRIVER");
  command->add_flag("-n,--dry-run", options->dry_run, "Say what would be done, do nothing");
  command->add_flag("--save", options->save,
                    "Also write it into /etc/barewire/node.d, for `barewire apply` at each boot");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
