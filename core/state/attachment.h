// SPDX-License-Identifier: Apache-2.0
/// The record of one attachment: written before the first change ADD makes, trusted by DEL, GC, CHECK and the admin's
/// commands. One JSON file each, in Node::run_dir, which store.h reads and writes. A value; no I/O but where it is
/// said.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/kernel/netns.h"

namespace barewire::state {

/// (network, container ID, interface name), and which plugin of a chain keeps the record.
struct AttachmentId {
  std::string network;
  std::string container_id;
  std::string ifname;
  std::string plugin;
  friend auto operator<=>(const AttachmentId&, const AttachmentId&) = default;
  /// "network/container/ifname", for messages.
  std::string text() const;
};
/// The id of the attachment that `request` is about, as `plugin` keeps it.
AttachmentId attachment_id(const cni::Request& request, std::string_view plugin);

/// From CNI_ARGS K8S_POD_*; empty when the runtime does not tell.
struct Pod {
  std::string name_space;
  std::string name;
  std::string uid;
};

struct Attachment {
  AttachmentId id;
  std::string netns;                        ///< path at ADD
  std::optional<kernel::NetNsId> netns_id;  ///< what the path led to then
  std::string boot_id;                      ///< /proc/sys/kernel/random/boot_id at ADD
  std::string since;                        ///< RFC 3339, UTC
  Pod pod;
  std::string cni_args;        ///< CNI_ARGS at ADD
  std::string cni_path;        ///< CNI_PATH at ADD
  std::string netns_override;  ///< CNI_NETNS_OVERRIDE at ADD
  std::string ipam_type;
  std::string config;        ///< stdin of ADD, byte for byte
  boost::json::object data;  ///< what the plugin itself keeps

  /// The environment to call IPAM's DEL with, as ADD's was.
  cni::Environment del_environment() const;
  /// Its id and, where the runtime told it, its pod: for messages.
  std::string text() const;
  /// Whether its link is called so: CNI_IFNAME, or what data's "linkName" says.
  bool has_link(std::string_view name) const;
};

/// A record for `request`, stamped with time and boot; `data` is empty. Opens CNI_NETNS to learn its id: throws as
/// NetNs::open.
Attachment make_attachment(const cni::Request& request, std::string_view plugin);

/// As it is on disk, with the number of its format.
boost::json::value to_json(const Attachment& attachment);
/// Throws Error{state} naming `path` and the key, also for a newer format than this program's: by the same keys it may
/// mean something else.
Attachment parse_attachment(std::string_view bytes, const std::string& path);

}  // namespace barewire::state
