// SPDX-License-Identifier: Apache-2.0
/// `barewire plan`: the declared state against the node, and what `barewire apply` would do. Reads only.
#include <unistd.h>

#include "core/fd.h"
#include "device-manager/cli/plan_view.h"
#include "device-manager/cli/session.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"

namespace barewire::cli {
namespace {

struct Options {
  std::string file = declared::kDeclarationFile;
  std::string output = "text";
};

void run(Session& session, const Options& options) {
  const auto declaration = declared::read_whole_declaration(options.file);
  declared::NodePlan plan;
  if (declaration.problems.empty())
    plan = declared::plan_node(declaration, declared::read_facts(session.node));
  else
    plan.problems = declaration.problems;
  PlanView view{declaration, plan, {}, {}, {}};
  if (plan.problems.empty()) {
    view.bridges = declared::try_plan_bridges(declaration);
    view.rdma = declared::plan_rdma(declaration);
    view.pools = declared::compare_pools(session.node, declared::pools_document(declaration, plan));
  }
  const bool refused = !plan.problems.empty() || view.is_refused();
  session.exit = refused ? Exit::refused : view.is_as_declared() ? Exit::ok : Exit::problems;
  if (options.output == "json") return session.print_json(plan_json(view));
  if (!plan.problems.empty()) return write_all(STDERR_FILENO, problems_text(plan.problems), "standard error");
  if (declaration.is_empty() && !view.pools)
    return session.print(fmt::format("Nothing is declared in {}.\n", options.file));
  session.print(render_plan(view, session.terminal));
  if (view.is_as_declared()) session.print("The node is as declared.\n");
}

constexpr const char* kExamples = R"(Examples:
  barewire plan                          how the node differs from /etc/barewire/node.json and node.d
  barewire plan --file try.json          from a declaration that is not in force yet
  barewire plan -o json                  for a program

Exit status: 0 as declared; 1 it differs; 3 the declaration is wrong, or applying it would be refused.)";

}  // namespace

void add_plan_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("plan", "Show how the NICs differ from what is declared, and what apply would do");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("--file", options->file, "The declaration (/etc/barewire/node.json)")->type_name("FILE");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
