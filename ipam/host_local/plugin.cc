// SPDX-License-Identifier: Apache-2.0
/// The operations of host-local: what ipam/plugins.h promises.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/log.h"
#include "core/rollback.h"
#include "core/state/store.h"
#include "ipam/host_local/config.h"
#include "ipam/host_local/reservation_store.h"
#include "ipam/plugins.h"

namespace fs = std::filesystem;

namespace barewire::ipam::host_local {

namespace {

/// This many addresses are tried one by one; then all reservations are looked at together.
constexpr int kProbes = 16;

Owner owner_of(const cni::Request& request) {
  return {request.container_id, request.ifname};
}

Error exhausted(const RangeSet& set) {
  return Error(Error::Code::try_again, fmt::format("reserving an address failed: none of {} is free", text_of(set)),
               "release pods, enlarge the range, or run GC when reservations are left over");
}

/// " (pod default/web)" where a record of ours tells whose the container is.
std::string pod_of(const Node& node, const std::string& network, const std::string& container_id) {
  for (const state::Attachment& attachment : state::Store(node.run_dir).list(network, nullptr))
    if (attachment.id.container_id == container_id && !attachment.pod.name.empty())
      return fmt::format(" (pod {}/{})", attachment.pod.name_space, attachment.pod.name);
  return {};
}

[[noreturn]] void throw_taken(const ReservationStore& store, const IpAddress& address, const cni::Request& request,
                              const Node& node) {
  const auto holder = store.holder(address);
  const std::string container = holder ? holder->container_id : "another container";
  throw Error(Error::Code::held,
              fmt::format("reserving {} as requested failed: it is reserved for {} {}{}", address.text(), container,
                          holder ? holder->ifname : "", pod_of(node, request.conf.name, container)),
              "ask for another address; when that container is gone, its DEL or GC frees this one");
}

/// One address for one attachment: a second ADD without a DEL is the runtime's mistake.
void require_none_held(ReservationStore& store, const Owner& owner, const RangeSet& set) {
  for (const IpAddress& address : store.held_by(owner))
    if (find_range(set, address) != nullptr)
      throw Error(Error::Code::held,
                  fmt::format("reserving an address for {} {} failed: it holds {} already", owner.container_id,
                              owner.ifname, address.text()),
                  "call DEL before another ADD");
}

IpAddress reserve_any(ReservationStore& store, const Owner& owner, const RangeSet& set, std::size_t index) {
  require_none_held(store, owner, set);
  Candidates candidates(set, store.last_reserved(index));
  // The file decides: a name that is free is taken by making it, without having read the others.
  for (int probe = 0; probe < kProbes; ++probe) {
    const auto address = candidates.next();
    if (!address) throw exhausted(set);
    if (store.reserve(*address, owner)) return *address;
  }
  const auto reserved = store.addresses();
  while (const auto address = candidates.next_free(reserved))
    if (store.reserve(*address, owner)) return *address;
  throw exhausted(set);
}

cni::IpConfig reserve_one(ReservationStore& store, const Owner& owner, const Config& config, std::size_t index,
                          const cni::Request& request, const Node& node) {
  const RangeSet& set = config.range_sets[index];
  const auto requested = std::find_if(config.requested.begin(), config.requested.end(),
                                      [&](const IpAddress& address) { return find_range(set, address) != nullptr; });
  if (requested != config.requested.end() && !store.reserve(*requested, owner))
    throw_taken(store, *requested, request, node);
  const IpAddress address = requested != config.requested.end() ? *requested : reserve_any(store, owner, set, index);
  const Range& range = *find_range(set, address);
  return {.address = {address, range.subnet.length}, .gateway = range.gateway, .interface = {}};
}

/// Writability for whoever creates `directory`: of itself, else of what it would be created in.
void require_writable(const std::string& directory) {
  // ADD creates what is missing, so STATUS must not ask for it.
  fs::path existing = directory;
  while (existing.has_relative_path() && !fs::exists(existing)) existing = existing.parent_path();
  if (existing.empty()) existing = ".";
  if (::access(existing.c_str(), W_OK | X_OK) != 0)
    throw errno_error(errno, fmt::format("writing reservations to {}", directory), Error::Code::not_available);
}

/// Does `content` of a reservation file belong to one of `valid`? Old ones name the container alone.
bool is_valid(std::string_view content, const std::vector<cni::ValidAttachment>& valid) {
  return std::any_of(valid.begin(), valid.end(), [&](const cni::ValidAttachment& attachment) {
    return content == attachment.container_id || content == Owner{attachment.container_id, attachment.ifname}.content();
  });
}

}  // namespace

cni::Result add(const cni::Request& request, Node& node) {
  const Config config = Config::parse(request);
  const Owner owner = owner_of(request);
  auto store = ReservationStore::open(reservation_directory(request, node), index_directory(node));
  cni::Result result{.interfaces = {}, .ips = {}, .routes = config.routes, .dns = config.dns};
  Rollback rollback;
  for (std::size_t i = 0; i < config.range_sets.size(); ++i) {
    const cni::IpConfig ip = reserve_one(store, owner, config, i, request, node);
    // A later range may be exhausted: what the earlier ones gave goes back.
    rollback.add("reservation", [&store, &owner, address = ip.address.address] { store.release(address, owner); });
    // Where the next ADD begins to look: an address that was given back is not given out at once.
    store.set_last_reserved(i, ip.address.address);
    result.ips.push_back(ip);
  }
  rollback.keep();
  return result;
}

void del(const cni::Request& request, Node& node) {
  auto store = ReservationStore::open_existing(reservation_directory(request, node), index_directory(node));
  if (store) store->release(owner_of(request));
}

void check(const cni::Request& request, Node& node) {
  const Config config = Config::parse(request);
  auto store = ReservationStore::open_existing(reservation_directory(request, node), index_directory(node));
  const auto held = store ? store->held_by(owner_of(request)) : std::vector<IpAddress>();
  if (held.empty())
    throw Error(Error::Code::drift, fmt::format("checking reservations failed: {} {} holds none in network {}",
                                                request.container_id, request.ifname, request.conf.name));
  // Without a result there is nothing to compare the reservations with.
  if (!request.conf.previous) return;
  for (const cni::IpConfig& ip : request.conf.previous->ips) {
    const IpAddress& address = ip.address.address;
    const bool ours = std::any_of(config.range_sets.begin(), config.range_sets.end(),
                                  [&](const RangeSet& set) { return find_range(set, address) != nullptr; });
    if (ours && std::find(held.begin(), held.end(), address) == held.end())
      throw Error(Error::Code::drift, fmt::format("checking reservations failed: {} is not reserved for {} {}",
                                                  address.text(), request.container_id, request.ifname));
  }
}

void gc(const cni::Request& request, Node& node) {
  if (!request.conf.has_valid_attachments) {
    log_warning("ignoring GC: \"cni.dev/valid-attachments\" is missing, so nothing is known of what is valid");
    return;
  }
  auto store = ReservationStore::open_existing(reservation_directory(request, node), index_directory(node));
  if (!store) return;
  store->release_unless([&](std::string_view content) { return is_valid(content, request.conf.valid_attachments); });
}

void status(const cni::Request& request, Node& node) {
  const Config config = Config::parse(request);
  const std::string directory = reservation_directory(request, node);
  require_writable(directory);
  // Runtimes take an error for a node that is not ready, with all its other networks; and a pod that goes frees one.
  if (!config.strict_status) return;
  const auto store = ReservationStore::open_existing(directory, index_directory(node));
  const auto reserved = store ? store->addresses() : std::vector<IpAddress>();
  for (const RangeSet& set : config.range_sets)
    if (count_free(set, reserved, 1) == 0)
      throw Error(Error::Code::not_available, fmt::format("no address of {} is free", text_of(set)),
                  "release pods, enlarge the range, or run GC when reservations are left over");
}

void validate(const cni::Request& request) {
  Config::parse(request);
}

}  // namespace barewire::ipam::host_local
