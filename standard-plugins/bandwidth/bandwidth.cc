// SPDX-License-Identifier: Apache-2.0
/// The bandwidth plugin, chained: limits what a pod receives and sends, at the node's end of its veth pair. What the
/// pod receives waits in a token bucket there; what it sends is taken through an ifb device that has one. Ports of Open
/// vSwitch have both at the pod's end (switch_port.h); a pod that has a VF is limited by the NIC (vf.h).
#include <algorithm>
#include <cerrno>

#include "core/kernel/link.h"
#include "core/kernel/new_link.h"
#include "core/kernel/tc.h"
#include "core/rollback.h"
#include "standard-plugins/bandwidth/config.h"
#include "standard-plugins/bandwidth/switch_port.h"
#include "standard-plugins/bandwidth/vf.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/common/reference.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "bandwidth";
constexpr const char* kIfbKind = "ifb";
constexpr const char* kHostKey = "hostInterface";  ///< where the rates are, on the node …
constexpr const char* kPodKey = "podInterface";    ///< … or in the pod's netns
constexpr const char* kIfbKey = "ifb";

std::string ifb_name(const state::AttachmentId& id) {
  constexpr std::size_t kDigits = 12;  // an interface's name has 15 characters
  return "bwp" + hash_name(owner_text(id)).substr(0, kDigits);
}

bool is_among(const std::vector<cni::Interface>& interfaces, const std::string& name) {
  return std::any_of(interfaces.begin(), interfaces.end(), [&](const cni::Interface& interface) {
    return interface.sandbox.empty() && interface.name == name;
  });
}

/// The node's end of the pod's veth pair, which an earlier plugin of the chain has told of. Throws Error{device} when
/// the interface is of another kind or its end another one.
kernel::Link host_end(kernel::NlSocket& host, const cni::Request& request) {
  kernel::NlSocket& inside = request.pod_socket();
  const kernel::Link link = kernel::get_link(inside, request.ifname);
  const auto peer = link.kind == "veth" ? kernel::find_link(host, link.parent) : std::nullopt;
  if (!peer || peer->kind != "veth")
    throw Error(
        Error::Code::device,
        fmt::format("limiting the bandwidth of {} failed: it is no veth pair with an end on this node", request.ifname),
        "nor is it a VF by its pciID in prevResult; nothing else can be limited from outside the pod");
  if (!is_among(request.conf.previous->interfaces, peer->name))
    throw Error(
        Error::Code::device,
        fmt::format("limiting the bandwidth of {} failed: its end on the node is {}, which prevResult does not list",
                    request.ifname, peer->name),
        "prevResult is to be the result of the plugin that made the pair");
  return *peer;
}

std::string recorded(const state::Attachment& attachment, const char* key) {
  const boost::json::value* name = attachment.data.if_contains(key);
  return name != nullptr && name->is_string() ? std::string(name->get_string()) : std::string();
}

/// Where the rates are; nullopt when they went with the pod's netns.
std::optional<kernel::NlSocket> socket_of(const state::Attachment& attachment) {
  if (recorded(attachment, kPodKey).empty()) return kernel::NlSocket();
  const auto netns = netns_of(attachment);
  if (!netns) return std::nullopt;
  return kernel::NlSocket::in(*netns);
}

/// The qdiscs go with the pair too, but the pair may stay: when ADD fails, and when the chain changes.
void remove_qdiscs(kernel::NlSocket& socket, const std::string& name) {
  const auto link = name.empty() ? std::nullopt : kernel::find_link(socket, name);
  if (!link || link->kind != "veth") return;
  // Only a bucket: another root qdisc was put there by somebody else since.
  if (kernel::find_token_bucket(socket, link->index)) kernel::remove_root_qdisc(socket, link->index);
  kernel::remove_ingress_qdisc(socket, link->index);
}

void remove_ifb(kernel::NlSocket& socket, const std::string& name) {
  const auto link = kernel::find_link(socket, name);
  if (link && link->kind == kIfbKind) kernel::delete_link(socket, link->index, "removing " + link->name);
}

/// A pod that the reference plugin limited: its device has another name, and what else it made goes with the pair.
void remove_reference_ifb(const state::Attachment& attachment) {
  kernel::NlSocket host;
  remove_ifb(host, reference_ifb_name(attachment.id));
}

void undo(const state::Attachment& attachment, Node& node) {
  Collector collector;
  collector.run("rate of the VF", [&] { lift_limit(attachment, node); });
  if (auto socket = socket_of(attachment)) {
    collector.run("rates",
                  [&] { remove_qdiscs(*socket, recorded(attachment, kHostKey) + recorded(attachment, kPodKey)); });
    collector.run("ifb device", [&] { remove_ifb(*socket, ifb_name(attachment.id)); });
  }
  // Nothing of ours is on record: it may be the reference plugin's pod.
  if (attachment.data.empty()) collector.run("the reference's ifb device", [&] { remove_reference_ifb(attachment); });
  collector.finish();
}

kernel::Link create_ifb(kernel::NlSocket& host, const std::string& name, const kernel::Link& port) {
  kernel::NewLink link;
  link.name = name;
  // As large as the pair's: a packet that the ifb device finds too large would be dropped.
  link.mtu = port.mtu;
  link.up = true;
  kernel::create_link(host, kIfbKind, link);
  return kernel::get_link(host, name);
}

/// Returns the ifb device, if one is needed.
std::optional<kernel::Link> limit(kernel::NlSocket& host, const kernel::Link& port, const BandwidthConfig& config,
                                  const std::string& ifb) {
  if (config.ingress) kernel::set_token_bucket(host, port.index, *config.ingress);
  if (!config.egress) return std::nullopt;
  const kernel::Link device = create_ifb(host, ifb, port);
  kernel::set_token_bucket(host, device.index, *config.egress);
  kernel::redirect_ingress(host, port.index, device.index);
  return device;
}

/// The interface that has both rates.
struct Place {
  kernel::NlSocket socket;
  kernel::Link link;
  bool in_pod = false;

  const char* key() const { return in_pod ? kPodKey : kHostKey; }
  /// What a pod sends leaves its own end of the pair and arrives at the other.
  BandwidthConfig seen_from_here(const BandwidthConfig& config) const {
    return in_pod ? BandwidthConfig{.ingress = config.egress, .egress = config.ingress} : config;
  }
};

Place place_of(const cni::Request& request, Node& node) {
  if (auto port = find_switch_port(request, node)) return {std::move(port->socket), std::move(port->link), true};
  Place place;
  place.link = host_end(place.socket, request);
  return place;
}

/// Writes `attachment` before the first change.
void limit_veth(state::Attachment& attachment, const cni::Request& request, const BandwidthConfig& config,
                cni::Result& result, Node& node) {
  Place place = place_of(request, node);
  attachment.data[place.key()] = place.link.name;
  // The name is made from the attachment, so an ADD that is killed before it knows an ifindex can still be undone.
  attachment.data[kIfbKey] = ifb_name(attachment.id);
  store_of(node).save(attachment);
  const auto device = limit(place.socket, place.link, place.seen_from_here(config), ifb_name(attachment.id));
  if (device) result.interfaces.push_back(interface_of(*device, place.in_pod ? request.netns : ""));
}

cni::Result add(const cni::Request& request, Node& node) {
  const BandwidthConfig config = BandwidthConfig::parse(request.conf);
  cni::Result result = require_previous(request);
  if (config.empty()) return result;
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    // A VF first: its netdev is no veth, and its pair does not exist.
    if (const auto device = find_vf(result, request.ifname, node))
      limit_vf(attachment, *device, config, node);
    else
      limit_veth(attachment, request, config, result, node);
    return result;
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

void compare_rate(std::vector<std::string>& clauses, kernel::NlSocket& socket, const kernel::Link& link,
                  const kernel::TokenBucket& wanted) {
  if (auto clause = kernel::explain_rate(socket, link.index, link.name, wanted)) clauses.push_back(*std::move(clause));
}

void compare_egress(std::vector<std::string>& clauses, kernel::NlSocket& host, const kernel::Link& port,
                    const kernel::TokenBucket& wanted, const std::string& name) {
  const auto device = kernel::find_link(host, name);
  if (!device || device->kind != kIfbKind) return clauses.push_back(fmt::format("ifb device {} is missing", name));
  if (!device->is_up()) clauses.push_back(fmt::format("ifb device {} is down", name));
  compare_rate(clauses, host, *device, wanted);
  if (!kernel::is_ingress_redirected(host, port.index, device->index))
    clauses.push_back(fmt::format("{} does not lead to {}", port.name, name));
}

void compare_veth(std::vector<std::string>& clauses, const cni::Request& request, const BandwidthConfig& config,
                  Node& node) {
  Place place = place_of(request, node);
  const BandwidthConfig here = place.seen_from_here(config);
  if (here.ingress) compare_rate(clauses, place.socket, place.link, *here.ingress);
  if (here.egress)
    compare_egress(clauses, place.socket, place.link, *here.egress, ifb_name(state::attachment_id(request, kName)));
}

void check(const cni::Request& request, Node& node) {
  const BandwidthConfig config = BandwidthConfig::parse(request.conf);
  const cni::Result& previous = require_previous(request);
  if (config.empty()) return;
  std::vector<std::string> clauses;
  if (const auto device = find_vf(previous, request.ifname, node)) {
    const auto attachment = find_record(request, node, kName);
    if (attachment)
      compare_vf(clauses, *attachment, node);
    else
      clauses.push_back(fmt::format("there is no record of a limit of VF {}", *device));
  } else {
    compare_veth(clauses, request, config, node);
  }
  throw_drift(request.ifname, clauses);
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

}  // namespace

const cni::Plugin kBandwidth{.name = kName,
                             .about = "limits what a pod sends and receives",
                             .add = add,
                             .del = del,
                             .check = check,
                             .gc = gc,
                             .validate = [](const cni::Request& request) { BandwidthConfig::parse(request.conf); }};

}  // namespace barewire::standard
