// SPDX-License-Identifier: Apache-2.0
/// The device plugin: keeps what kubelet is told of every pool as the node is, and gives devices away. Each method runs
/// on one thread, on which the requests of resource.h are answered too; what is kept in memory can be learnt anew from
/// configuration, node, records and kubelet, so that the daemon may end at any moment.
#pragma once

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/inventory/faults.h"
#include "device-manager/inventory/use.h"
#include "device-manager/kubelet/pool_file.h"
#include "device-manager/kubelet/reconcile.h"
#include "device-manager/kubelet/resource.h"
#include "device-manager/kubelet/settings.h"

namespace barewire::kubelet {

class DevicePlugins {
 public:
  /// `post` runs work on the thread that everything here runs on; `on_allocated` is told of devices given away,
  /// `on_lost` when an update() has to follow soon. `node` outlives this. Nothing is opened before the first update().
  DevicePlugins(const Node& node, Settings settings, std::shared_ptr<spdlog::logger> log,
                std::function<void(std::function<void()>)> post, std::function<void()> on_allocated,
                std::function<void()> on_lost);
  ~DevicePlugins();

  /// Looks at configuration, devices and sockets, and tells kubelet what is new; false when it should soon look again:
  /// kubelet could not be told of all, or a carrier has just changed. Throws Error when the node cannot be looked at.
  /// Does nothing on a node without kubelet.
  bool update();
  /// Asks kubelet which containers have which devices, and corrects the promises. True when something waits for an
  /// answer that is still to come: a promise without a pod, or one that nobody seems to have. A kubelet that does not
  /// answer within 5 s changes nothing. Throws Error when records cannot be read or written.
  bool reconcile();

 private:
  /// A pool with its Resource, and what was last listed.
  struct Served;

  /// Reads the pools' file where its bytes have changed; one that is wrong leaves the pools as they are.
  void load_pools();
  /// Resources that are declared no more end here, and kubelet drops them with their sockets.
  void apply_pools(const std::vector<inventory::Pool>& pools);
  /// The devices as they are now, and their use, for every pool's list.
  void scan();
  /// Judges every device of one pool and tells kubelet, where that is news.
  void list(Served& served, const std::vector<inventory::Member>& members, const inventory::Use& use);
  /// Why kubelet must not give the device away now, a clause for the log; nullopt: it may.
  std::optional<std::string> obstacle(const Served& served, const inventory::Device& device, const inventory::Use& use);
  void list_bridge(Served& served);
  /// Begins the resource with its first device; from then on it stays, also with none.
  void publish(Served& served, std::vector<ListedDevice> listed);
  /// Listens and registers as far as that is still to be done; false when it could not be, which is logged.
  bool serve(Served& served);
  /// A socket with another inode is that of a kubelet that has started: it knows nothing of before.
  void notice_new_kubelet();
  /// The socket's place decides how kubelet hears of it: the watcher's directory, or its own.
  Endpoint endpoint_of(const inventory::Pool& pool) const;
  /// They refer to `served`, which its Resource does not outlive.
  ResourceHandlers handlers_for(Served& served);
  /// An answer for each container asked about; kubelet takes it as advice.
  std::vector<std::vector<std::string>> prefer(const Served& served,
                                               const std::vector<PreferredRequest>& requests) const;
  /// Throws Error{device} for one that is gone or was never listed, Error{held} for one on another kind of driver.
  inventory::Device require_device(const Served& served, const std::string& id, const kernel::Sysfs& sysfs,
                                   const std::vector<kernel::Link>& links) const;
  /// Where Multus looks for what a device is. Throws Error{io}.
  void write_device_info(const Served& served, const inventory::Member& member) const;
  /// Promises each device before it is answered for. Where one is refused, those promised here are taken back.
  std::vector<inventory::Grant> allocate(const Served& served, const std::vector<std::vector<std::string>>& containers);
  /// Only with --use-cdi. Throws Error{io}.
  void write_cdi(const Served& served) const;
  /// Another may have been faster with a device: then its record stays.
  void apply(const Reconciler::Plan& plan);
  /// What is said again at every look is logged when it changes.
  void log_once(const std::string& key, const std::string& line);

  const Node& node_;
  Settings settings_;
  std::shared_ptr<spdlog::logger> log_;
  std::function<void(std::function<void()>)> post_;
  std::function<void()> on_allocated_, on_lost_;
  PoolFile pool_file_;
  std::vector<std::unique_ptr<Served>> served_;  ///< in the order of the pools
  std::optional<ino_t> kubelet_;                 ///< its socket: made anew, everything is to be told again
  std::vector<inventory::Device> devices_;       ///< as of the last scan
  inventory::Watches watches_;
  inventory::CarrierWatch::Time now_{};  ///< of the last scan
  Reconciler reconciler_;
  std::map<std::string, std::string> said_;  ///< what was logged last, by what it was about
};

}  // namespace barewire::kubelet
