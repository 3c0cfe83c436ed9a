// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/owner.h"

#include <algorithm>

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

ovsdb::StringMap peer_owner_of(const cni::Request& request) {
  return {{kOwnerKey, kPeer}, {kNetnsKey, request.netns}, {kInterfaceKey, request.ifname}};
}

bool is_of_peer(const ovsdb::StringMap& external_ids) {
  const auto owner = external_ids.find(kOwnerKey);
  return owner != external_ids.end() && owner->second == kPeer;
}

}  // namespace barewire::ovs
