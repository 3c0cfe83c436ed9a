// SPDX-License-Identifier: Apache-2.0
// One thread. What takes long (a server's answer) is a state of a lease, never a wait, so that no pod waits for
// another's server.
#include "ipam/dhcp/leases.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/cni/life.h"
#include "core/cni/plugin.h"
#include "core/log.h"

namespace barewire::ipam::dhcp {

namespace {

using State = Client::State;

bool is_held(State state) {
  return state == State::bound || state == State::renewing || state == State::rebinding || state == State::recovering;
}

std::string result_text(const Client& client) {
  return boost::json::serialize(client.terms()->result(client.identity().config).to_json(cni::kLatestVersion));
}

Error no_lease(const state::AttachmentId& id, const std::string& reason) {
  return Error(Error::Code::ipam,
               fmt::format("getting a DHCP lease for {} of {} failed: {}", id.ifname, id.container_id, reason),
               "is a DHCP server on the interface's network? `dhcp daemon -resendtimeout` says how long to ask");
}

/// A lease is kept while it cannot be told whether the pod lives.
bool is_certain_to_be_gone(const LeaseRecord& record, const std::string& host_prefix) {
  try {
    return !netns_of(record, host_prefix);
  } catch (const Error& error) {
    log_warning("{}", error.what());
    return false;
  }
}

}  // namespace

Leases::Leases(Options options, Answer answer)
    : options_(std::move(options)), answer_(std::move(answer)), store_(lease_store(options_.run_dir)) {}

void Leases::load(Time now) {
  std::vector<std::pair<std::string, std::string>> unreadable;
  for (const state::Attachment& attachment : store_.list(&unreadable)) {
    try {
      take_up(LeaseRecord::from_attachment(attachment), now);
    } catch (const Error& error) {
      log_warning("lease {}: ignoring its record: {}", attachment.id.text(), error.what());
    }
  }
  for (const auto& [path, error] : unreadable) log_warning("ignoring a damaged record: {}", error);
}

void Leases::take_up(LeaseRecord record, Time now) {
  // Another daemon's of this node, which listens elsewhere.
  if (record.daemon != options_.socket_path) return;
  const state::AttachmentId id = record.attachment.id;
  // One without a grant belongs to an ADD that died with the daemon.
  const bool wanted = record.terms && record.granted && is_of_this_boot(record.attachment);
  if (!wanted || is_certain_to_be_gone(record, options_.host_prefix)) {
    log_info("lease {}: dropped, nothing uses it any more", id.text());
    return forget(store_, id, options_.host_prefix);
  }
  log_info("lease {}: {} taken up again", id.text(), record.terms->address.text());
  Client client(identity_of(record), options_.timing, random_number, now, *record.terms, *record.granted);
  const State state = client.state();
  leases_.emplace(id, Lease{.record = std::move(record), .client = std::move(client), .seen = state});
}

void Leases::call(const cni::Request& request, int connection, Time now) {
  const state::AttachmentId id = state::attachment_id(request, kPluginName);
  switch (request.command) {
    case cni::Command::add:
      return add(request, connection, now);
    case cni::Command::check:
      check(request, now);
      break;
    case cni::Command::del:
      del(id);
      break;
    case cni::Command::status:
      Config::parse(request);
      break;
    case cni::Command::gc:
    case cni::Command::version:
      throw Error(Error::Code::environment, fmt::format("the DHCP daemon serves no {}", cni::name_of(request.command)),
                  "ADD, CHECK, DEL and STATUS are its own; the plugin answers the others by itself");
  }
  answer_(connection, "{}");
}

void Leases::add(const cni::Request& request, int connection, Time now) {
  const state::AttachmentId id = state::attachment_id(request, kPluginName);
  LeaseRecord record = make_record(request);
  if (const auto found = leases_.find(id); found != leases_.end()) {
    const Lease& lease = found->second;
    const bool same =
        lease.record.attachment.netns_id == record.attachment.netns_id && lease.record.index == record.index;
    // An ADD that is repeated for the same interface gets the lease that it has.
    if (same && is_held(lease.client.state())) return answer_(connection, result_text(lease.client));
    del(id);
  }
  Client client(identity_of(record), options_.timing, random_number, now);
  const auto [at, fresh] = leases_.emplace(
      id,
      Lease{.record = std::move(record), .client = std::move(client), .seen = State::selecting, .caller = connection});
  log_info("lease {}: asked for", id.text());
  Lease& lease = at->second;
  attempt(lease, [&] { drive(lease, now); });
  forget_gone();
}

LeaseRecord Leases::make_record(const cni::Request& request) const {
  cni::Request seen_from_here = request;
  seen_from_here.netns = options_.host_prefix + request.netns;
  LeaseRecord record;
  record.attachment = state::make_attachment(seen_from_here, kPluginName);
  record.attachment.netns = request.netns;
  kernel::NlSocket inside = kernel::NlSocket::in(seen_from_here.pod_netns());
  const kernel::Link link = kernel::get_link(inside, request.ifname);
  if (!link.mac)
    throw Error(Error::Code::device,
                fmt::format("getting a DHCP lease for {} failed: it is no Ethernet interface", link.name));
  record.index = link.index;
  record.hardware = *link.mac;
  record.broadcast = link.kind == "ipvlan";  // its MAC address is its parent's: an answer to that goes astray
  record.daemon = options_.socket_path;
  return record;
}

void Leases::del(const state::AttachmentId& id) {
  if (const auto found = leases_.find(id); found != leases_.end()) {
    answer_error(found->second, no_lease(id, "DEL came meanwhile"));
    leases_.erase(found);
    log_info("lease {}: given up", id.text());
  }
  forget(store_, id, options_.host_prefix);
}

void Leases::check(const cni::Request& request, Time now) const {
  const state::AttachmentId id = state::attachment_id(request, kPluginName);
  const auto drift = [&](const std::string& what) {
    return Error(Error::Code::drift, fmt::format("checking the DHCP lease of {} failed: {}", id.text(), what));
  };
  const auto found = leases_.find(id);
  if (found == leases_.end()) throw drift("there is none");
  const Client& client = found->second.client;
  if (!is_held(client.state()) || client.is_expired(now)) throw drift("it has run out");
  if (!request.conf.previous) return;
  const IpPrefix& address = client.terms()->address;
  const auto& ips = request.conf.previous->ips;
  if (std::none_of(ips.begin(), ips.end(), [&](const cni::IpConfig& ip) { return ip.address == address; }))
    throw drift(fmt::format("it is of {}, which \"prevResult\" lacks", address.text()));
}

void Leases::abandon(int connection) {
  for (auto& [id, lease] : leases_)
    if (lease.caller == connection) {
      lease.caller.reset();
      // A plugin that is killed has failed for its runtime: nobody would use the lease.
      drop(lease, "the caller went away");
    }
  forget_gone();
}

void Leases::collect(std::vector<pollfd>& polled) const {
  for (const auto& [id, lease] : leases_)
    if (lease.socket) polled.push_back({.fd = lease.socket->fd(), .events = POLLIN, .revents = 0});
}

std::optional<Time> Leases::deadline() const {
  std::optional<Time> first;
  const auto take = [&](Time time) { first = first ? std::min(*first, time) : time; };
  for (const auto& [id, lease] : leases_) {
    if (const auto due = lease.client.deadline()) take(*due);
    if (lease.socket) take(lease.closes);
  }
  return first;
}

void Leases::work(const std::vector<pollfd>& polled, Time now) {
  for (auto& held : leases_) {
    Lease& lease = held.second;  // clang before 16 lets no lambda capture a structured binding
    const bool readable = lease.socket && std::any_of(polled.begin(), polled.end(), [&](const pollfd& one) {
                            return one.fd == lease.socket->fd() && one.revents != 0;
                          });
    attempt(lease, [&] {
      // First: an answer that is there already spares the next request.
      if (readable) read(lease, now);
      drive(lease, now);
    });
    if (lease.socket && (!lease.client.is_waiting() || now >= lease.closes)) lease.socket.reset();
  }
  forget_gone();
}

void Leases::read(Lease& lease, Time now) {
  while (const auto received = lease.socket->receive()) {
    const auto sending = lease.client.receive(received->message, now);
    // For renewals, which go to the server alone: a packet socket does no ARP.
    if (lease.client.state() == State::bound) lease.record.server_mac = received->sender;
    settle(lease);
    if (sending) send(lease, *sending, now);
    if (lease.gone) return;
  }
}

void Leases::drive(Lease& lease, Time now) {
  while (!lease.gone) {
    const auto sending = lease.client.advance(now);
    settle(lease);
    if (!sending) return;
    send(lease, *sending, now);
  }
}

void Leases::send(Lease& lease, const Client::Sending& sending, Time now) {
  // A DEL that found no daemon has released it on its own.
  if (lease.record.granted && !store_.find(lease.record.attachment.id)) return drop(lease, "its record was removed");
  if (!open_socket(lease)) return drop(lease, "its network namespace or interface is gone");
  lease.closes = now + options_.timing.timeout;
  const bool alone = sending.to_server && lease.record.server_mac;
  try {
    lease.socket->send(sending.message, alone ? std::optional(lease.client.terms()->server) : std::nullopt,
                       alone ? lease.record.server_mac : std::nullopt);
  } catch (const Error& error) {  // a link without carrier may get one: the message will be sent again
    log_warning("lease {}: {}", lease.record.attachment.id.text(), error.what());
  }
}

/// False when there is nothing to open it on any more.
bool Leases::open_socket(Lease& lease) {
  if (lease.socket) return true;
  const auto netns = netns_of(lease.record, options_.host_prefix);
  if (!netns) return false;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto link = kernel::find_link(inside, lease.record.index);
  if (!link) return false;
  // IPAM is called before the interface is up. One that went down later was taken down by somebody.
  if (!link->is_up() && !lease.record.granted) kernel::set_up(inside, *link);
  lease.socket.emplace(*netns, lease.record.index);
  return true;
}

void Leases::settle(Lease& lease) {
  const State state = lease.client.state();
  if (state == lease.seen) return;
  lease.seen = state;
  const std::string id = lease.record.attachment.id.text();
  switch (state) {
    case State::requesting:  // on disk before the server may hold the address for us
      lease.record.terms = lease.client.terms();
      return store_.save(lease.record.to_attachment());
    case State::bound:
      return settle_bound(lease);
    case State::rebinding:
      return log_warning("lease {}: {} did not renew it, asking every server", id, lease.client.terms()->server.text());
    case State::recovering:
      return log_warning("lease {}: {}; asking for the same address", id, lease.client.reason());
    case State::lost:
      log_error("lease {}: lost, taking the interface down: {}", id, lease.client.reason());
      return take_link_down(lease);
    case State::failed:
      return drop(lease, lease.client.reason());
    case State::selecting:
    case State::renewing:
      break;
  }
}

void Leases::settle_bound(Lease& lease) {
  lease.record.terms = lease.client.terms();
  lease.record.granted = lease.client.granted();
  // Before the answer: the runtime counts the address as given then, and a daemon that dies must take it up again.
  store_.save(lease.record.to_attachment());
  const Terms& terms = *lease.record.terms;
  log_info("lease {}: {} of {} for {} s", lease.record.attachment.id.text(), terms.address.text(), terms.server.text(),
           terms.lease ? std::to_string(terms.lease->count()) : "unlimited");
  if (lease.caller) answer_(*lease.caller, result_text(lease.client));
  lease.caller.reset();
}

/// The pod must not use the address any more; the reference plugin does the same. Source: RFC 2131 §4.4.5.
void Leases::take_link_down(const Lease& lease) const {
  const auto netns = netns_of(lease.record, options_.host_prefix);
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  if (const auto link = kernel::find_link(inside, lease.record.index)) kernel::set_down(inside, *link);
}

void Leases::answer_error(Lease& lease, const Error& error) {
  if (lease.caller) answer_(*lease.caller, cni::error_json(error, cni::kLatestVersion));
  lease.caller.reset();
}

void Leases::drop(Lease& lease, const std::string& why) {
  const state::AttachmentId& id = lease.record.attachment.id;
  log_info("lease {}: dropped, {}", id.text(), why);
  forget(store_, id, options_.host_prefix);
  // Taken out by forget_gone(): whoever called may be walking the leases.
  lease.gone = true;
  answer_error(lease, no_lease(id, why));
}

void Leases::attempt(Lease& lease, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    log_error("lease {}: {}", lease.record.attachment.id.text(), error.what());
    if (!lease.caller) return;  // one that is held is worth another try
    answer_error(lease, error);
    drop(lease, error.what());
  }
}

void Leases::forget_gone() {
  std::erase_if(leases_, [](const auto& entry) { return entry.second.gone; });
}

}  // namespace barewire::ipam::dhcp
