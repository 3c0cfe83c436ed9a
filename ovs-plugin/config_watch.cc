// SPDX-License-Identifier: Apache-2.0
// A change is in the database at once, and in force only when ovs-vswitchd has carried it out.
#include "ovs-plugin/config_watch.h"

#include "ovs-plugin/ovsdb/monitor.h"

namespace barewire::ovs {
namespace {

using ovsdb::Monitor;
using ovsdb::Transaction;

// What a server may need to answer after its own patience has run out.
constexpr auto kAnswerTime = std::chrono::seconds(1);

void read_root(const Row& row, Progress& progress) {
  progress.carried_out = row.has("cur_cfg") ? row.get<std::int64_t>("cur_cfg") : 0;
}

void read_interface(const Row& row, Progress& progress) {
  progress.interface_exists = true;
  if (row.has("ofport")) progress.ofport = row.find<std::int64_t>("ofport");
  if (row.has("error")) progress.error = row.find<std::string>("error").value_or("");
  if (row.has("link_state")) progress.link_up = row.find<std::string>("link_state") == "up";
}

std::vector<Monitor::Watch> watches(const Uuid& root, const Uuid* interface) {
  std::vector<Monitor::Watch> list{{"Open_vSwitch", ovsdb::row_is(root), {"cur_cfg"}}};
  if (interface) list.push_back({"Interface", ovsdb::row_is(*interface), {"ofport", "error", "link_state"}});
  return list;
}

Progress seen(const Monitor& monitor, const Uuid& root, const Uuid* interface) {
  Progress progress;
  if (const Row* row = monitor.row(root)) read_root(*row, progress);
  const Row* row = interface ? monitor.row(*interface) : nullptr;
  if (row) read_interface(*row, progress);
  return progress;
}

// For servers without conditional monitoring (Open vSwitch before 2.6): a "wait" that blocks in the server until the
// number is another, again and again.
Progress by_repeated_waits(Connection& connection, const Uuid& root, const Uuid* interface,
                           const std::function<bool(const Progress&)>& enough, Deadline deadline) {
  Progress progress;
  for (bool first = true;; first = false) {
    Transaction read;
    if (!first) {
      read.wait("Open_vSwitch", ovsdb::row_is(root), {"cur_cfg"}, Transaction::Until::different,
                {Row{{"cur_cfg", progress.carried_out}}},
                std::chrono::milliseconds(ovsdb::milliseconds_left(deadline)));
    }
    const auto root_row = read.select("Open_vSwitch", ovsdb::row_is(root), {"cur_cfg"});
    std::optional<Transaction::Select> interface_row;
    if (interface)
      interface_row = read.select("Interface", ovsdb::row_is(*interface), {"ofport", "error", "link_state"});
    const auto result = try_transact(connection, read, deadline + kAnswerTime);
    // The wait ran into its timeout: nothing has changed since the last look.
    if (std::holds_alternative<ovsdb::Refusal>(result)) return progress;
    const auto& outcome = std::get<ovsdb::Outcome>(result);
    progress = {};
    for (const Row& row : outcome.rows(root_row)) read_root(row, progress);
    if (interface_row) {
      for (const Row& row : outcome.rows(*interface_row)) read_interface(row, progress);
    }
    if (enough(progress) || ovsdb::has_passed(deadline)) return progress;
  }
}

}  // namespace

Progress watch_progress(Connection& connection, const Uuid& root, const Uuid* interface,
                        const std::function<bool(const Progress&)>& enough, Deadline deadline) {
  for (;;) {  // once per session of the connection
    auto monitor = Monitor::start(connection, watches(root, interface), deadline);
    // A server that restarts loses its monitors: then a new one is started, which begins with the state as it is now.
    if (!monitor) return by_repeated_waits(connection, root, interface, enough, deadline);
    Monitor::Event event = Monitor::Event::changed;
    while (event == Monitor::Event::changed) {
      const Progress progress = seen(*monitor, root, interface);
      if (enough(progress)) return progress;
      event = monitor->wait(deadline);
      // What was seen last, so that the caller can say how far the switch has come.
      if (event == Monitor::Event::timed_out) return progress;
    }
  }
}

}  // namespace barewire::ovs
