// SPDX-License-Identifier: Apache-2.0
/// The page of the node: its files (device-manager/page), the node as JSON (device-manager/topology.h), its changes as
/// events, the journal's word on a VF. The node is looked at while somebody listens, and not otherwise. Looking, which
/// may enter netns and wait for a switch, is the work of the thread "page".
#pragma once

#include <spdlog/logger.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/event_stream.h"
#include "device-manager/daemon/loopback_server.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/offload_history.h"
#include "device-manager/topology.h"

namespace barewire::daemon {

/// When to look at the whole node again. A change is looked at soon, and the rest now and then, but looking takes a
/// tenth of the time at most, however large the node is. Of one thread; the clock is the caller's.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kLongest{10};  ///< what happens inside pods raises no event here

  void on_change() { changed_ = true; }
  bool is_due(Time now) const { return may_look(now) && (!looked_ || changed_ || now >= *looked_ + kLongest); }
  /// The last look is long enough ago.
  bool may_look(Time now) const { return !looked_ || now >= *looked_ + 9 * took_; }
  /// Before looking: what changes meanwhile is looked at again.
  void begin(Time now) {
    changed_ = false;
    began_ = now;
  }
  void end(Time now) {
    took_ = now - began_;
    looked_ = now;
  }

 private:
  bool changed_ = false;
  Time began_{};
  std::optional<Time> looked_{};
  Time::duration took_{};
};

/// Made when the loop is there, and gone before it.
class PageSide {
 public:
  /// `node`, `loop` outlive it.
  PageSide(const Node& node, std::string pools_file, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  PageSide(const PageSide&) = delete;
  PageSide& operator=(const PageSide&) = delete;

  /// /, /page.js, /page.css, /node.json, /history, /events. They outlive the server, and it this.
  std::vector<Route> routes();
  /// Of the loop's thread: something on the node is not as it was.
  void on_change();

 private:
  /// Of the loop's thread: has the worker look, as long as somebody listens.
  void tick();

  /// These run on the worker.
  void publish();
  void look();
  /// By port of the switch: what it counted, and how its offloaded share changed.
  boost::json::object ports_json() const;
  boost::json::value flows_json() const;
  /// False where it is as it was sent last.
  bool publish_changed(const std::string& event, const boost::json::value& what);
  std::string node_text();
  std::string history_text(const std::string& subject) const;

  const Node& node_;
  std::string pools_file_;
  std::shared_ptr<spdlog::logger> log_;
  EventLoop& loop_;
  EventLoop::Timer& timer_;
  bool busy_ = false;     ///< the worker is at it
  bool hurried_ = false;  ///< the next tick has been brought forward
  bool changed_ = false;  ///< since the worker was told
  EventStream events_;

  // Of the worker.
  Pace pace_;
  std::optional<manager::Topology> topology_;
  std::chrono::steady_clock::time_point looked_{};
  std::map<std::string, std::string> published_;  ///< by event: as it was sent last
  manager::TrafficMeter meter_;
  manager::OffloadHistory offload_;
  Worker worker_;  ///< last, so that its thread ends first
};

}  // namespace barewire::daemon
