// SPDX-License-Identifier: Apache-2.0
/// Pools, their devices, and giving them away.
/// Runs on the worker thread alone, requests of kubelet included (ResourceHandlers::post), so that nothing here needs a
/// lock of its own.
#include "device-manager/kubelet/device_plugins.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/fd.h"
#include "device-manager/inventory/allocate.h"
#include "device-manager/inventory/preferred.h"
#include "device-manager/kubelet/bridge_ports.h"
#include "device-manager/kubelet/promises.h"
#include "device-manager/kubelet/stale_sockets.h"
#include "device-manager/metrics/told.h"
#include "device-manager/plugin_call.h"

namespace barewire::kubelet {

using inventory::Device;
using inventory::Member;
using inventory::Pool;

namespace {

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

/// Readable by all, as Multus and the peer's users expect.
void write_public(const std::string& path, const std::string& bytes, mode_t mode) {
  make_directories(path.substr(0, path.rfind('/')));
  write_file_atomically(path, bytes, Durability::until_reboot, mode);
  ::chmod(path.c_str(), mode);  // whatever the umask
}

// The first that fits decides what comes with the device. One that a container has may fit none by now: it keeps to the
// first.
const inventory::Selector* selector_of(const Pool& pool, const Device& device) {
  for (const inventory::Selector& selector : pool.selectors)
    if (inventory::matches(selector, device)) return &selector;
  return pool.selectors.empty() ? nullptr : &pool.selectors.front();
}

/// A record that cannot be read holds its device too.
bool is_held(const state::Store& store, const std::string& device) {
  try {
    return store.holder(device).has_value();
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

struct DevicePlugins::Served {
  Pool pool{};
  std::string mode{};
  std::vector<Device> devices{};
  std::unique_ptr<Resource> resource{};  ///< once it has had a device
  bool announced = false;
  std::string cdi{};  ///< what its CDI file holds

  const Device* find(const std::string& id) const {
    const auto found = std::find_if(devices.begin(), devices.end(), [&](const Device& each) { return each.id == id; });
    return found == devices.end() ? nullptr : &*found;
  }
};

DevicePlugins::DevicePlugins(const Node& node, Settings settings, std::shared_ptr<spdlog::logger> log,
                             std::function<void(std::function<void()>)> post, std::function<void()> on_allocated,
                             std::function<void()> on_lost)
    : node_(node),
      settings_(std::move(settings)),
      log_(std::move(log)),
      post_(std::move(post)),
      on_allocated_(std::move(on_allocated)),
      on_lost_(std::move(on_lost)),
      pool_file_(settings_),
      reconciler_(settings_.grace) {}

DevicePlugins::~DevicePlugins() = default;

/// The same about the same is said once.
void DevicePlugins::log_once(const std::string& key, const std::string& line) {
  std::string& said = said_[key];
  if (said == line) return;
  said = line;
  if (!line.empty()) log_->warn("{}", line);
}

bool DevicePlugins::update() {
  // No kubelet on this node: nothing to tell anybody.
  if (!is_directory(settings_.directory)) return true;
  load_pools();
  // A node without pools is not looked at: a look costs a read of every device.
  if (served_.empty()) return true;
  scan();
  notice_new_kubelet();
  bool all = !watches_.carrier.is_waiting();
  for (const auto& served : served_) all = serve(*served) && all;
  return all;
}

void DevicePlugins::notice_new_kubelet() {
  struct stat status {};
  const bool is_there = ::stat(settings_.kubelet_socket().c_str(), &status) == 0;
  const auto now = is_there ? std::optional(status.st_ino) : std::nullopt;
  // Another inode is another kubelet: it has forgotten every plugin and hears of each again.
  if (now == kubelet_) return;
  kubelet_ = now;
  for (const auto& served : served_) served->announced = false;
}

void DevicePlugins::load_pools() {
  switch (pool_file_.look()) {
    case PoolFile::News::none:
      return;
    case PoolFile::News::missing:
      return log_once("pools", settings_.pools.empty() ? "" : fmt::format("there is no file {}", settings_.pools));
    case PoolFile::News::wrong:
      return log_->error("reading pools failed, those before stay: {}", pool_file_.failure());
    case PoolFile::News::read:
      break;
  }
  const auto& config = pool_file_.config();
  for (const std::string& problem : config.problems) log_->error("{}: {}", pool_file_.path(), problem);
  log_->info("{}: {} pools", pool_file_.path(), config.pools.size());
  apply_pools(config.pools);
}

void DevicePlugins::apply_pools(const std::vector<Pool>& pools) {
  // What goes on is kept with its socket and its streams: kubelet takes the end of a stream for the end of the plugin.
  std::vector<std::unique_ptr<Served>> before = std::move(served_);
  served_.clear();
  for (const Pool& pool : pools) {
    auto known = std::find_if(before.begin(), before.end(),
                              [&](const auto& each) { return each && each->pool.resource() == pool.resource(); });
    served_.push_back(known != before.end() ? std::move(*known) : std::make_unique<Served>());
    served_.back()->pool = pool;
  }
}

void DevicePlugins::scan() {
  now_ = std::chrono::steady_clock::now();
  vf::Host host(node_);
  // One look for all pools: each would cost the same again.
  const auto use = inventory::Use::look(host, kernel::list_links(host.socket));
  devices_ = inventory::list_devices(host.sysfs, use.links());
  inventory::look_for_faults(watches_.faults, host.sysfs, devices_, use, now_);
  std::vector<Pool> pools;
  for (const auto& served : served_) pools.push_back(served->pool);
  const auto membership = inventory::assign(pools, devices_, use.promised_resources());
  for (const std::string& overlap : membership.overlaps) log_once("overlap " + overlap, overlap);
  for (std::size_t i = 0; i < served_.size(); ++i) list(*served_[i], membership.members[i], use);
}

std::optional<std::string> DevicePlugins::obstacle(const Served& served, const Device& device,
                                                   const inventory::Use& use) {
  if (auto why = use.find_obstacle(device, served.pool.resource())) return why;
  const std::string mode = inventory::driver_mode_of(device);
  if (mode != served.mode) return fmt::format("it is bound to {}, the pool is for {}", device.driver, served.mode);
  if (auto fault = watches_.faults.find(device)) return fault;
  // The PF's: a VF that nobody has is down, and has none of its own.
  if (served.pool.follow_carrier && watches_.carrier.is_lost(device.pf_name(), use.has_carrier(device), now_))
    return "its PF has no carrier";
  return std::nullopt;
}

void DevicePlugins::list(Served& served, const std::vector<Member>& members, const inventory::Use& use) {
  // Before any device is judged: which kind the pool is of follows from all of them.
  served.mode = inventory::mode_of_pool(served.pool, members);
  served.devices.clear();
  if (!served.pool.bridge.empty()) return list_bridge(served);
  std::vector<ListedDevice> listed;
  for (const Member& member : members) {
    if (!served.pool.to_device_plugin) break;  // its devices are no other pool's either
    const Device& device = *member.device;
    served.devices.push_back(device);
    const auto why = obstacle(served, device, use);
    const std::string line =
        why ? fmt::format("{} of {} is unhealthy: {}", device.id, served.pool.resource(), *why) : "";
    log_once("health " + device.id, line);
    // Listed all the same: kubelet counts it in the node's capacity, and not in what can be allocated.
    listed.push_back({device.id, !why, served.pool.topology ? device.numa_node : -1});
  }
  for (const std::string& id : append_lost(listed, use.allocations(), served.pool.resource(), devices_))
    log_once("health " + id, fmt::format("{} of {} is unhealthy: it has gone", id, served.pool.resource()));
  publish(served, std::move(listed));
  write_cdi(served);
}

void DevicePlugins::list_bridge(Served& served) {
  if (!served.pool.to_device_plugin) return publish(served, {});
  const auto why = find_bridge_obstacle(served.pool);
  log_once("bridge " + served.pool.resource(),
           why ? fmt::format("{} has no ports to give: {}", served.pool.resource(), *why) : "");
  publish(served, why ? std::vector<ListedDevice>() : list_ports(served.pool));
}

void DevicePlugins::publish(Served& served, std::vector<ListedDevice> listed) {
  // A resource that never had a device is not announced: kubelet would show it with 0 on every node.
  if (!served.resource && listed.empty()) return;
  if (!served.resource) served.resource = std::make_unique<Resource>(endpoint_of(served.pool), handlers_for(served));
  const std::size_t count = listed.size();
  metrics::tell_unhealthy(served.pool.resource(), "device plugin", count_unhealthy(listed));
  if (served.resource->publish(std::move(listed))) log_->info("{}: {} devices", served.pool.resource(), count);
}

Endpoint DevicePlugins::endpoint_of(const Pool& pool) const {
  // Older kubelets have no watcher, and do not make its directory.
  const bool has_watcher = is_directory(settings_.registry());
  const bool watcher = settings_.registration == "watcher" || (settings_.registration == "auto" && has_watcher);
  const std::string instance = settings_.instance.empty() ? "" : "-" + settings_.instance;
  return {.resource = pool.resource(),
          .path = fmt::format("{}/{}_{}{}.sock", watcher ? settings_.registry() : settings_.device_plugins(),
                              pool.prefix, pool.name, instance),
          .by = watcher ? Registration::watcher : Registration::socket};
}

ResourceHandlers DevicePlugins::handlers_for(Served& served) {
  return {.post = post_,
          .prefer = [this, &served](const auto& requests) { return prefer(served, requests); },
          .allocate = [this, &served](const auto& containers) { return allocate(served, containers); },
          .on_registered =
              [this, &served](const RegistrationStatus& status) {
                if (status.registered)
                  log_->info("kubelet has registered {}", served.pool.resource());
                else
                  log_->error("kubelet did not register {}: {}", served.pool.resource(), status.error);
              },
          .on_lost = on_lost_};
}

bool DevicePlugins::serve(Served& served) {
  if (!served.resource) return true;
  const std::string key = "serve " + served.pool.resource();
  try {
    if (served.resource->endpoint().by == Registration::watcher) {
      const std::string stem = served.pool.prefix + "_" + served.pool.name;
      const std::string gone =
          remove_stale_sockets(settings_.registry(), stem, ".sock", served.resource->endpoint().path);
      if (!gone.empty()) log_->info("removed sockets of daemons that were killed: {}", gone);
    }
    if (served.resource->serve()) {
      served.announced = false;
      log_->info("{} is served at {}", served.pool.resource(), served.resource->endpoint().path);
    }
    // Kubelet may come later; its socket appearing brings the next update.
    if (served.announced || !kubelet_) return true;
    served.resource->announce(settings_.kubelet_socket());
    served.announced = true;
    log_once(key, "");
    return true;
  } catch (const Error& error) {
    log_once(key, fmt::format("{} is not served yet: {}", served.pool.resource(), manager::describe(error)));
    return false;
  }
}

std::vector<std::vector<std::string>> DevicePlugins::prefer(const Served& served,
                                                            const std::vector<PreferredRequest>& requests) const {
  std::vector<std::vector<std::string>> answers;
  for (const PreferredRequest& request : requests) {
    std::vector<Device> available;
    for (const std::string& id : request.available)
      // An id of a list before the last: the device has gone, and cannot be preferred.
      if (const Device* device = served.find(id)) available.push_back(*device);
    answers.push_back(inventory::prefer(served.pool.policy, available, request.must_include, request.size));
  }
  return answers;
}

/// As it is at this moment: what a scan saw may have changed since.
Device DevicePlugins::require_device(const Served& served, const std::string& id, const kernel::Sysfs& sysfs,
                                     const std::vector<kernel::Link>& links) const {
  auto device = served.find(id) != nullptr ? inventory::find_device(sysfs, links, id) : std::nullopt;
  if (!device) throw Error(Error::Code::device, fmt::format("{} is not a device of {}", id, served.pool.resource()));
  if (inventory::driver_mode_of(*device) != served.mode)
    throw Error(Error::Code::held, fmt::format("{} is bound to \"{}\", {} is for {}", id, device->driver,
                                               served.pool.resource(), served.mode));
  return *std::move(device);
}

void DevicePlugins::write_device_info(const Served& served, const Member& member) const {
  const std::string info = inventory::device_info(member);
  if (info.empty()) return;
  const std::string name = inventory::device_info_file_name(served.pool, member.device->id);
  write_public(settings_.device_info_dir + "/" + name, info, 0444);
}

std::vector<inventory::Grant> DevicePlugins::allocate(const Served& served,
                                                      const std::vector<std::vector<std::string>>& containers) {
  std::vector<inventory::Grant> grants;
  if (!served.pool.bridge.empty()) {
    for (const std::vector<std::string>& ids : containers) grants.push_back(grant_ports(served.pool, ids));
    return grants;
  }
  vf::Host host(node_);
  const auto links = kernel::list_links(host.socket);
  Promises promises(host);
  for (const std::vector<std::string>& ids : containers) {
    std::vector<Device> devices;
    for (const std::string& id : ids) {
      devices.push_back(require_device(served, id, host.sysfs, links));
      promises.make({.device = id,
                     .by = state::Allocation::kDevicePlugin,
                     .owner = served.pool.resource(),
                     .since = state::now_text()});
    }
    std::vector<Member> members;
    for (const Device& device : devices) members.push_back({&device, selector_of(served.pool, device)});
    for (const Member& member : members) write_device_info(served, member);
    grants.push_back(inventory::grant(served.pool, members, {host.sysfs, "/dev"}, settings_.use_cdi));
  }
  // Last: an answer that is not sent must not leave promises behind.
  promises.keep();
  on_allocated_();
  return grants;
}

void DevicePlugins::write_cdi(const Served& served) const {
  if (!settings_.use_cdi) return;
  std::vector<Member> members;
  for (const Device& device : served.devices) members.push_back({&device, selector_of(served.pool, device)});
  const std::string path = fmt::format("{}/{}", settings_.cdi_dir, inventory::cdi_file_name(served.pool));
  const std::string bytes = inventory::cdi_specification(served.pool, members, {kernel::Sysfs(node_.sysfs), "/dev"});
  if (bytes.empty())
    remove_file(path);
  else if (read_file(path) != bytes)
    write_public(path, bytes, 0644);
}

bool DevicePlugins::reconcile() {
  if (!exists(settings_.pod_resources_socket())) return false;
  // Kubelet answers from memory; the worker serves Allocate too, and must not wait for long.
  constexpr std::chrono::seconds kTimeout{5};
  std::vector<HeldDevice> held;
  try {
    held =
        decode_pod_resources(rpc_call(settings_.pod_resources_socket(), "/v1.PodResourcesLister/List", "", kTimeout));
    log_once("pod-resources", "");
  } catch (const Error& error) {
    log_once("pod-resources",
             fmt::format("kubelet does not say which pods have devices: {}", manager::describe(error)));
    return true;
  }
  const vf::Host host(node_);
  std::set<std::string> resources;
  for (const auto& served : served_)
    if (served->pool.bridge.empty()) resources.insert(served->pool.resource());
  const auto allocations = host.allocations.list();
  // A device in a pod's netns stays promised, whatever kubelet says: only DEL gives it back.
  const auto is_attached = [&](const std::string& device) { return is_held(host.store, device); };
  apply(reconciler_.plan(held, allocations, resources, is_attached, std::chrono::steady_clock::now()));
  const auto now = host.allocations.list();
  return std::any_of(now.begin(), now.end(), [&](const state::Allocation& each) {
    const auto is_given = [&](const HeldDevice& given) { return given.device == each.device; };
    return each.by == state::Allocation::kDevicePlugin && std::none_of(held.begin(), held.end(), is_given);
  });
}

void DevicePlugins::apply(const Reconciler::Plan& plan) {
  vf::Host host(node_);
  for (const state::Allocation& each : plan.import) {
    if (inventory::record_given(host, each))
      log_->info("kubelet gave {} of {} to pod {}/{}", each.device, each.owner, each.pod.name_space, each.pod.name);
    else
      log_once("import " + each.device, fmt::format("kubelet gave {} to pod {}/{}, though it is promised to another",
                                                    each.device, each.pod.name_space, each.pod.name));
  }
  for (const state::Allocation& each : plan.name)
    if (inventory::name_pod(host, each))
      log_->info("{} of {} is for pod {}/{}", each.device, each.owner, each.pod.name_space, each.pod.name);
  for (const state::Allocation& each : plan.release) {
    const auto promise = host.allocations.find(each.device);
    if (!promise || promise->by != each.by || promise->owner != each.owner) continue;
    // As device_info_file_name has it; the pool itself may be gone by now. Before the promise goes: a claim may have
    // the device right after, and writes a file of that name.
    std::string name = fmt::format("{}-{}-device.json", each.owner, each.device);
    std::replace(name.begin(), name.end(), '/', '-');
    remove_file(settings_.device_info_dir + "/" + name);
    if (inventory::release(host, each.device, each.by, each.owner))
      log_->info("{} of {} is free again", each.device, each.owner);
  }
  // Who may have a device has changed, so its health may have.
  if (!plan.import.empty() || !plan.release.empty()) update();
}

}  // namespace barewire::kubelet
