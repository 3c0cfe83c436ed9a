// SPDX-License-Identifier: Apache-2.0
/// `barewire status`: is this node fine, and what next. Reads only; VFs are compared with the kernel as `list` does.
#include "core/policy/file.h"
#include "device-manager/cli/session.h"
#include "device-manager/cli/status_view.h"
#include "device-manager/drift.h"
#include "device-manager/liveness.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"

namespace barewire::cli {
namespace {

/// As `barewire gc`: an ADD that is at work is no leftover.
constexpr std::chrono::seconds kMinAge{60};

struct Options {
  std::string output = "text";
  bool own_pid_namespace = false;
};

Looked look(const Node& node, const Options& options) {
  Looked looked{manager::take_snapshot(node, manager::drift_finders_of_vfs(node)), std::nullopt, {}};
  try {
    if (!options.own_pid_namespace) manager::require_every_process();
    looked.plan = manager::plan_reaping(node, std::chrono::system_clock::now(), kMinAge);
    std::erase_if(looked.plan->attachments, [](const auto& dead) { return !dead.ripe; });
  } catch (const Error& error) {
    looked.blind = error.what();
  }
  return looked;
}

/// A policy that cannot be read stops every ADD.
void look_at_policy(const Node& node, Status& status) {
  try {
    if (policy::read_policy(node.policy_file)) status.policy = node.policy_file;
  } catch (const Error& error) {
    status.policy = node.policy_file;
    status.concerns.push_back({fmt::format("every ADD is refused: {}", error.what()), error.hint()});
  }
}

void run(Session& session, const Options& options) {
  Status status = assess(look(session.node, options));
  look_at_policy(session.node, status);
  for (const std::string& each : declared::find_drift(session.node, declared::kDeclarationFile))
    status.concerns.push_back({each, "barewire plan"});
  if (!status.concerns.empty()) session.exit = Exit::problems;
  if (options.output == "json") return session.print_json(to_json(status));
  session.print(render_status(status, session.terminal));
}

constexpr const char* kExamples = R"(Examples:
  barewire status             one screen: VFs by state, and each thing that wants somebody
  barewire status -o json     for monitoring; the exit status is 1 when something wants a look)";

}  // namespace

void add_status_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("status", "Say whether this node is fine, and what to do next");
  const auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Form of the output (text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--own-pid-namespace", options->own_pid_namespace,
                    "Every pod's processes are to be seen, though this is not the host's PID namespace");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
