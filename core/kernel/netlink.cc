// SPDX-License-Identifier: Apache-2.0
// One request at a time and its answer, on a socket that no multicast reaches: what arrives is the answer, or left over
// from a request that was given up.
#include "core/kernel/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

constexpr std::size_t kFirstMessageSize = 1024;
constexpr std::size_t kLargestNest = 0xffff;  // nla_len has 16 bits
// The kernel sizes the messages of a dump by the largest buffer it has seen, up to 32 KiB: af_netlink.c
// netlink_recvmsg.
constexpr std::size_t kFirstReceiveSize = 32UL * 1024;
// What a PF with 256 VFs answers takes some 64 KiB, and the ack behind it must fit too.
constexpr int kSocketBuffer = 1024 * 1024;
// The kernel answers while it is being asked, so a wait means that an answer was lost.
constexpr timeval kAnswerTimeout = {10, 0};
// Any change of the list interrupts a dump: on a busy node that happens many times in a row.
constexpr int kDumpTries = 100;

/// The kernel's verdict on one request.
struct Verdict {
  int err = 0;        ///< positive errno; 0 = done
  std::string words;  ///< the extended ack's message
  bool interrupted = false;
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

void set_receive_buffer(int fd) {
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) == 0) return;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);  // capped by net.core.rmem_max
}

/// The attributes of an extended ack follow the request's echo, which NETLINK_CAP_ACK leaves out.
std::string words_of_error(const nlmsghdr& message, const nlmsgerr& error) {
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t skipped = sizeof error;
  if ((message.nlmsg_flags & NLM_F_CAPPED) == 0 && error.msg.nlmsg_len > sizeof error.msg)
    skipped += error.msg.nlmsg_len - sizeof error.msg;
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

}  // namespace

NlMessage::NlMessage(int type, int flags) : message_(nlmsg_alloc_size(kFirstMessageSize)) {
  if (!message_) throw std::bad_alloc();
  // NLM_F_ACK on everything: even a question ends in a verdict then, so an answer that is missing is noticed.
  nlmsghdr* header = nlmsg_put(message_.get(), NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags | NLM_F_REQUEST | NLM_F_ACK);
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
  struct Free {
    void operator()(nl_sock* owned) const noexcept { nl_socket_free(owned); }
  };
  std::unique_ptr<nl_sock, Free> socket{nl_socket_alloc()};
  std::vector<char> buffer = std::vector<char>(kFirstReceiveSize);

  int fd() const { return nl_socket_get_fd(socket.get()); }
  void send(NlMessage& message, std::string_view doing) const;
  std::size_t receive(std::string_view doing);
  std::size_t receive_once(std::string_view doing, int flags, bool& from_kernel);
  std::optional<Verdict> read(std::size_t size, std::uint32_t sequence, bool& interrupted, const Visit& visit);
  Verdict exchange(NlMessage& message, std::string_view doing, const Visit& visit);
};

void NlSocket::State::send(NlMessage& message, std::string_view doing) const {
  nlmsghdr* header = nlmsg_hdr(message.get());
  header->nlmsg_pid = NL_AUTO_PORT;  // a dump that is repeated gets a new number
  header->nlmsg_seq = NL_AUTO_SEQ;
  nl_complete_msg(socket.get(), message.get());
  while (::send(fd(), header, header->nlmsg_len, 0) < 0)
    if (errno != EINTR) throw_refusal({errno, "sending on the netlink socket"}, doing);
}

std::size_t NlSocket::State::receive_once(std::string_view doing, int flags, bool& from_kernel) {
  sockaddr_nl sender{};
  iovec space = {buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_name = &sender;
  header.msg_namelen = sizeof sender;
  header.msg_iov = &space;
  header.msg_iovlen = 1;
  ssize_t size = -1;
  do size = ::recvmsg(fd(), &header, flags);
  while (size < 0 && errno == EINTR);
  if (size < 0) throw_refusal({errno == EAGAIN ? ETIMEDOUT : errno, "receiving from the netlink socket"}, doing);
  from_kernel = sender.nl_pid == 0;
  return static_cast<std::size_t>(size);
}

/// One datagram, whole: its size is asked for first, because what does not fit is lost.
std::size_t NlSocket::State::receive(std::string_view doing) {
  bool from_kernel = false;
  std::size_t size = 0;
  // Any process with the rights may send to this socket; the kernel's port is 0. Source: netlink(7), "Address formats".
  while (!from_kernel) {
    size = receive_once(doing, MSG_PEEK | MSG_TRUNC, from_kernel);
    // MSG_TRUNC makes recvmsg tell the datagram's whole size, also of what does not fit.
    if (size > buffer.size()) buffer.resize(size);
    size = receive_once(doing, 0, from_kernel);
  }
  return size;
}

std::optional<Verdict> NlSocket::State::read(std::size_t size, std::uint32_t sequence, bool& interrupted,
                                             const Visit& visit) {
  int left = static_cast<int>(size);
  auto* message = reinterpret_cast<nlmsghdr*>(buffer.data());
  for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left)) {
    if (message->nlmsg_seq != sequence) continue;  // left over from a request whose visitor threw
    interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (auto verdict = find_verdict(*message)) return verdict;
    if (message->nlmsg_type >= NLMSG_MIN_TYPE && visit) visit(*message);
  }
  return std::nullopt;
}

Verdict NlSocket::State::exchange(NlMessage& message, std::string_view doing, const Visit& visit) {
  send(message, doing);
  const std::uint32_t sequence = nlmsg_hdr(message.get())->nlmsg_seq;
  bool interrupted = false;
  while (true) {
    auto verdict = read(receive(doing), sequence, interrupted, visit);
    if (!verdict) continue;
    verdict->interrupted = interrupted;
    return *verdict;
  }
}

NlSocket::NlSocket(int protocol) : state_(std::make_unique<State>()) {
  if (!state_->socket) throw std::bad_alloc();
  const int failed = nl_connect(state_->socket.get(), protocol);
  if (failed < 0)
    throw Error(Error::Code::kernel,
                fmt::format("opening a netlink socket (protocol {}) failed: {}", protocol, nl_geterror(failed)));
  set_receive_buffer(state_->fd());
  ::setsockopt(state_->fd(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK})
    set_netlink_option(state_->fd(), option);
}

NlSocket NlSocket::in(const NetNs& netns, int protocol) {
  std::optional<NlSocket> socket;
  netns.run([&] { socket.emplace(protocol); });
  return std::move(*socket);
}

NlSocket::NlSocket(NlSocket&&) noexcept = default;
NlSocket& NlSocket::operator=(NlSocket&&) noexcept = default;
NlSocket::~NlSocket() = default;

nl_sock* NlSocket::raw() const noexcept {
  return state_->socket.get();
}

void NlSocket::request(NlMessage message, std::string_view doing) {
  request_unless(std::move(message), doing, {});
}

bool NlSocket::request_unless(NlMessage message, std::string_view doing, std::initializer_list<int> benign) {
  const Verdict verdict = state_->exchange(message, doing, {});
  if (verdict.err == 0) return true;
  if (contains(benign, verdict.err)) return false;
  throw_refusal(verdict, doing);
}

bool NlSocket::get(NlMessage message, std::string_view doing, const Visit& visit) {
  const Verdict verdict = state_->exchange(message, doing, visit);
  if (verdict.err == 0) return true;
  if (contains({ENODEV, ENOENT, ENXIO}, verdict.err)) return false;
  throw_refusal(verdict, doing);
}

void NlSocket::dump(NlMessage message, std::string_view doing, const Visit& visit, std::initializer_list<int> benign) {
  nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_DUMP;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    std::vector<char> answer;
    auto keep = [&](const nlmsghdr& part) {
      auto* start = reinterpret_cast<const char*>(&part);
      answer.insert(answer.end(), start, start + part.nlmsg_len);
      answer.resize(NLMSG_ALIGN(answer.size()));
    };
    const Verdict verdict = state_->exchange(message, doing, keep);
    if (verdict.err != 0 && contains(benign, verdict.err)) return;
    if (verdict.err != 0) throw_refusal(verdict, doing);
    // NLM_F_DUMP_INTR: the list has changed while the kernel was writing it out, so an entry may be missing or doubled.
    if (verdict.interrupted) continue;
    int left = static_cast<int>(answer.size());
    auto* part = reinterpret_cast<nlmsghdr*>(answer.data());
    for (; nlmsg_ok(part, left); part = nlmsg_next(part, &left)) visit(*part);
    return;
  }
  throw_refusal({EINTR, "the list changed during every one of the tries to read it"}, doing);
}

}  // namespace barewire::kernel
