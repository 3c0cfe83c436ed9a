// SPDX-License-Identifier: Apache-2.0
/// The daemon's one thread: waits for calls on the unix socket, for DHCP messages, for what is due, and for the signal
/// to stop. Source: sd_listen_fds(3), signalfd(2).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/signals.h"
#include "ipam/dhcp/daemon_options.h"
#include "ipam/dhcp/leases.h"

namespace barewire::ipam::dhcp {

/// A listening unix socket: systemd's where it hands one over, else a new one at `path`, which only root may use.
/// What a dead daemon left there is replaced. Throws Error{held} when another daemon listens, Error{io}.
struct Listener {
  Fd fd;
  bool activated = false;  ///< by systemd, which goes on listening when the daemon stops
  static Listener open(const std::string& path);
};

class Server {
 public:
  /// `stop` outlives it.
  Server(const DaemonOptions& options, const StopSignals& stop);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Removes the socket, unless systemd made it.
  ~Server();
  /// Until `stop` is asked. The leases are kept: pods go on using them.
  void run();

 private:
  struct Connection {
    Fd fd;
    std::string input{};  ///< what of the call has arrived
    Time since{};         ///< of its beginning, for callers that say nothing
    bool called = false;  ///< its call is being worked on
    bool done = false;    ///< to be closed
  };

  /// Blocks until there is something to do; what poll(2) said of each descriptor.
  std::vector<pollfd> wait() const;
  /// The next moment at which a lease or a silent caller is due; nullopt: none is.
  std::optional<Time> deadline() const;
  /// Takes callers as long as there is room; the rest waits in the socket's queue.
  void accept(Time now);
  /// One caller's turn: what it has sent, or that it has gone.
  void serve(int id, Connection& connection, short events, Time now);
  /// What has arrived of the call, up to its end.
  void read(Connection& connection);
  void call(int id, Connection& connection, Time now);
  /// Sends the answer and closes. A caller that has gone is no error.
  void answer(int id, const std::string& bytes);

  const StopSignals& stop_;
  std::string path_;
  Listener listener_;
  Leases leases_;
  std::map<int, Connection> connections_;  ///< by a number of ours: descriptors are used again at once
  int next_id_ = 0;
};

}  // namespace barewire::ipam::dhcp
