// SPDX-License-Identifier: Apache-2.0
// The device may be in the pod, back on the node under another name, or gone for good; the record says what it was.
#include "sriov-plugin/host_device_undo.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "core/cni/configure.h"
#include "core/cni/life.h"
#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/vf/move.h"
#include "core/vf/restore.h"

namespace barewire::host_device {

namespace {

using kernel::Link;

vf::Identity identity_of(const DeviceRecord& record, const std::string& ifname) {
  vf::Identity identity;
  identity.parent_device = record.parent;
  identity.host_name = record.netdev->name;
  identity.pod_name = ifname;
  identity.pod_index = record.pod_index;
  identity.kind = record.netdev->kind;
  identity.mac = record.netdev->mac;
  identity.perm_mac = record.netdev->perm_mac;
  identity.phys_port_name = record.netdev->phys_port_name;
  return identity;
}

/// A netdev's parent is on any bus: pci, auxiliary, virtio, usb, platform.
std::string driver_now(const vf::Host& host, const DeviceRecord& record) {
  for (const std::string& bus : host.sysfs.list("bus"))
    if (const auto driver = host.sysfs.link_name(fmt::format("bus/{}/devices/{}/driver", bus, record.parent)))
      return *driver;
  return {};
}

/// A pod may have moved its netdev on into a netns of its own, under another index or name, not both.
bool is_moved_on(const Link& link, const vf::Identity& identity) {
  return link.kind == identity.kind && identity.mac && link.mac == identity.mac &&
         (link.index == identity.pod_index || link.name == identity.pod_name);
}

/// A virtual netdev that is neither in the pod nor at home. Kind, MAC and name are no proof: one that the records say
/// is another attachment's stays there. nullopt when it no longer exists: the pod has deleted it, or it died with its
/// netns. Throws Error{try_again} when that cannot be told.
std::optional<vf::Located> find_moved_on(vf::Host& host, const vf::Identity& identity, const state::AttachmentId& id) {
  const auto census = vf::NetNsCensus::take();
  for (kernel::NetNs& netns : census.list()) {
    if (netns.id() == host.netns.id()) continue;
    kernel::NlSocket socket = kernel::NlSocket::in(netns);
    for (Link& link : kernel::list_links(socket)) {
      if (!is_moved_on(link, identity)) continue;
      const auto other = host.store.find_other(id, netns.id(), link.name);
      if (!other) return vf::Located{std::move(netns), std::move(socket), std::move(link), false};
      log_warning("leaving {} of {} alone, though it looks like {}, since it is of {}", link.name, netns.path(),
                  identity.host_name, *other);
    }
  }
  if (!census.missed().empty())
    throw Error(Error::Code::try_again, fmt::format("telling whether {} is in some other netns failed: {}",
                                                    identity.host_name, census.missed()));
  log_warning("{} is in no netns: the pod has deleted it, or it died with its netns", identity.host_name);
  return std::nullopt;
}

/// nullopt when it no longer exists, or is in nobody's netns because no network driver is bound.
std::optional<vf::Located> find_netdev(vf::Host& host, const DeviceRecord& record,
                                       const state::Attachment& attachment) {
  const vf::Identity identity = identity_of(record, attachment.id.ifname);
  const vf::PodNetns pod{attachment.netns, attachment.netns_id};
  if (record.parent.empty()) {
    // A virtual netdev has no parent device to be known by: outside its pod it has to be told by kind, MAC and name.
    auto located = vf::locate(host, identity, pod);
    return located ? std::move(located) : find_moved_on(host, identity, attachment.id);
  }
  // First of all: without its driver there is no netdev to wait for.
  if (kernel::normalise_pci_address(record.parent)) vf::restore_driver(host, record.parent, record.driver);
  const std::string driver = driver_now(host, record);
  if (driver.empty() || kernel::is_userspace_driver(driver)) return std::nullopt;
  if (auto located = vf::await_netdev(host, identity, pod, vf::kNetnsPatience)) return located;
  if (!kernel::normalise_pci_address(record.parent))
    throw Error(Error::Code::try_again,
                fmt::format("the netdev of {} is in no netns that can be reached", record.parent),
                "it comes back when the last process in its netns ends");
  log_warning("the netdev of {} is in no netns that can be reached; binding {} again", record.parent, driver);
  return vf::Located{kernel::NetNs::current(), kernel::NlSocket(), vf::rebind(host, record.parent, driver), true};
}

/// A pod may have set another address. Best effort: the device is home with either.
void restore_mac(vf::Host& host, const Link& link, const vf::NetdevState& original) {
  if (!original.mac || link.mac == original.mac) return;
  try {
    kernel::set_mac(host.socket, link, *original.mac);
  } catch (const kernel::KernelError& error) {
    log_warning("giving {} its address back failed, ignoring: {}", link.name, error.what());
  }
}

/// Binding a PF's driver afresh would take its VFs away.
bool may_be_rebound(const vf::Host& host, const DeviceRecord& record) {
  if (!kernel::normalise_pci_address(record.parent)) return false;
  return host.sysfs.read_integer(fmt::format("bus/pci/devices/{}/sriov_numvfs", record.parent)).value_or(0) == 0;
}

Link clean(vf::Host& host, const vf::Located& located, Link home, const DeviceRecord& record) {
  const auto left = vf::clean_netdev(host, located, home, *record.netdev);
  if (left.empty()) return home;
  const std::string text = fmt::format("{}", fmt::join(left, "; "));
  if (!may_be_rebound(host, record)) {
    log_error("{} keeps what the pod has left on it: {}", home.name, text);
    return home;
  }
  log_warning("{} has something of the pod on it ({}); binding its driver afresh", home.name, text);
  vf::Located fresh{kernel::NetNs::current(), kernel::NlSocket(),
                    vf::rebind(host, record.parent, driver_now(host, record)), true};
  home = vf::move_home(host, fresh, *record.netdev);
  for (const std::string& clause : vf::clean_netdev(host, fresh, home, *record.netdev))
    log_error("{}: {}", home.name, clause);
  return home;
}

void bring_home(vf::Host& host, vf::Located& located, const DeviceRecord& record) {
  const vf::NetdevState& original = *record.netdev;
  const Link home = clean(host, located, vf::move_home(host, located, original), record);
  restore_mac(host, home, original);
  if (original.up && !home.is_up()) kernel::set_up(host.socket, home);
}

void restore(vf::Host& host, const state::Attachment& attachment) {
  if (!attachment.data.contains("device")) return;  // it never came to a claim
  const DeviceRecord record = parse_record(attachment);
  // A late DEL must not touch what another pod has by now.
  if (host.store.holder(record.claim) != attachment.id) return;
  const bool is_here = is_of_this_boot(attachment);
  if (!record.netdev && is_here && kernel::find_pci_function(host.sysfs, record.parent))
    vf::restore_driver(host, record.parent, record.driver);
  if (record.netdev && is_here)
    if (auto located = find_netdev(host, record, attachment)) bring_home(host, *located, record);
  host.store.release(record.claim, attachment.id);
}

/// Source: net/core/dev.c dev_valid_name.
/// The alias is free text, which a pod can write: it becomes a name only if the kernel would take it for one.
bool is_valid_name(const std::string& name) {
  if (name.empty() || name.size() > 15 || name == "." || name == "..") return false;
  return std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c) || std::iscntrl(c); });
}

bool matches(const Link& link, const DeviceQuery& query) {
  if (!query.name.empty()) return link.alias == query.name;
  if (query.mac) return link.mac == query.mac;
  if (!query.bus_address.empty()) return link.parent_device == query.bus_address;
  return !query.kernel_path.empty() && !link.parent_device.empty() &&
         query.kernel_path.find("/" + link.parent_device) != std::string::npos;
}

std::optional<vf::Located> find_in_pod(const vf::Host& host, const cni::Request& request) {
  auto netns = find_unclaimed_netns(request, host.store, request.ifname);
  if (!netns) return std::nullopt;
  kernel::NlSocket socket = kernel::NlSocket::in(*netns);
  auto link = kernel::find_link(socket, request.ifname);
  if (!link) return std::nullopt;
  return vf::Located{std::move(*netns), std::move(socket), std::move(*link), false};
}

/// Back on the host, because its netns has died, but still with the pod's name and the reference's alias.
std::optional<vf::Located> find_stranded(vf::Host& host, const DeviceQuery& query) {
  for (Link& link : kernel::list_links(host.socket))
    if (!link.alias.empty() && link.alias != link.name && matches(link, query))
      return vf::Located{kernel::NetNs::current(), kernel::NlSocket(), std::move(link), true};
  return std::nullopt;
}

std::optional<Link> find_recorded(kernel::NlSocket& socket, const state::Attachment& attachment) {
  const DeviceRecord record = parse_record(attachment);
  for (Link& link : kernel::list_links(socket))
    if (record.parent.empty() || link.parent_device.empty() ? link.index == record.pod_index
                                                            : link.parent_device == record.parent)
      return std::move(link);
  return std::nullopt;
}

std::vector<std::string> compare(kernel::NlSocket& socket, const Link& link, const cni::Result& previous,
                                 int position) {
  const cni::Interface& wanted = previous.interfaces[static_cast<std::size_t>(position)];
  std::vector<std::string> differences;
  const auto mac = MacAddress::parse(wanted.mac);
  const bool bonded = cni::is_bonded(socket, link);
  if (mac && link.mac != mac && !bonded)
    differences.push_back(fmt::format("MAC is {}, was {} at ADD", link.hardware_address, wanted.mac));
  if (wanted.mtu != 0 && link.mtu != wanted.mtu && !bonded)
    differences.push_back(fmt::format("MTU is {}, was {} at ADD", link.mtu, wanted.mtu));
  if (!link.is_up()) differences.push_back("it is down");
  for (std::string& text : cni::compare_interface(socket, link, previous, position))
    differences.push_back(std::move(text));
  return differences;
}

[[noreturn]] void report(const std::string& ifname, const std::vector<std::string>& differences) {
  throw Error(Error::Code::drift, fmt::format("{}: {}", ifname, fmt::join(differences, "; ")));
}

}  // namespace

DeviceRecord parse_record(const state::Attachment& attachment) {
  const boost::json::value data(attachment.data);
  const JsonView view(data, fmt::format("record of attachment {}: key", attachment.id.text()), Error::Code::state);
  DeviceRecord record;
  record.claim = view.at("device").string();
  record.parent = view.string_or("parent", "");
  record.driver = view.string_or("driver", "");
  if (const auto netdev = view.find("netdev")) record.netdev = vf::parse_netdev_state(*netdev);
  record.pod_index = static_cast<int>(view.integer_or("ifindex", 0, std::numeric_limits<int>::max(), "an ifindex", 0));
  return record;
}

DeviceRecord capture(vf::Host& host, const Device& device) {
  DeviceRecord record;
  record.claim = device.claim_name();
  record.parent = device.parent;
  record.driver = device.driver;
  if (device.link) record.netdev = vf::capture_netdev(host, *device.link);
  return record;
}

boost::json::object to_json(const DeviceRecord& record) {
  boost::json::object object{{"device", record.claim}, {"parent", record.parent}, {"driver", record.driver}};
  if (record.netdev) object["netdev"] = vf::to_json(*record.netdev);
  if (record.pod_index != 0) object["ifindex"] = record.pod_index;
  return object;
}

void detach(vf::Host& host, const state::Attachment& attachment, bool addressed, const std::string& cni_path,
            Node& node) {
  Collector undo;
  if (addressed) undo.run("releasing addresses", [&] { release_addresses(attachment, cni_path, node); });
  undo.run("bringing the device home", [&] { restore(host, attachment); });
  if (!undo.failed()) host.store.remove(attachment.id);
  undo.finish();
}

void detach_reference(vf::Host& host, const cni::Request& request) {
  const DeviceQuery query = DeviceQuery::parse_leniently(request);
  auto located = find_in_pod(host, request);
  // The reference writes the former name into the alias as it moves a device in; where there is none it was not the
  // one.
  if (located && located->link.alias.empty()) return;  // somebody else's interface
  if (!located) located = find_stranded(host, query);
  if (!located) return;
  vf::NetdevState original;
  original.name = query.name.empty() ? located->link.alias : query.name;
  if (!is_valid_name(original.name)) {
    log_warning("the alias \"{}\" of {} is no name for an interface, leaving it where it is", original.name,
                located->link.name);
    return;
  }
  log_info("{} was moved by the reference host-device; bringing it home as {}", located->link.name, original.name);
  vf::move_home(host, *located, original);
}

void check_attachment(const cni::Request& request, const std::optional<state::Attachment>& attachment) {
  const cni::Result& previous = *request.conf.previous;
  const int position = cni::find_position(previous, request.ifname);
  if (attachment && !attachment->data.contains("netdev")) return;  // on a user-space driver: nothing to see in the pod
  const kernel::NetNs& pod = request.pod_netns();
  kernel::NlSocket socket = kernel::NlSocket::in(pod);
  auto link = kernel::find_link(socket, request.ifname);
  if (!link) {
    const auto renamed = attachment ? find_recorded(socket, *attachment) : std::nullopt;
    report(request.ifname, {renamed ? fmt::format("it is called {}", renamed->name) : "it is missing"});
  }
  const auto differences = compare(socket, *link, previous, position);
  if (!differences.empty()) report(request.ifname, differences);
}

}  // namespace barewire::host_device
