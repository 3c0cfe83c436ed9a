// SPDX-License-Identifier: Apache-2.0
/// Ports of OVS-DPDK that a pod reaches through a vhost-user socket: where the socket is, and who makes it. ovs.cc
/// plugs them, undo.cc removes what is left. Source: Open vSwitch documentation, "DPDK vHost User Ports"; unix(7).
#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "core/cni/request.h"
#include "ovs-plugin/layered_config.h"
#include "ovs-plugin/ovsdb/values.h"

namespace barewire::ovs {

inline constexpr const char* kVhostClient = "dpdkvhostuserclient";  ///< the switch connects; the pod's program listens
inline constexpr const char* kVhostServer = "dpdkvhostuser";        ///< the switch listens; lost when it restarts

struct VhostUser {
  bool pod_listens = true;       ///< kVhostClient
  std::string directory;         ///< of the pod's socket; empty: the switch's own
  std::string name;              ///< of the socket in it
  std::string switch_directory;  ///< where the switch makes sockets of kVhostServer, each named as its port
  std::optional<mode_t> mode;    ///< of the directory (the pod makes the socket), or of the switch's socket
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
  std::string directory;  ///< to remove once it is empty; none that was there before
  std::string device_info;
  std::optional<std::string> device_info_before;
};
boost::json::object to_json(const VhostRecord& record);
VhostRecord parse_vhost_record(const JsonView& record);

/// What will be made for port `port`. Touches nothing.
VhostRecord plan(const VhostUser& vhost, const std::string& port);
/// Before the port is added: the directory, and no stale socket in it. Throws Error{held} when a program listens there,
/// or the path is no socket; Error{io}.
void prepare(const VhostUser& vhost, const VhostRecord& record);
/// Once the switch has the port: its socket where the pod looks for it, and the device-info file. Throws Error{io}.
void publish(const VhostUser& vhost, const VhostRecord& record, const std::string& port);
/// All of it, each harmless when it never was.
void withdraw(const VhostRecord& record);

}  // namespace barewire::ovs
