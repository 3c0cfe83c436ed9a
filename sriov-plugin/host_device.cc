// SPDX-License-Identifier: Apache-2.0
// The host-device plugin: its five operations, each a short list of steps.
#include <algorithm>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/life.h"
#include "core/cni/zero_values.h"
#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/vf/move.h"
#include "core/vf/settings.h"
#include "sriov-plugin/host_device_config.h"
#include "sriov-plugin/host_device_undo.h"
#include "sriov-plugin/plugins.h"

namespace barewire {

namespace host_device {

namespace {

using kernel::Link;
using kernel::NlSocket;

/// One ADD at work.
struct Work {
  Work(const cni::Request& from, Node& on)
      : request(from),
        node(on),
        query(DeviceQuery::parse(from)),
        host(on),
        attachment(state::make_attachment(from, kPlugin)),
        // A descriptor of its own: the netns stays the same one, and alive, for the whole ADD.
        pod(from.pod_netns().again()) {}

  const cni::Request& request;
  Node& node;
  const DeviceQuery query;
  vf::Host host;
  state::Attachment attachment;
  kernel::NetNs pod;
  DeviceRecord record;
  bool addressed = false;

  void save(const cni::Result* result = nullptr) {
    attachment.data = to_json(record);
    if (result != nullptr) attachment.data["result"] = result->to_json(cni::kLatestVersion);
    host.store.save(attachment);
  }
};

[[noreturn]] void refuse_held(const std::string& device, const state::Attachment& holder) {
  throw Error(Error::Code::held, fmt::format("{} is held by attachment {}", device, holder.text()),
              "the runtime has to DEL that attachment first");
}

bool is_record_of(const DeviceRecord& record, const DeviceQuery& query) {
  if (query.is_on_bus()) return record.claim == query.bus_address;
  if (!record.netdev) return false;
  if (query.name.empty()) return query.mac && record.netdev->mac == query.mac;
  const auto names = record.netdev->alt_names.value_or(std::vector<std::string>());
  return record.netdev->name == query.name || std::find(names.begin(), names.end(), query.name) != names.end();
}

/// Says so if the device is not on the host because a pod has it.
void refuse_if_in_a_pod(Work& work) {
  for (const state::Attachment& other : work.host.store.list())
    if (other.id.plugin == kPlugin && other.data.contains("device") && is_record_of(parse_record(other), work.query))
      refuse_held(work.query.text(), other);
}

/// The device as it is now; a holder whose pod is dead is undone first, since its device may be the one asked for.
Device find(Work& work) {
  for (const state::Attachment& other : work.host.store.list()) {
    // Looked at twice, since between the two looks its own DEL may have come: the second time under the attachment's
    // lock.
    if (other.id.plugin != kPlugin || other.id == work.attachment.id || !is_dead(other).is_yes()) continue;
    const state::FileLock lock = work.host.store.lock_attachment(other.id);
    const auto existing = work.host.store.find(other.id);
    if (!existing || !is_dead(*existing).is_yes()) continue;
    log_warning("the netns of attachment {} is gone and nobody has called DEL; undoing it", other.id.text());
    detach(work.host, *existing, true, work.request.environment.path, work.node);
  }
  // On its bus a device is seen from here while a pod has its netdev; by name and MAC it is not.
  if (work.query.is_on_bus()) refuse_if_in_a_pod(work);
  if (auto device = find_device(work.host, work.query)) return std::move(*device);
  refuse_if_in_a_pod(work);
  throw Error(Error::Code::device, fmt::format("failed to find host device: there is no {}", work.query.text()),
              "it may be in another pod, or not be named so on this node; `ip link` lists what is there");
}

/// Refuses what is sure to fail. Nothing has been touched.
void preflight(Work& work, const Device& device) {
  NlSocket pod_socket = NlSocket::in(work.pod);
  if (const std::string& name = work.request.ifname; kernel::find_link(pod_socket, name))
    throw Error(Error::Code::held, fmt::format("interface {} exists already in {}", name, work.request.netns),
                "every network of a pod needs an interface name of its own");
  if (device.link && device.link->is_loopback())
    throw Error(Error::Code::device,
                fmt::format("{} is the loopback interface, which cannot leave its netns", device.link->name),
                "every pod has one of its own");
  if (device.link && device.link->master != 0)
    throw Error(Error::Code::held,
                fmt::format("{} belongs to the host: it is part of a bridge or bond", device.link->name),
                "take it out of there first");
}

void claim(Work& work, const Device& device) {
  const std::string name = device.claim_name();
  const state::FileLock lock = vf::lock_device(work.host.store, work.host.sysfs, name);
  // Before the record is written: an earlier holder's device must not be captured as it is in use.
  if (const auto holder = work.host.store.holding(name); holder && holder->id != work.attachment.id)
    refuse_held(name, *holder);
  // On record before the claim, and the claim before anything changes: killed at any point, DEL finds what to do.
  work.record = capture(work.host, device);
  work.save();
  if (work.host.store.claim(name, work.attachment.id)) return;
  work.host.store.remove(work.attachment.id);
  throw Error(Error::Code::held, fmt::format("{} is held by another attachment", name), "try again");
}

std::optional<Link> move(Work& work, const Device& device) {
  if (!device.link) return std::nullopt;
  NlSocket socket = NlSocket::in(work.pod);
  const Link moved = vf::move_in(work.host, *device.link, work.pod, socket, work.request.ifname);
  kernel::set_up(socket, moved);
  work.record.pod_index = moved.index;
  return kernel::find_link(socket, moved.index).value_or(moved);
}

cni::Result address(Work& work, const std::optional<Link>& link) {
  // After the move, as the reference does it: the dhcp plugin sends from the pod's interface.
  cni::Result result = cni::ipam_add(work.request, work.node);  // when it fails it has released what it took
  work.addressed = true;
  cni::Interface interface {
    .name = work.request.ifname, .mac = "", .mtu = 0, .sandbox = work.request.netns, .socket_path = "", .pci_id = ""
  };
  if (kernel::normalise_pci_address(work.record.claim)) interface.pci_id = work.record.claim;
  if (link) {
    interface.mac = link->hardware_address;
    interface.mtu = link->mtu;
  }
  result.interfaces = {interface};
  cni::assign_addresses_to(result, 0);
  if (cni::overrides_dns(work.request)) result.dns = work.request.conf.dns;
  if (!link || result.ips.empty()) return result;
  NlSocket socket = NlSocket::in(work.pod);
  cni::configure_interface(work.pod, socket, *link, result, 0);
  return result;
}

cni::Result add(const cni::Request& request, Node& node) {
  Work work(request, node);
  cni::require_ipam(request, node);
  const state::FileLock lock = work.host.store.lock_attachment(work.attachment.id);
  clear_leftover(work.host.store, work.attachment.id, [&](const state::Attachment& earlier) {
    detach(work.host, earlier, true, request.environment.path, node);
  });
  const Device device = find(work);
  preflight(work, device);
  Rollback rollback;
  rollback.add("attachment", [&work] {
    detach(work.host, work.attachment, work.addressed, work.request.environment.path, work.node);
  });
  claim(work, device);
  const std::optional<Link> link = move(work, device);
  const cni::Result result = address(work, link);
  work.save(&result);
  rollback.keep();
  return result;
}

void del(const cni::Request& request, Node& node) {
  vf::Host host(node);
  const state::AttachmentId id = state::attachment_id(request, kPlugin);
  const state::FileLock lock = host.store.lock_attachment(id);
  if (const auto attachment = host.store.find(id))
    return detach(host, *attachment, true, request.environment.path, node);
  Collector undo;
  // No record of ours: the pod may have been attached by the reference plugin before this node changed over.
  undo.run("restoring what the reference host-device attached", [&] { detach_reference(host, request); });
  undo.run("releasing addresses", [&] { cni::ipam_del(request, node); });
  undo.finish();
}

void check(const cni::Request& request, Node& node) {
  cni::ipam_check(request, node);
  vf::Host host(node);
  const auto attachment = host.store.find(state::attachment_id(request, kPlugin));
  if (!request.conf.previous)
    throw Error(Error::Code::config, "config key \"prevResult\" is missing",
                "CHECK gets the result of ADD as prevResult");
  check_attachment(request, attachment);
}

void gc(const cni::Request& request, Node& node) {
  vf::Host host(node);
  Collector undo;
  undo.run("collecting attachments", [&] {
    collect_unlisted(request, host.store, kPlugin, [&](const state::Attachment& attachment) {
      detach(host, attachment, true, request.environment.path, node);
    });
  });
  undo.run("GC of the IPAM plugin", [&] { cni::ipam_gc(request, node); });
  undo.finish();
}

void status(const cni::Request& request, Node& node) {
  cni::ipam_status(request, node);
}

/// Where the configuration names no device, the runtime will.
void validate(const cni::Request& request) {
  const JsonView root = request.conf.root();
  for (const char* key : {"device", "hwaddr", "kernelpath", "pciBusID"})
    if (root.has(key)) {
      DeviceQuery::parse(request);
      return;
    }
}

}  // namespace

}  // namespace host_device

const cni::Plugin kHostDevice{.name = "host-device",
                              .about = "moves a network device of the host into a pod",
                              .add = host_device::add,
                              .del = host_device::del,
                              .check = host_device::check,
                              .gc = host_device::gc,
                              .status = host_device::status,
                              .validate = host_device::validate};

}  // namespace barewire
