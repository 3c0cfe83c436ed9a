// SPDX-License-Identifier: Apache-2.0
/// `barewire apply`: makes the NICs as they are declared. Planned for all first, so that what is refused is refused
/// before anything is touched; each NIC is planned again under its lock.
#include "device-manager/state/apply.h"

#include <unistd.h>

#include <functional>

#include "core/fd.h"
#include "core/journal.h"
#include "device-manager/cli/plan_view.h"
#include "device-manager/cli/progress.h"
#include "device-manager/cli/session.h"
#include "device-manager/state/reader.h"
#include "device-manager/state/verify.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string file = declared::kDeclarationFile;
  bool dry_run = false;
  bool keep_going = false;
  std::string nic;  ///< empty: all
};

/// The worse of both: what was left undone on one NIC is not made good by the next.
void raise(Exit& exit, Exit other) {
  exit = std::max(exit, other);
}

void show(const Session& session, const PlanView& view) {
  if (view.rdma) session.print(fmt::format("would set the RDMA mode to {}\n", view.rdma->change.wanted));
  for (const auto& nic : view.plan.nics)
    for (const auto& step : nic.steps)
      session.print(fmt::format("{}: would {}\n", printable(nic.name), printable(step.describe(nic.name))));
  for (const auto& bridge : view.bridges)
    for (const declared::Change& each : bridge.changes)
      session.print(fmt::format("bridge {}: would change {} from {} to {}\n", printable(bridge.bridge->name),
                                printable(each.what), printable(each.now), printable(each.wanted)));
  if (view.pools) session.print("would write the pools of the node daemon\n");
  if (view.is_as_declared()) session.print("The node is as declared; nothing to do.\n");
}

void tell(const std::string& text) {
  write_all(STDERR_FILENO, text, "standard error");
}

/// What is not as declared and stays so, whatever is applied.
void tell_rest(Session& session, const PlanView& view) {
  if (view.rdma && !view.rdma->refusal.empty())
    tell(fmt::format("barewire: setting the RDMA mode declared at {} is refused: {}\n", printable(view.rdma->place),
                     printable(view.rdma->refusal)));
  for (const declared::Nic* nic : view.plan.absent) {
    tell(fmt::format("barewire: {}: no NIC of this node is like it\n", printable(nic->place())));
    raise(session.exit, Exit::problems);
  }
  for (const auto& nic : view.plan.nics) {
    for (const std::string& each : nic.refusals)
      tell(fmt::format("barewire: applying {} to {} is refused: {}\n", printable(nic.nic->place()), printable(nic.name),
                       printable(each)));
    if (!nic.nic->externally_managed || nic.is_as_declared()) continue;
    tell(fmt::format("barewire: {} is managed by others and not as declared: see `barewire plan`\n",
                     printable(nic.name)));
    raise(session.exit, Exit::problems);
  }
  for (const auto& bridge : view.bridges)
    for (const std::string& each : bridge.refusals)
      tell(fmt::format("barewire: making bridge {} is refused: {}\n", printable(bridge.bridge->name), printable(each)));
}

void apply(const Session& session, const declared::NicPlan& nic) {
  ProgressLines lines(session, nic.name);
  try {
    const bool changed = declared::apply_nic(session.node, *nic.nic, nic.address,
                                             [&](const manager::Progress& progress) { lines.show(progress); });
    lines.finish();
    if (changed)
      journal::record({.kind = journal::Kind::change,
                       .command = "apply",
                       .pf = nic.address,
                       .what = fmt::format("{} was made as declared at {}", nic.name, nic.nic->place())});
    session.print(fmt::format("{} is as declared{}\n", printable(nic.name), changed ? " now" : ""));
  } catch (const Error&) {
    lines.finish();  // the message gets a line of its own
    throw;
  }
}

/// What fails ends the run, or with --keep-going leaves the rest its turn.
void attempt(Session& session, const Options& options, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    if (!options.keep_going) throw;
    tell(error_text(error));
    raise(session.exit, exit_of(error) == Exit::refused ? Exit::problems : Exit::failed);
  }
}

/// Before the NICs: the RDMA devices of their VFs come into the mode that is declared.
void apply_rdma(Session& session, const PlanView& view, const Options& options) {
  if (!view.rdma || !view.rdma->refusal.empty()) return;
  attempt(session, options, [&] {
    if (!declared::apply_rdma(view.declaration)) return;
    journal::record({.kind = journal::Kind::change,
                     .command = "apply",
                     .what = fmt::format("the RDMA mode was set to {}", view.rdma->change.wanted)});
    session.print(fmt::format("RDMA mode is {} now\n", view.rdma->change.wanted));
  });
}

/// After the NICs: their uplinks are there, in the mode that is declared.
void apply_bridges(Session& session, const PlanView& view, const Options& options) {
  for (const declared::BridgePlan& each : view.bridges) {
    if (!each.refusals.empty()) continue;
    attempt(session, options, [&] {
      const bool changed = declared::apply_bridge(*each.bridge);
      session.print(fmt::format("bridge {} is as declared{}\n", printable(each.bridge->name), changed ? " now" : ""));
    });
  }
}

/// After it was made so, DPDK is asked where the declaration wants it.
void verify(Session& session, const declared::NicPlan& nic) {
  for (const declared::Doubt& doubt : declared::verify_groups(session.node, *nic.nic, nic.address)) {
    tell(fmt::format("barewire: {}\n", printable(doubt.text)));
    raise(session.exit, doubt.is_required ? Exit::failed : Exit::problems);
  }
}

/// One NIC that fails keeps the others from nothing but, without --keep-going, their turn.
void apply_all(Session& session, const PlanView& view, const Options& options) {
  for (const auto& nic : view.plan.nics) {
    if (nic.nic->externally_managed || !nic.refusals.empty()) continue;
    attempt(session, options, [&] {
      apply(session, nic);
      verify(session, nic);
    });
  }
}

/// What else is declared, or not there, is not asked about. A NIC that nobody declared leaves nothing to do.
void keep_one(declared::NodePlan& plan, const std::string& nic) {
  std::erase_if(plan.nics, [&](const declared::NicPlan& each) { return each.address != nic && each.name != nic; });
  plan.absent.clear();
}

void run(Session& session, const Options& options) {
  const auto declaration = declared::read_whole_declaration(options.file);
  auto problems = declaration.problems;
  declared::NodePlan plan;
  if (problems.empty()) {
    plan = declared::plan_node(declaration, declared::read_facts(session.node));
    problems = plan.problems;
  }
  if (!problems.empty()) {
    session.exit = Exit::refused;
    return tell(problems_text(problems));
  }
  // Of all NICs: those of the one are among them.
  const std::string pools = declared::pools_document(declaration, plan);
  if (!options.nic.empty()) keep_one(plan, options.nic);
  PlanView view{declaration, plan, declared::compare_pools(session.node, pools), {}, {}};
  if (options.nic.empty()) {  // one NIC alone has no bridge
    view.bridges = declared::try_plan_bridges(declaration);
    view.rdma = declared::plan_rdma(declaration);
  }
  if (declaration.is_empty() && !view.pools)
    return session.print(fmt::format("Nothing is declared in {}.\n", options.file));
  tell_rest(session, view);
  if (view.is_refused()) {
    session.exit = options.keep_going ? Exit::problems : Exit::refused;
    if (!options.keep_going) return tell("barewire: nothing was touched; --keep-going does the other NICs\n");
  }
  if (options.dry_run) return show(session, view);
  apply_rdma(session, view, options);
  apply_all(session, view, options);
  apply_bridges(session, view, options);
  declared::write_pools(session.node, pools);
}

constexpr const char* kExamples = R"(Examples:
  barewire apply --dry-run        the steps that would be taken
  barewire apply                  makes the node as /etc/barewire/node.json and node.d say
  barewire apply --nic ens1f0     one of them, as udev does for a card that comes later
  barewire apply --keep-going     as the boot unit does: what is refused on one NIC stops no other

Killed at any moment it leaves nothing that the next run does not go on with.)";

}  // namespace

void add_apply_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("apply", "Make the NICs as they are declared");
  const auto options = std::make_shared<Options>();
  command->add_option("--file", options->file, "The declaration (/etc/barewire/node.json)")->type_name("FILE");
  command->add_option("--nic", options->nic, "This NIC alone, by its PCI address or netdev")->type_name("NIC");
  command->add_flag("--keep-going", options->keep_going, "Do the other NICs when one is refused or fails");
  command->add_flag("-n,--dry-run", options->dry_run, "Say what would be done, do nothing");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
