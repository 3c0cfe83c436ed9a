// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that is a DRA driver: tells device-manager/dra when to look and when to write. Kubelet is
/// answered on the thread "claims"; what the node offers is written to the API server on the thread "api-server", so
/// that a server that hangs keeps no pod waiting whose claim is on record.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "core/node.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/dra/claim_status.h"
#include "device-manager/dra/driver.h"
#include "device-manager/dra/endpoint.h"
#include "device-manager/dra/publisher.h"
#include "device-manager/dra/scan.h"
#include "device-manager/kubelet/pool_file.h"
#include "device-manager/kubernetes/api_client.h"

namespace barewire::daemon {

class DraSide {
 public:
  /// `node` and `loop` outlive it. Throws Error{io}.
  DraSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  ~DraSide();
  DraSide(const DraSide&) = delete;
  DraSide& operator=(const DraSide&) = delete;

  /// Links, records or files have changed. Of the loop's thread, as all here.
  void on_change();
  /// Ends its threads; calls that are under way end with an error.
  void stop();

 private:
  /// These run on the thread "claims".
  struct Claims;
  /// Pool file, node, sockets, in this order. True when another look has to follow soon.
  bool look();
  /// Once a pool is for claims: finds the cluster, makes the files of recorded claims anew, and only then lets kubelet
  /// ask. False when the cluster is not known yet, which is logged.
  bool begin();
  /// They run on the thread "claims", and have the node looked at afterwards.
  dra::EndpointHandlers handlers();
  /// Slices are listed anew, now and for a minute.
  void on_registered(const kubelet::RegistrationStatus& status);
  /// kubelet removes the slices of a driver that was gone, and all when it starts; it does so beside the registration,
  /// before or after it, once it knows its node and the API server lets it. Source: pkg/kubelet/cm/dra/plugin,
  /// wipeResourceSlices: tried again after 1 s, 2 s, 4 s; 30 s after a driver went, from 1.33 on.
  void relist();
  /// Looks, and hands what is for the API server over to its thread as a copy: nothing is shared between the two.
  void scan_node();
  /// To kubelet, for the status of pods. A device that is merely taken is healthy.
  void tell_health(const dra::Scan& found, const std::vector<state::ClaimRecord>& records);
  /// Claims that are gone; asks the API server, so it may take its timeout for each.
  void sweep();
  /// What is said again at every look is logged when it changes; an empty `line` is "it is well".
  void log_once(const std::string& key, const std::string& line);
  /// On the thread "api-server".
  void publish();

  /// Has the thread "claims" look; one look at a time.
  void update();
  void on_updated(bool again);

  const Node& node_;
  Options options_;
  std::shared_ptr<spdlog::logger> log_;
  std::string node_name_;
  EventLoop& loop_;
  /// A look is due: changes have come, or kubelet could not be told.
  EventLoop::Timer& settle_;
  /// For what raises no event, and for what others did to our slices.
  EventLoop::Timer& periodic_;
  /// The API server's back-off is over.
  EventLoop::Timer& retry_;
  /// Kubelet has registered us not long ago.
  EventLoop::Timer& relist_;
  std::chrono::milliseconds relist_after_{0};
  /// Of the loop's thread, as the timers are
  bool updating_ = false;
  std::unique_ptr<Claims> claims_;                 ///< of the thread "claims"; nothing before a pool is for claims
  std::unique_ptr<kubernetes::ApiClient> client_;  ///< these of the thread "api-server"
  std::unique_ptr<dra::Publisher> publisher_;
  std::unique_ptr<dra::ClaimReporter> reporter_;
  std::vector<dra::ClaimStatus> statuses_;
  std::map<std::string, dra::PodTrouble> troubles_;
  std::string publishing_failure_, reporting_failure_;
  kubelet::PoolFile pool_file_;
  std::map<std::string, std::string> said_;
  Worker claims_worker_;
  Worker api_worker_;
};

/// The name under which kubelet registered this node: $NODE_NAME, else the host's name in lower case.
std::string node_name(const std::string& given);

}  // namespace barewire::daemon
