// SPDX-License-Identifier: Apache-2.0
/// One lease's DHCP client: what to send when, and what an answer means. No I/O, and the clock is an argument; leases.h
/// carries its messages. Source: RFC 2131 §3.1, §4.4.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "ipam/dhcp/terms.h"

namespace barewire::ipam::dhcp {

/// Since the node was booted, so that a lease outlives the daemon and no change of the wall clock touches it.
using Time = std::chrono::milliseconds;
/// CLOCK_BOOTTIME. Source: clock_gettime(2).
Time boot_time();

/// The daemon's flags. Source: docs/configuration/dhcp.md.
struct Timing {
  std::chrono::milliseconds timeout{10000};          ///< for which a server that has answered before is waited for
  std::chrono::milliseconds resend_max{62000};       ///< the longest wait between two DISCOVERs
  std::chrono::milliseconds resend_timeout{208000};  ///< after which no lease is hoped for any more
  bool broadcast = false;
};

/// Who asks, and for what: the same in every message of a lease.
struct Identity {
  MacAddress hardware{};
  Bytes client_identifier{};
  Config config{};
  bool broadcast = false;
};

/// RELEASE, sent once and never answered. Source: RFC 2131 §4.4.6.
Message release_message(const Identity& identity, const Terms& terms, std::uint32_t transaction);

class Client {
 public:
  enum class State {
    selecting,   ///< DISCOVER sent
    requesting,  ///< an offer chosen; the server may hold the address for us from now on
    bound,
    renewing,    ///< asking the server that granted it
    rebinding,   ///< asking every server
    recovering,  ///< refused or run out: DISCOVER for the very same address, which the pod still has
    lost,        ///< the pod must not use the address any more
    failed       ///< never had one
  };
  /// A message to send. `to_server`: to the server alone, else to everybody.
  struct Sending {
    Message message;
    bool to_server = false;
  };
  using Random = std::function<std::uint32_t()>;

  /// For a new lease: the first DISCOVER is due at once.
  Client(Identity identity, const Timing& timing, Random random, Time now);
  /// For one granted earlier, by a request of `granted`.
  Client(Identity identity, const Timing& timing, Random random, Time now, Terms terms, Time granted);

  /// When advance() has something to do; nullopt: never again.
  std::optional<Time> deadline() const;
  /// What is due by `now`. Call until nothing is returned.
  std::optional<Sending> advance(Time now);
  /// A message that came in; what is not meant for this client, or for its state, is ignored.
  std::optional<Sending> receive(const Message& message, Time now);

  State state() const noexcept { return state_; }
  const Identity& identity() const noexcept { return identity_; }
  /// Of the offer chosen or the lease held; nullopt while there is neither.
  const std::optional<Terms>& terms() const noexcept { return terms_; }
  Time granted() const noexcept { return granted_; }
  /// Waits for an answer: somebody must listen.
  bool is_waiting() const;
  /// Of state failed and lost: what happened last.
  const std::string& reason() const noexcept { return reason_; }
  /// A grant runs as long as this.
  bool is_expired(Time now) const;

 private:
  Message message_of(MessageType type, Time now) const;
  Sending discover(Time now);
  Sending request_offered(Time now);
  Sending request_held(Time now);
  std::optional<Sending> begin(State state, Time now);
  std::optional<Sending> resend(Time now);
  std::optional<Sending> take_offer(const Message& offer, Time now);
  /// Bound from now on, unless its terms cannot be used or are of another address.
  void take_ack(const Message& ack, Time now);
  /// The server knows of no such lease. A pod that has the address goes on asking for the very same.
  void take_nak(const Message& nak, Time now);
  /// With a new transaction.
  void start_over(Time now);
  void end(State state, std::string reason);
  Time jittered(std::chrono::milliseconds interval, std::chrono::milliseconds jitter) const;
  /// Some quick ones first, then doubled each time up to resend_max; jittered. Source: RFC 2131 §4.1.
  Time until_next_discover();
  Time until_next_request(Time now) const;
  /// That long after the grant; never, for a lease without end.
  Time at(std::optional<std::chrono::seconds> after) const;

  Identity identity_;
  Timing timing_;
  Random random_;
  State state_ = State::selecting;
  std::optional<Terms> terms_;
  bool holds_ = false;  ///< the pod has the address of terms_
  std::uint32_t transaction_ = 0;
  int tries_ = 0;   ///< of this exchange
  Time began_{};    ///< this exchange
  Time sent_{};     ///< the latest request
  Time next_{};     ///< send
  Time give_up_{};  ///< of selecting, requesting, recovering
  Time granted_{};
  std::string reason_;
};

}  // namespace barewire::ipam::dhcp
