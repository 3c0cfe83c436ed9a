// SPDX-License-Identifier: Apache-2.0
// Driven by its owner's clock and poll loop: one thread serves every lease, and tests give the time.
#include "ipam/dhcp/client.h"

#include <time.h>

#include <algorithm>
#include <array>

namespace barewire::ipam::dhcp {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// The first tries come quickly: a link that has just come up loses what is sent too early.
constexpr std::array<milliseconds, 4> kQuick = {500ms, 1s, 2s, 2s};
constexpr milliseconds kPause = 2s, kPauseJitter = 500ms;
constexpr milliseconds kFirstSlow = 4s, kJitter = 1s;
/// Source: RFC 2131 §4.4.5: "down to a minimum of 60 seconds"; a short lease cannot wait that long.
constexpr milliseconds kRenewalPause = 60s;
// What an Ethernet frame carries, so that no answer comes in fragments.
constexpr std::uint16_t kMaximumMessage = 1500;

bool is_trying(Client::State state) {
  using enum Client::State;
  return state == selecting || state == requesting || state == recovering;
}

void add_common_options(Message& message, const Identity& identity) {
  for (const auto& [code, value] : identity.config.provided) message.options[code] = value;
  if (!identity.config.requested.empty()) message.options[kParameterRequestList] = identity.config.requested;
  message.options[kMaximumSize] = {kMaximumMessage >> 8, kMaximumMessage & 0xff};
}

/// "dhcp-client-identifier" among the provided ones replaces ours, in RELEASE too.
Bytes identifier_of(const Identity& identity) {
  const auto provided = identity.config.provided.find(kClientIdentifier);
  return provided == identity.config.provided.end() ? identity.client_identifier : provided->second;
}

std::string error_text(const Message& nak) {
  const Bytes* text = nak.find(kErrorText);
  std::string words;
  for (const std::uint8_t byte : text != nullptr ? *text : Bytes())
    words += byte >= ' ' && byte < 0x7f ? static_cast<char>(byte) : '?';
  return words.empty() ? "the DHCP server refused the address" : "the DHCP server refused the address: " + words;
}

}  // namespace

Time boot_time() {
  timespec now{};
  // It goes on while the machine sleeps, as the server's lease does, and nobody sets it.
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<Time>(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

Message release_message(const Identity& identity, const Terms& terms, std::uint32_t transaction) {
  Message message;
  message.transaction = transaction;
  message.hardware = identity.hardware;
  message.client = terms.address.address;
  message.set_type(MessageType::release);
  message.set_address(kServerIdentifier, terms.server);
  message.options[kClientIdentifier] = identifier_of(identity);
  return message;
}

Client::Client(Identity identity, const Timing& timing, Random random, Time now)
    : identity_(std::move(identity)), timing_(timing), random_(std::move(random)), next_(now) {
  began_ = now;
  give_up_ = now + timing_.resend_timeout;
  transaction_ = random_();
}

Client::Client(Identity identity, const Timing& timing, Random random, Time now, Terms terms, Time granted)
    : Client(std::move(identity), timing, std::move(random), now) {
  terms_ = std::move(terms);
  holds_ = true;
  granted_ = granted;
  state_ = is_expired(now) ? State::recovering : State::bound;  // the daemon may have been away for long
}

Time Client::at(std::optional<std::chrono::seconds> after) const {
  return after ? granted_ + *after : Time::max();
}

bool Client::is_expired(Time now) const {
  return terms_ && terms_->lease && now >= at(terms_->lease);
}

std::optional<Time> Client::deadline() const {
  switch (state_) {
    case State::selecting:
    case State::requesting:
    case State::recovering:
      return std::min(next_, give_up_);
    case State::bound:
      return terms_->lease ? std::optional(at(terms_->renewal)) : std::nullopt;
    case State::renewing:
      return std::min(next_, at(terms_->rebinding));
    case State::rebinding:
      return std::min(next_, at(terms_->lease));
    case State::lost:
    case State::failed:
      break;
  }
  return std::nullopt;
}

bool Client::is_waiting() const {
  return state_ != State::bound && state_ != State::lost && state_ != State::failed;
}

std::optional<Client::Sending> Client::advance(Time now) {
  const auto due = deadline();
  if (!due || now < *due) return std::nullopt;
  // Before anything is sent again: the last try has had its time by now.
  if (is_trying(state_) && now >= give_up_) {
    end(holds_ ? State::lost : State::failed, reason_.empty() ? "no DHCP server answered" : reason_);
    return std::nullopt;
  }
  if (state_ == State::bound) return begin(State::renewing, now);
  if (state_ == State::renewing && now >= at(terms_->rebinding)) return begin(State::rebinding, now);
  if (state_ == State::rebinding && now >= at(terms_->lease)) {
    end(State::lost, "no DHCP server renewed the lease before it ran out");
    return std::nullopt;
  }
  return resend(now);
}

std::optional<Client::Sending> Client::begin(State state, Time now) {
  state_ = state;
  began_ = now;
  tries_ = 0;
  transaction_ = random_();
  return resend(now);
}

std::optional<Client::Sending> Client::resend(Time now) {
  switch (state_) {
    case State::selecting:
    case State::recovering:
      return discover(now);
    case State::requesting:
      if (now < began_ + timing_.timeout) return request_offered(now);
      reason_ = fmt::format("the DHCP server {} made an offer, then fell silent", terms_->server.text());
      start_over(now);
      return resend(now);
    case State::renewing:
    case State::rebinding:
      return request_held(now);
    case State::bound:
    case State::lost:
    case State::failed:
      break;
  }
  return std::nullopt;
}

Message Client::message_of(MessageType type, Time now) const {
  Message message;
  message.transaction = transaction_;
  message.hardware = identity_.hardware;
  message.broadcast = timing_.broadcast || identity_.broadcast;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
  message.seconds = static_cast<std::uint16_t>(std::clamp<std::int64_t>(seconds, 0, 0xffff));
  add_common_options(message, identity_);
  message.options[kClientIdentifier] = identifier_of(identity_);
  message.set_type(type);
  return message;
}

Client::Sending Client::discover(Time now) {
  Message message = message_of(MessageType::discover, now);
  // The address that the pod has: a server that forgot its leases may grant it again. Source: RFC 2131 §4.4.1.
  if (state_ == State::recovering) message.set_address(kRequestedAddress, terms_->address.address);
  next_ = now + until_next_discover();
  return {std::move(message), false};
}

Client::Sending Client::request_offered(Time now) {
  Message message = message_of(MessageType::request, now);
  message.set_address(kRequestedAddress, terms_->address.address);
  message.set_address(kServerIdentifier, terms_->server);
  sent_ = now;
  next_ = std::min(now + jittered(kPause, kPauseJitter), began_ + timing_.timeout);
  return {std::move(message), false};
}

/// Neither the server nor the address is named in options here. Source: RFC 2131 §4.3.6, table 4.
Client::Sending Client::request_held(Time now) {
  Message message = message_of(MessageType::request, now);
  message.client = terms_->address.address;
  sent_ = now;
  next_ = now + until_next_request(now);
  return {std::move(message), state_ == State::renewing};
}

Time Client::jittered(milliseconds interval, milliseconds jitter) const {
  const auto span = static_cast<std::uint32_t>(2 * jitter.count());
  return interval - jitter + milliseconds(random_() % (span + 1));
}

Time Client::until_next_discover() {
  const auto tries = static_cast<std::size_t>(tries_++);
  if (tries < kQuick.size()) return jittered(kQuick[tries], kQuick[tries] / 4);
  const auto doublings = std::min<std::size_t>(tries - kQuick.size(), 16);
  return jittered(std::max(std::min(kFirstSlow * (1 << doublings), timing_.resend_max), kJitter), kJitter);
}

/// Half of what is left of this state, but not less than a pause that spares the server.
Time Client::until_next_request(Time now) const {
  const Time end = state_ == State::renewing ? at(terms_->rebinding) : at(terms_->lease);
  const Time least = std::min(kRenewalPause, std::chrono::duration_cast<Time>(*terms_->lease) / 20 + 500ms);
  return std::max((end - now) / 2, least);
}

std::optional<Client::Sending> Client::receive(const Message& message, Time now) {
  const auto type = message.type();
  // Answers to other clients on the same wire come here too.
  if (!type || !message.from_server || message.transaction != transaction_ || message.hardware != identity_.hardware)
    return std::nullopt;
  if (*type == MessageType::offer) return take_offer(message, now);
  const bool asked = state_ == State::requesting || state_ == State::renewing || state_ == State::rebinding;
  if (!asked) return std::nullopt;
  const auto server = message.address(kServerIdentifier);
  if (state_ != State::rebinding && server && *server != terms_->server) return std::nullopt;  // not the one asked
  if (*type == MessageType::ack) take_ack(message, now);
  if (*type == MessageType::nak) take_nak(message, now);
  return std::nullopt;
}

std::optional<Client::Sending> Client::take_offer(const Message& offer, Time now) {
  if (state_ != State::selecting && state_ != State::recovering) return std::nullopt;
  try {
    Terms terms = Terms::from_ack(offer);
    // The pod has its address configured: another one is of no use to it.
    if (holds_ && terms.address.address != terms_->address.address) {
      reason_ = fmt::format("the DHCP server {} has {} for the pod instead of {}", terms.server.text(),
                            terms.address.address.text(), terms_->address.address.text());
      return std::nullopt;
    }
    terms_ = std::move(terms);
  } catch (const Error& error) {  // another server may do better
    reason_ = error.what();
    return std::nullopt;
  }
  state_ = State::requesting;
  began_ = now;
  return request_offered(now);
}

void Client::take_ack(const Message& ack, Time now) {
  try {
    Terms terms = Terms::from_ack(ack);
    // Not what was asked for: the exchange goes on, and ends by its own time.
    if (terms.address.address != terms_->address.address) return;
    terms_ = std::move(terms);
  } catch (const Error& error) {
    reason_ = error.what();
    return;
  }
  // The lease runs from when it was asked for. Source: RFC 2131 §4.4.1.
  granted_ = std::min(sent_, now);
  state_ = State::bound;
  holds_ = true;
  reason_.clear();
}

void Client::take_nak(const Message& nak, Time now) {
  const bool anew = state_ == State::requesting;
  // The server may have forgotten its leases: it is asked for the same address anew, as long as the old lease runs.
  if (!anew) give_up_ = std::min(at(terms_->lease), now + timing_.resend_timeout);
  start_over(now);
  if (anew) next_ = now + jittered(kPause, kPauseJitter);  // or a server that refuses what it offers would get no pause
  reason_ = error_text(nak);
}

void Client::start_over(Time now) {
  state_ = holds_ ? State::recovering : State::selecting;
  if (!holds_) terms_.reset();
  began_ = next_ = now;
  tries_ = 0;
  transaction_ = random_();
}

void Client::end(State state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
}

}  // namespace barewire::ipam::dhcp
