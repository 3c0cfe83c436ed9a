// SPDX-License-Identifier: Apache-2.0
// Ports are known by what they carry, not by name: names are used again.
#include "ovs-plugin/owner.h"

#include <algorithm>

#include "core/boot_id.h"
#include "core/kernel/netns.h"

namespace barewire::ovs {

namespace {

constexpr const char* kOwnerKey = "owner";
constexpr const char* kOwner = "barewire";
constexpr const char* kPeer = "ovs-cni.network.kubevirt.io";
constexpr const char* kNetworkKey = "network";
constexpr const char* kNetnsKey = "contNetns";
constexpr const char* kPodUidKey = "contPodUid";
constexpr const char* kPodKey = "pod";

}  // namespace

bool is_owner_key(std::string_view key) {
  // Of the peer's keys too: a port that carries them is deleted by its DEL.
  static constexpr std::string_view kKeys[] = {kOwnerKey, kNetworkKey, kContainerKey, kInterfaceKey,
                                               kNetnsKey, kPodUidKey,  kPodKey,       kBootKey};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

ovsdb::StringMap our_mark() {
  return {{kOwnerKey, kOwner}};
}

ovsdb::StringMap network_mark(const std::string& network) {
  return {{kOwnerKey, kOwner}, {kNetworkKey, network}};
}

ovsdb::StringMap owner_of(const state::AttachmentId& id) {
  return {{kOwnerKey, kOwner}, {kNetworkKey, id.network}, {kContainerKey, id.container_id}, {kInterfaceKey, id.ifname}};
}

ovsdb::StringMap external_ids_of(const state::Attachment& attachment) {
  ovsdb::StringMap ids = owner_of(attachment.id);
  ids[kNetnsKey] = attachment.netns;
  ids[kBootKey] = attachment.boot_id;
  if (!attachment.pod.uid.empty()) ids[kPodUidKey] = attachment.pod.uid;
  if (!attachment.pod.name.empty()) ids[kPodKey] = attachment.pod.name_space + "/" + attachment.pod.name;
  return ids;
}

std::optional<state::Attachment> attachment_of(const ovsdb::StringMap& external_ids) {
  if (!is_of_us(external_ids) && !is_of_peer(external_ids)) return std::nullopt;
  const auto value = [&](const char* key) {
    const auto found = external_ids.find(key);
    return found == external_ids.end() ? std::string() : found->second;
  };
  state::Attachment attachment;
  attachment.id = {value(kNetworkKey), value(kContainerKey), value(kInterfaceKey),
                   is_of_us(external_ids) ? "ovs" : "ovs-cni"};
  attachment.netns = value(kNetnsKey);
  // The peer writes no boot: whether its pod lives is told by the netns alone.
  attachment.boot_id = is_of_us(external_ids) ? value(kBootKey) : current_boot_id();
  const std::string pod = value(kPodKey);
  const std::size_t slash = pod.find('/');
  attachment.pod.uid = value(kPodUidKey);
  if (slash != std::string::npos) {
    attachment.pod.name_space = pod.substr(0, slash);
    attachment.pod.name = pod.substr(slash + 1);
  }
  return attachment;
}

ovsdb::StringMap peer_owner_of(const cni::Request& request) {
  return {{kOwnerKey, kPeer}, {kNetnsKey, request.netns}, {kInterfaceKey, request.ifname}};
}

bool is_of_another_pod(const ovsdb::StringMap& external_ids, const cni::Request& request) {
  const auto theirs = external_ids.find(kPodUidKey);
  const auto ours = request.args.find("K8S_POD_UID");
  // A netns path is used again by later pods; where both sides know the pod's UID, that decides.
  return theirs != external_ids.end() && ours && !ours->empty() && *ours != theirs->second;
}

bool is_of_peer(const ovsdb::StringMap& external_ids) {
  const auto owner = external_ids.find(kOwnerKey);
  return owner != external_ids.end() && owner->second == kPeer;
}

bool is_of_us(const ovsdb::StringMap& external_ids) {
  const auto owner = external_ids.find(kOwnerKey);
  return owner != external_ids.end() && owner->second == kOwner;
}

bool is_of_dead_peer(const ovsdb::StringMap& external_ids) {
  const auto netns = external_ids.find(kNetnsKey);
  return is_of_peer(external_ids) && (netns == external_ids.end() || !kernel::NetNs::try_open(netns->second));
}

}  // namespace barewire::ovs
