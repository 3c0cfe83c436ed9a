// SPDX-License-Identifier: Apache-2.0
/// The command line of `barewire` as a whole.
/// Each command adds itself with its options and its examples, so that help, completion and manual page tell the same.
#include "core/build_info.h"
#include "device-manager/cli/session.h"

namespace barewire::cli {
namespace {

constexpr const char* kAbout = "Shows and manages SR-IOV virtual functions and the pods that hold them.";
constexpr const char* kFooter =
    R"(Exit status: 0 done; 1 something wrong was found; 2 wrong command line; 3 refused, nothing touched; 4 failed.
`barewire COMMAND --help` gives examples; barewire(1) and docs/admin.md say more.)";

}  // namespace

std::unique_ptr<CLI::App> make_app(Session& session) {
  auto app = std::make_unique<CLI::App>(kAbout, "barewire");
  app->set_version_flag("--version", fmt::format("barewire {}", build_info()), "Print the version and exit");
  app->set_help_flag("-h,--help", "Print this help and exit");
  app->footer(kFooter);
  // Exactly one: two commands in one call would have two exit statuses.
  app->require_subcommand(1);
  add_status_command(*app, session);
  add_list_command(*app, session);
  add_show_command(*app, session);
  add_check_command(*app, session);
  add_repair_command(*app, session);
  add_gc_command(*app, session);
  add_explain_command(*app, session);
  add_validate_command(*app, session);
  add_provision_command(*app, session);
  add_plan_command(*app, session);
  add_apply_command(*app, session);
  add_reserve_commands(*app, session);
  add_doctor_command(*app, session);
  add_ovs_command(*app, session);
  add_report_command(*app, session);
  add_history_commands(*app, session);
  add_metrics_command(*app, session);
  add_topology_command(*app, session);
  add_completion_command(*app, session);
  return app;
}

}  // namespace barewire::cli
