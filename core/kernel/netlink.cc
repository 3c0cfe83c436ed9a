// SPDX-License-Identifier: Apache-2.0
// One request at a time and its answer, on a socket that no multicast reaches: what arrives is the answer, or left over
// from a request that was given up.
#include "core/kernel/netlink.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "core/kernel/attributes.h"
#include "core/trace.h"

namespace barewire::kernel {

namespace {

constexpr std::size_t kFirstMessageSize = 1024;
constexpr std::size_t kLargestNest = 0xffff;  // nla_len has 16 bits
// Room for one datagram: a link takes 1.5 KiB, a PF with many VFs more, and then it grows. The kernel sizes the parts
// of a dump by it, up to 32 KiB. Source: net/netlink/af_netlink.c netlink_recvmsg.
constexpr std::size_t kFirstRoom = 8UL * 1024;
// Datagrams taken in one call: an object and its ack, or some parts of a dump.
constexpr std::size_t kAtOnce = 4;
// The kernel answers while it is being asked, so a wait means that an answer was lost.
constexpr int kAnswerTimeoutMs = 10'000;
// Any change of the list interrupts a dump: on a busy node that happens many times in a row.
constexpr int kDumpTries = 100;

/// The kernel's verdict on one request.
struct Verdict {
  int err = 0;        ///< positive errno; 0 = done
  std::string words;  ///< the extended ack's message
};

/// What ends an exchange: its ack; its answer; the end of a dump.
enum class Kind { change, question, dump };

/// One exchange at work.
struct Exchange {
  Kind kind;
  std::uint32_t sequence;
  const NlSocket::Visit& visit;
  std::optional<Verdict> verdict{};
  bool interrupted = false;
  std::size_t lost = 0;  ///< size of the largest datagram that did not fit; 0: all did
};

[[noreturn]] void throw_refusal(const Verdict& verdict, std::string_view doing) {
  throw KernelError(verdict.err, fmt::format("{} failed: {}", doing, std::strerror(verdict.err)), verdict.words);
}

bool contains(std::initializer_list<int> list, int err) {
  return std::find(list.begin(), list.end(), err) != list.end();
}

void set_netlink_option(int fd, int option) {
  const int on = 1;
  // Kernels that lack one of these (before 4.20) answer in a coarser way, which every reader here copes with.
  ::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

/// The attributes of an extended ack follow the request's echo; a request that succeeded is not echoed.
std::string words_of_error(const nlmsghdr& message, const nlmsgerr& error) {
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t skipped = sizeof error;
  if ((message.nlmsg_flags & NLM_F_CAPPED) == 0 && error.msg.nlmsg_len > sizeof error.msg)
    skipped += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof error.msg;
  return NlAttributes(message, skipped).text(NLMSGERR_ATTR_MSG);
}

/// nullopt when `message` does not end the exchange. Source: netlink(7); uapi/linux/netlink.h enum nlmsgerr_attrs.
std::optional<Verdict> find_verdict(const nlmsghdr& message) {
  const std::size_t size = message.nlmsg_len - NLMSG_HDRLEN;
  if (message.nlmsg_type == NLMSG_ERROR) {
    nlmsgerr error{};
    std::memcpy(&error, nlmsg_data(&message), std::min(size, sizeof error));
    return Verdict{-error.error, words_of_error(message, error)};
  }
  if (message.nlmsg_type != NLMSG_DONE) return std::nullopt;
  int error = 0;  // a dump's own failure comes with its end
  std::memcpy(&error, nlmsg_data(&message), std::min(size, sizeof error));
  if (error >= 0) return Verdict{};
  return Verdict{-error, NlAttributes(message, sizeof error).text(NLMSGERR_ATTR_MSG)};
}

void read_message(Exchange& exchange, const nlmsghdr& message) {
  exchange.interrupted |= (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
  exchange.verdict = find_verdict(message);
  if (exchange.verdict || message.nlmsg_type < NLMSG_MIN_TYPE) return;
  if (exchange.visit) exchange.visit(message);
  if (exchange.kind == Kind::question) exchange.verdict = Verdict{};
}

/// Its header is there. Of an ack that is enough; anything else has to be asked for again.
void read_part(Exchange& exchange, const nlmsghdr& message, std::size_t size) {
  exchange.lost = std::max(exchange.lost, size);
  if (message.nlmsg_type != NLMSG_ERROR) return;
  nlmsgerr error{};
  std::memcpy(&error, nlmsg_data(&message), sizeof error);
  exchange.verdict = Verdict{-error.error, {}};
}

/// Datagrams received in one call, each in a place of its own.
class Datagrams {
 public:
  Datagrams(char* buffer, std::size_t room);
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;
  /// All that is there, without waiting: 0, or errno (EAGAIN when it is nothing).
  int receive(int fd) noexcept;
  /// `visit` sees each message of the kernel, and the size of the datagram when that has not fitted, else 0. It returns
  /// false when it has seen enough.
  void each(const std::function<bool(const nlmsghdr& message, std::size_t lost)>& visit) const;

 private:
  std::array<mmsghdr, kAtOnce> headers_{};
  std::array<sockaddr_nl, kAtOnce> senders_{};
  std::array<iovec, kAtOnce> places_{};
  std::size_t count_ = 0;
};

Datagrams::Datagrams(char* buffer, std::size_t room) {
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    places_[i] = {buffer + i * room, room};
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &senders_[i];
    header.msg_namelen = sizeof senders_[i];
    header.msg_iov = &places_[i];
    header.msg_iovlen = 1;
  }
}

int Datagrams::receive(int fd) noexcept {
  int count = -1;
  // MSG_TRUNC makes it tell a datagram's whole size, also of what does not fit.
  do count = ::recvmmsg(fd, headers_.data(), kAtOnce, MSG_DONTWAIT | MSG_TRUNC, nullptr);
  while (count < 0 && errno == EINTR);
  if (count < 0) return errno;
  count_ = static_cast<std::size_t>(count);
  return 0;
}

void Datagrams::each(const std::function<bool(const nlmsghdr& message, std::size_t lost)>& visit) const {
  for (std::size_t i = 0; i < count_; ++i) {
    // Any process with the rights may send to this socket; the kernel's port is 0. Source: netlink(7).
    if (senders_[i].nl_pid != 0) continue;
    auto* message = static_cast<nlmsghdr*>(places_[i].iov_base);
    const std::size_t size = headers_[i].msg_len;
    if ((headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      if (!visit(*message, size)) return;
      continue;
    }
    int left = static_cast<int>(size);
    for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left))
      if (!visit(*message, 0)) return;
  }
}

bool read(Exchange& exchange, const nlmsghdr& message, std::size_t lost) {
  if (message.nlmsg_seq != exchange.sequence) return true;  // left over from a request whose visitor threw
  if (lost == 0)
    read_message(exchange, message);
  else
    read_part(exchange, message, lost);
  return !exchange.verdict;
}

}  // namespace

NlMessage::NlMessage(int type, int flags) : message_(nlmsg_alloc_size(kFirstMessageSize)) {
  if (!message_) throw std::bad_alloc();
  nlmsghdr* header = nlmsg_put(message_.get(), 0, 0, type, 0, flags | NLM_F_REQUEST | NLM_F_ACK);
  if (header == nullptr) throw std::bad_alloc();
}

void NlMessage::grow(std::size_t wanted) {
  const std::size_t used = nlmsg_hdr(message_.get())->nlmsg_len;
  if (nlmsg_expand(message_.get(), 2 * used + wanted + kFirstMessageSize) < 0) throw std::bad_alloc();
}

NlMessage& NlMessage::bytes(const void* data, std::size_t size) {
  auto copy = [&] { return nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO); };
  if (copy() == 0) return *this;
  grow(size);
  if (copy() < 0) throw std::bad_alloc();
  return *this;
}

NlMessage& NlMessage::put(int attribute, const void* data, std::size_t size) {
  auto copy = [&] { return nla_put(message_.get(), attribute, static_cast<int>(size), data); };
  if (copy() == 0) return *this;
  grow(size);
  if (copy() < 0) throw std::bad_alloc();
  return *this;
}

NlMessage& NlMessage::put_string(int attribute, std::string_view text) {
  const std::string terminated(text);
  return put(attribute, terminated.c_str(), terminated.size() + 1);
}

NlMessage& NlMessage::nest(int attribute, const std::function<void(NlMessage&)>& fill) {
  // The message may move while it is filled, so the nest is remembered by its offset.
  const std::size_t start = NLMSG_ALIGN(nlmsg_hdr(message_.get())->nlmsg_len);
  put(attribute | NLA_F_NESTED, nullptr, 0);
  fill(*this);
  nlmsghdr* header = nlmsg_hdr(message_.get());
  const std::size_t size = header->nlmsg_len - start;
  if (size > kLargestNest)
    throw Error(Error::Code::internal, fmt::format("netlink attribute {} is too long", attribute));
  auto* nested = reinterpret_cast<nlattr*>(reinterpret_cast<char*>(header) + start);
  nested->nla_len = static_cast<std::uint16_t>(size);
  return *this;
}

struct NlSocket::State {
  Fd fd;
  std::uint32_t sequence = 0;
  bool is_strict = false;
  std::size_t room = kFirstRoom;
  std::unique_ptr<char[]> buffer{new char[kAtOnce * kFirstRoom]};  // not cleared: no page of it is touched in vain

  void send(const NlMessage& message, std::string_view doing);
  void send(std::string_view bytes, std::string_view doing) const;
  bool receive(Datagrams& datagrams, bool waits, std::string_view doing) const;
  Exchange exchange(NlMessage& message, std::string_view doing, Kind kind, const Visit& visit);
  void grow(std::size_t lost);
};

void NlSocket::State::send(const NlMessage& message, std::string_view doing) {
  nlmsghdr* header = nlmsg_hdr(message.get());
  header->nlmsg_pid = 0;  // the kernel binds the socket as it sends first, and answers whoever has sent
  header->nlmsg_seq = ++sequence;
  send({reinterpret_cast<const char*>(header), header->nlmsg_len}, doing);
}

void NlSocket::State::send(std::string_view bytes, std::string_view doing) const {
  while (::send(fd.get(), bytes.data(), bytes.size(), 0) < 0)
    if (errno != EINTR) throw_refusal({errno, "sending on the netlink socket"}, doing);
}

/// False when nothing is there and it does not wait.
bool NlSocket::State::receive(Datagrams& datagrams, bool waits, std::string_view doing) const {
  while (true) {
    int err = datagrams.receive(fd.get());
    if (err == 0) return true;
    if (err == EAGAIN && !waits) return false;
    pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
    if (err == EAGAIN && ::poll(&waiting, 1, kAnswerTimeoutMs) == 0) err = ETIMEDOUT;
    if (err != EAGAIN) throw_refusal({err, "receiving from the netlink socket"}, doing);
  }
}

Exchange NlSocket::State::exchange(NlMessage& message, std::string_view doing, Kind kind, const Visit& visit) {
  trace::Span span("netlink");
  span.set("barewire.what", doing);
  send(message, doing);
  Exchange exchange{.kind = kind, .sequence = sequence, .visit = visit};
  while (!exchange.verdict) {
    Datagrams datagrams(buffer.get(), room);
    // After a loss only what is there already is read: the end of a dump may have been in what was lost.
    if (!receive(datagrams, exchange.lost == 0 || kind == Kind::change, doing)) break;
    datagrams.each([&](const nlmsghdr& each, std::size_t lost) { return read(exchange, each, lost); });
  }
  return exchange;
}

/// For the next try at an answer that has not fitted.
void NlSocket::State::grow(std::size_t lost) {
  room = NLMSG_ALIGN(std::max(lost, 2 * room));
  buffer.reset(new char[kAtOnce * room]);
}

NlSocket::NlSocket(int protocol) : state_(std::make_unique<State>()) {
  state_->fd = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  const int err = errno;
  if (!state_->fd)
    throw errno_error(err, fmt::format("opening a netlink socket (protocol {})", protocol), Error::Code::kernel);
  set_netlink_option(state_->fd.get(), NETLINK_EXT_ACK);
}

NlSocket NlSocket::in(const NetNs& netns, int protocol) {
  std::optional<NlSocket> socket;
  netns.run([&] { socket.emplace(protocol); });
  return std::move(*socket);
}

NlSocket::NlSocket(NlSocket&&) noexcept = default;
NlSocket& NlSocket::operator=(NlSocket&&) noexcept = default;
NlSocket::~NlSocket() = default;

void NlSocket::join(int group) {
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  // Bound first: a socket without a port gets nothing that is sent to a group. Source: af_netlink.c do_one_broadcast.
  const bool joined = ::bind(fd(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0 &&
                      ::setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0;
  const int err = errno;
  if (!joined) throw errno_error(err, fmt::format("joining netlink group {}", group), Error::Code::kernel);
}

int NlSocket::fd() const noexcept {
  return state_->fd.get();
}

void NlSocket::request(NlMessage message, std::string_view doing, const Visit& visit) {
  request_unless(std::move(message), doing, {}, visit);
}

bool NlSocket::request_unless(NlMessage message, std::string_view doing, std::initializer_list<int> benign,
                              const Visit& visit) {
  const Verdict verdict = *state_->exchange(message, doing, Kind::change, visit).verdict;
  if (verdict.err == 0) return true;
  if (contains(benign, verdict.err)) return false;
  throw_refusal(verdict, doing);
}

std::vector<int> NlSocket::request_all(const std::vector<NlMessage>& messages, std::string_view doing) {
  const std::uint32_t first = state_->sequence + 1;
  std::string bytes;
  for (const NlMessage& message : messages) {
    nlmsghdr* header = nlmsg_hdr(message.get());
    header->nlmsg_seq = ++state_->sequence;
    bytes.append(reinterpret_cast<const char*>(header), header->nlmsg_len).resize(NLMSG_ALIGN(bytes.size()));
  }
  trace::Span span("netlink");
  span.set("barewire.what", doing);
  std::vector<int> verdicts(messages.size(), -1);
  std::size_t missing = messages.size();
  if (missing != 0) state_->send(bytes, doing);
  while (missing != 0) {
    Datagrams datagrams(state_->buffer.get(), state_->room);
    state_->receive(datagrams, true, doing);
    datagrams.each([&](const nlmsghdr& message, std::size_t /*lost: an ack begins with what it says*/) {
      const std::size_t place = message.nlmsg_seq - first;
      if (message.nlmsg_type != NLMSG_ERROR || place >= verdicts.size() || verdicts[place] >= 0) return true;
      nlmsgerr error{};
      std::memcpy(&error, nlmsg_data(&message), sizeof error);
      verdicts[place] = -error.error;
      --missing;
      return missing != 0;
    });
  }
  return verdicts;
}

bool NlSocket::get(NlMessage message, std::string_view doing, const Visit& visit) {
  // The answer is the verdict: an ack behind a large one might find no room any more in the socket.
  nlmsg_hdr(message.get())->nlmsg_flags &= static_cast<std::uint16_t>(~NLM_F_ACK);
  while (true) {
    const Exchange answered = state_->exchange(message, doing, Kind::question, visit);
    if (!answered.verdict) {
      state_->grow(answered.lost);
      continue;
    }
    if (answered.verdict->err == 0) return true;
    if (contains({ENODEV, ENOENT, ENXIO}, answered.verdict->err)) return false;
    throw_refusal(*answered.verdict, doing);
  }
}

void NlSocket::dump(NlMessage message, std::string_view doing, const Visit& visit, std::initializer_list<int> benign) {
  nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_DUMP;
  // Only a dump has anything to be strict about: what it is filtered by.
  if (!std::exchange(state_->is_strict, true)) set_netlink_option(state_->fd.get(), NETLINK_GET_STRICT_CHK);
  for (int tries = 0; tries < kDumpTries; ++tries) {
    std::vector<char> answer;
    auto keep = [&](const nlmsghdr& part) {
      auto* start = reinterpret_cast<const char*>(&part);
      answer.insert(answer.end(), start, start + part.nlmsg_len);
      answer.resize(NLMSG_ALIGN(answer.size()));
    };
    const Exchange answered = state_->exchange(message, doing, Kind::dump, keep);
    const Verdict verdict = answered.verdict.value_or(Verdict{});
    if (verdict.err != 0 && contains(benign, verdict.err)) return;
    if (verdict.err != 0) throw_refusal(verdict, doing);
    if (answered.lost != 0) state_->grow(answered.lost);
    // NLM_F_DUMP_INTR: the list has changed while the kernel was writing it out, so an entry may be missing or doubled.
    if (answered.lost != 0 || answered.interrupted) continue;
    int left = static_cast<int>(answer.size());
    auto* part = reinterpret_cast<nlmsghdr*>(answer.data());
    for (; nlmsg_ok(part, left); part = nlmsg_next(part, &left)) visit(*part);
    return;
  }
  throw_refusal({EINTR, "the list changed during every one of the tries to read it"}, doing);
}

}  // namespace barewire::kernel
