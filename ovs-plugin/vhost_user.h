// SPDX-License-Identifier: Apache-2.0
/// Ports of OVS-DPDK that a pod reaches through a vhost-user socket: where the socket is, and who makes it. ovs.cc
/// plugs them, undo.cc removes what is left. Source: Open vSwitch documentation, "DPDK vHost User Ports"; unix(7).
#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/request.h"
#include "core/kernel/netns.h"
#include "ovs-plugin/layered_config.h"
#include "ovs-plugin/ovsdb/values.h"
#include "ovs-plugin/socket_directory.h"

namespace barewire::ovs {

inline constexpr const char* kVhostClient = "dpdkvhostuserclient";  ///< the switch connects; the pod's program listens
inline constexpr const char* kVhostServer = "dpdkvhostuser";        ///< the switch listens; lost when it restarts

/// What a configuration asks of the socket.
struct VhostUser {
  bool pod_listens = true;       ///< kVhostClient
  std::string directory;         ///< of the pod's socket; empty: the switch's own
  std::string name;              ///< of the socket in it
  std::string switch_directory;  ///< where the switch makes sockets of kVhostServer, each named as its port
  std::optional<mode_t> mode;    ///< of the directory that is made (the pod makes the socket), or the switch's socket
  std::optional<gid_t> group;    ///< likewise
  std::string device_info_file;  ///< empty: none wanted

  /// What the pod's program opens.
  std::string path(const std::string& port) const;
  /// Column Interface.options.
  ovsdb::StringMap options() const;
};

/// Keys `socket_dir`, `socket_name`, `socket_mode`, `socket_group`, `ovs_run_dir`. Throws Error{config}, also for a
/// path that no socket can have.
VhostUser parse_vhost_user(const cni::Request& request, const LayeredConfig& config, const std::string& type);
/// Throws Error{config}, naming the keys that make it, when the path is longer than a socket's may be.
void require_socket_path(const std::string& path);
/// A group's number, or its name in /etc/group. Throws Error{config} naming the key.
gid_t parse_group(const JsonView& group);

/// What has been made, for undoing it.
struct VhostRecord {
  std::string socket;
  std::optional<FileId> socket_id;         ///< of the switch's socket where it was linked
  std::vector<MadeDirectory> directories;  ///< to remove once empty, the outermost first; none that was there before
  std::string device_info;
  std::optional<std::string> device_info_before;
};
/// As OvsRecord keeps it.
boost::json::object to_json(const VhostRecord& record);
VhostRecord parse_vhost_record(const JsonView& record);

/// What the records of other attachments say of sockets and their directories.
struct VhostOthers {
  std::vector<VhostRecord> records;
  bool all_read = true;  ///< false: a record cannot be read, and may name anything
  bool have_socket(const std::string& path) const;
  /// Made by one of them, or with a socket of one of them somewhere in it.
  bool need_directory(const std::string& path) const;
};

/// What will be made for port `port`. Touches nothing. Throws Error{held} when a program listens at the socket's path,
/// another attachment has it, or it is no socket, and as find_place.
VhostRecord plan(const VhostUser& vhost, const std::string& port, const VhostOthers& others);
/// Before the port is added: the directory, and no stale socket in it. Writes into `record` what it made. Throws as
/// plan; Error{io}.
void prepare(const VhostUser& vhost, VhostRecord& record, const VhostOthers& others);
/// Once the switch has the port: its socket where the pod looks for it, and the device-info file. Throws Error{io}.
void publish(const VhostUser& vhost, VhostRecord& record, const std::string& port);
/// All of it, each harmless when it never was. The socket goes when it is the switch's that was linked there, when
/// nobody listens, or a program in the netns of the pod does; never another attachment's.
void withdraw(const VhostRecord& record, const VhostOthers& others, const std::optional<kernel::NetNsId>& pod);

}  // namespace barewire::ovs
