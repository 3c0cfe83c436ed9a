// SPDX-License-Identifier: Apache-2.0
/// The leases the daemon keeps: carries the messages of each one's Client through a packet socket in the pod's netns,
/// writes what changes to disk, answers the plugin's calls. One thread; server.h has the loop around it.
#pragma once

#include <poll.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipam/dhcp/lease_record.h"
#include "ipam/dhcp/packet_socket.h"

namespace barewire::ipam::dhcp {

class Leases {
 public:
  struct Options {
    Timing timing{};
    std::string host_prefix{};  ///< where the host's files are seen
    std::string run_dir{};      ///< with the prefix
    std::string socket_path{};  ///< without: whose leases these are
  };
  /// `bytes` is what the call on `connection` prints: a CNI result or error.
  using Answer = std::function<void(int connection, const std::string& bytes)>;

  Leases(Options options, Answer answer);
  /// Takes up the leases an earlier daemon kept.
  void load(Time now);

  /// ADD, CHECK, DEL, STATUS of a plugin on `connection`, which is answered now, or in an ADD's case later. Throws what
  /// is to be answered as the error.
  void call(const cni::Request& request, int connection, Time now);
  /// The caller went away: its ADD is given up.
  void abandon(int connection);

  /// Sockets to poll, and until when.
  void collect(std::vector<pollfd>& polled) const;
  std::optional<Time> deadline() const;
  /// Reads what came in on any of `polled`, sends what is due.
  void work(const std::vector<pollfd>& polled, Time now);

 private:
  struct Lease {
    LeaseRecord record;
    Client client;
    Client::State seen;                    ///< last settled
    std::optional<PacketSocket> socket{};  ///< while an answer is waited for, since it keeps the netns alive
    Time closes{};                         ///< then it is closed all the same
    std::optional<int> caller{};           ///< connection of the ADD under way
    bool gone = false;                     ///< to be forgotten
  };

  void take_up(LeaseRecord record, Time now);
  /// Begins to ask for a lease; the answer comes with `settle`.
  void add(const cni::Request& request, int connection, Time now);
  /// RELEASE, then the record. Harmless without a lease.
  void del(const state::AttachmentId& id);
  /// Throws Error{drift}.
  void check(const cni::Request& request, Time now) const;
  /// Of the interface as it is now. Throws Error where the netns or the interface is not there.
  LeaseRecord make_record(const cni::Request& request) const;
  /// One lease on its way: what its client wants sent or waited for now.
  void drive(Lease& lease, Time now);
  void send(Lease& lease, const Client::Sending& sending, Time now);
  /// False when the pod's netns or interface is gone: the lease then runs out by itself.
  bool open_socket(Lease& lease);
  void read(Lease& lease, Time now);
  /// What a change of the client's state means: records, answers, the link.
  void settle(Lease& lease);
  void settle_bound(Lease& lease);
  /// At the end of a lease the address may be somebody else's: RFC 2131 §4.4.5.
  void take_link_down(const Lease& lease) const;
  void answer_error(Lease& lease, const Error& error);
  /// Ends a lease and its record; its caller hears `why`.
  void drop(Lease& lease, const std::string& why);
  /// Runs `work`; what it throws concerns this lease alone.
  void attempt(Lease& lease, const std::function<void()>& work);
  /// Not while they are walked.
  void forget_gone();

  /// All of the loop's thread.
  Options options_;
  Answer answer_;
  state::Store store_;  ///< /run/barewire/dhcp
  std::map<state::AttachmentId, Lease> leases_;
};

}  // namespace barewire::ipam::dhcp
