// SPDX-License-Identifier: Apache-2.0
/// Preparing claims: what kubelet asks for before a pod's containers start, and takes back after they ended. The record
/// of a claim (core/state/claim_record.h) is written before anything else and removed last, so that whatever the moment
/// at which the daemon dies, it or the next one goes on from there. Of one thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/claim_record.h"
#include "device-manager/dra/claim.h"
#include "device-manager/dra/claim_files.h"
#include "device-manager/dra/claim_status.h"
#include "device-manager/dra/messages.h"
#include "device-manager/dra/offer.h"
#include "device-manager/kubelet/bridge_ports.h"
#include "device-manager/kubernetes/api.h"

namespace barewire::dra {

/// Names and places, as the daemon's command line has them; the defaults are those of barewired(8).
struct DriverSettings {
  std::string name = "barewire.io";
  std::string node{};  ///< the node's name in the cluster
  /// Runtimes read it by default, and it is empty after a reboot: rebuild() is for that.
  std::string cdi_dir = "/var/run/cdi";
  std::string device_info_dir = "/var/run/k8s.cni.cncf.io/devinfo/dp";
  std::chrono::milliseconds grace{30'000};  ///< for which a claim must not have been there
  std::string switch_socket = kubelet::kSwitchSocket;
  std::string metadata_dir{};  ///< for containers to read of their devices
  MetadataFiles::Wanted metadata = MetadataFiles::Wanted::no;
};

class Driver {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// `node` and `api` outlive it. `log` hears a line of what is worth knowing.
  Driver(const Node& node, kubernetes::Api& api, DriverSettings settings, std::function<void(const std::string&)> log);

  /// The devices that are offered, with their pools, as a look at the node found them.
  void know(const std::vector<Offer>& offers, const std::vector<inventory::Pool>& pools,
            const std::map<std::string, NicFacts>& facts = {});
  /// "v1" or "v1beta1", of the API server; before it is known it is asked for.
  void set_api_version(std::string version) { api_version_ = std::move(version); }

  /// What went wrong is the answer's `error`, which kubelet shows with the pod. Asking again for a claim that is
  /// prepared answers the same and makes its files again: kubelet asks after each of its restarts. Waits up to 10 s for
  /// each device's lock.
  Prepared prepare(const ClaimRef& claim);
  /// Empty when it is done, also for a claim that is not known; else why not. Works without the API server, where the
  /// claim may be gone already.
  std::string unprepare(const ClaimRef& claim);

  /// What the pods' networks made of the devices, for the containers that read it: `statuses` of the records. Failures
  /// are logged.
  void tell_network(const std::vector<state::ClaimRecord>& records, const std::vector<ClaimStatus>& statuses);

  /// Makes the files of every recorded claim anew: they are gone after a reboot, the pods are not.
  void rebuild();
  /// Takes back what no kubelet asks for any more: claims that the API server has no longer, or that were interrupted
  /// before kubelet heard of them. True when something waits for the grace to be over.
  bool sweep(Time now);

  /// Those that can be read. Throws Error{io} when the directory cannot be.
  std::vector<state::ClaimRecord> records() const;

 private:
  /// A device that is offered, and the pool that says how.
  struct Target {
    inventory::Device device;
    inventory::Pool pool;
  };
  /// The claim as the API server has it now: kubelet tells no more than its name. Throws ApiRefusal, Error{io},
  /// Error{decode}.
  boost::json::value fetch(const ClaimRef& claim);
  /// The record that the claim is to have. Throws Error{config} when several pods share it, Error{device} for a device
  /// that is not offered here, Error{config} for parameters of a VF that are given to a bridge.
  state::ClaimRecord plan(const ClaimRef& claim, const ClaimView& view) const;
  /// Throws Error{held} when the device is bound to another kind of driver than claim or pool asks for, Error{device}
  /// for a bridge that has no ports to give.
  void require_fit(const state::ClaimedDevice& claimed, const Target& target) const;
  boost::json::object attributes_of(const Target& target) const;
  /// Throws Error{device} when no look found it.
  const Target& find_target(const std::string& pool, const std::string& device) const;
  /// The device as sysfs shows it now. Throws Error{device} when it has left the node.
  Target present(const state::ClaimedDevice& claimed) const;
  /// `anew`: the devices have to fit what is asked for; else a pod may run with them already.
  void carry_out(const state::ClaimRecord& record, bool anew);
  /// From the record alone, so that each answer for one claim is the same.
  Prepared answer(const state::ClaimRecord& record) const;
  Prepared prepare_anew(const ClaimRef& claim, const ClaimView& view);
  /// Undoes carry_out() and removes the record, as far as each thing is still there and this claim's.
  void take_back(const state::ClaimRecord& record);
  /// Is it certain that the claim, with these devices, is no more? False when the API server cannot be asked.
  bool is_gone(const state::ClaimRecord& record);
  /// Does an attachment hold one of its devices? True also where that cannot be read.
  bool is_attached(const state::ClaimRecord& record) const;
  bool release_orphans(Time now);

  const Node& node_;
  kubernetes::Api& api_;
  DriverSettings settings_;
  std::function<void(const std::string&)> log_;
  std::string api_version_;
  state::ClaimRecords records_;
  ClaimFiles files_;
  std::map<std::pair<std::string, std::string>, Target> targets_;  ///< by pool and device of the API
  std::map<std::string, NicFacts> facts_;                          ///< by PF
  std::map<std::string, Time> missing_since_;                      ///< claims, by UID
};

}  // namespace barewire::dra
