// SPDX-License-Identifier: Apache-2.0
/// `barewire gc`.
/// Works from one plan: what is shown by --dry-run is what a run without it would try. Each of them is decided again,
/// under its lock, before it is touched.
#include <algorithm>

#include "device-manager/cli/session.h"
#include "device-manager/liveness.h"
#include "device-manager/peer_pods.h"
#include "device-manager/reaper.h"

namespace barewire::cli {
namespace {

struct Options {
  bool dry_run = false;
  // Old enough that an ADD which was recorded and not yet finished is not taken for a leftover.
  std::int64_t min_age = 60;  ///< seconds
  bool own_pid_namespace = false;
};

std::string name_of(const state::Attachment& attachment) {
  return printable(fmt::format("attachment {} ({}), whose netns {} is gone", attachment.text(), attachment.id.plugin,
                               attachment.netns));
}

std::string foresee(const manager::ReapPlan& plan) {
  std::string text;
  for (const manager::DeadAttachment& dead : plan.attachments) {
    if (dead.ripe) text += fmt::format("would delete {}\n", name_of(dead.attachment));
  }
  for (const state::Claim& claim : plan.claims) text += fmt::format("would release the claim on {}\n", claim.device);
  return text;
}

std::string waiting(const manager::ReapPlan& plan, const Options& options) {
  std::string text;
  for (const manager::DeadAttachment& dead : plan.attachments) {
    if (dead.ripe) continue;
    text += fmt::format("left {}: since {}, which is less than {} s ago\n", name_of(dead.attachment),
                        dead.attachment.since, options.min_age);
  }
  return text;
}

void report_unseen(Session& session, const manager::ReapPlan& plan) {
  for (const manager::Unseen& unseen : plan.unseen)
    session.print(fmt::format("could not look at {}: {}\n", printable(unseen.what), printable(unseen.why)));
  if (!plan.unseen.empty()) session.exit = Exit::problems;
}

void report(Session& session, const manager::Reaped& reaped) {
  if (reaped.left) return session.print(fmt::format("left {}: {}\n", printable(reaped.what), printable(*reaped.left)));
  if (!reaped.error) return session.print(fmt::format("deleted {}\n", printable(reaped.what)));
  session.print(fmt::format("could not delete {}: {}\n", printable(reaped.what), printable(*reaped.error)));
  session.exit = Exit::problems;
}

void run(Session& session, const Options& options) {
  // First of all: in a container with a PID namespace of its own every pod's netns would look dead.
  if (!options.own_pid_namespace) manager::require_every_process();
  const auto plan =
      manager::plan_reaping(session.node, std::chrono::system_clock::now(), std::chrono::seconds(options.min_age));
  const auto peers = manager::find_dead_peer_pods(session.node);
  const std::string left = waiting(plan, options);
  std::string foreseen = foresee(plan);
  for (const auto& pod : peers) foreseen += fmt::format("would delete {}\n", printable(manager::name_of(pod)));
  if (options.dry_run) {
    session.print(foreseen);
  } else {
    for (const auto& dead : plan.attachments) {
      if (dead.ripe) report(session, manager::reap(session.node, dead.attachment));
    }
    for (const auto& pod : peers) report(session, manager::reap(session.node, pod));
    for (const auto& claim : plan.claims) report(session, manager::reap(session.node, claim));
  }
  session.print(left);
  report_unseen(session, plan);
  if (foreseen.empty() && left.empty() && plan.unseen.empty()) session.print("Nothing to collect.\n");
}

constexpr const char* kExamples = R"(Examples:
  barewire gc --dry-run     what would be deleted
  barewire gc               delete attachments whose netns is gone, release claims without a record
  barewire gc --min-age 0   also those made this very minute)";

}  // namespace

void add_gc_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("gc", "Delete attachments whose network namespace is gone");
  const auto options = std::make_shared<Options>();
  command->add_flag("-n,--dry-run", options->dry_run, "Say what would be done, do nothing");
  command->add_option("--min-age", options->min_age, "Leave what is younger than this many seconds (60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{31536000}));
  command->add_flag("--own-pid-namespace", options->own_pid_namespace,
                    "Every pod's processes are to be seen, though this is not the host's PID namespace");
  command->footer(kExamples);
  command->callback([&session, options] { run(session, *options); });
}

}  // namespace barewire::cli
