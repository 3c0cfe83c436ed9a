// SPDX-License-Identifier: Apache-2.0
// One batch is one transaction: the kernel takes all of it or nothing, so nobody ever sees half of a pod's rules.
#include "core/kernel/nftables.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/kernel/attributes.h"
#include "core/kernel/nft_listing.h"
#include "core/trace.h"

namespace barewire::kernel::nft {

namespace {

constexpr int kBatchSequence = 1;  ///< of the batch's first message; the changes count on from it

int message_type(int type) {
  return (NFNL_SUBSYS_NFTABLES << 8) | type;
}

void put_be32(NlMessage& message, int attribute, std::uint32_t value) {
  message.put_u32(attribute, htonl(value));
}

nfgenmsg family_header(Family family) {
  return {.nfgen_family = static_cast<std::uint8_t>(family), .version = NFNETLINK_V0, .res_id = 0};
}

NlMessage batch_border(int type, const std::optional<std::uint32_t>& generation = std::nullopt) {
  NlMessage message(type, 0);
  message.header(nfgenmsg{.nfgen_family = 0, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)});
  if (generation) put_be32(message, NFNL_BATCH_GENID, *generation);
  return message;
}

void append(std::string& buffer, const NlMessage& message, std::uint32_t sequence, bool with_ack) {
  // Messages of a batch count up from one number: a refusal carries the number of the message it is about.
  nlmsghdr header = *nlmsg_hdr(message.get());
  header.nlmsg_seq = sequence;
  header.nlmsg_flags = static_cast<std::uint16_t>((header.nlmsg_flags | NLM_F_REQUEST) & ~(with_ack ? 0 : NLM_F_ACK));
  if (with_ack) header.nlmsg_flags |= NLM_F_ACK;
  const auto* bytes = reinterpret_cast<const char*>(nlmsg_hdr(message.get()));
  buffer.append(reinterpret_cast<const char*>(&header), sizeof header);
  buffer.append(bytes + sizeof header, header.nlmsg_len - sizeof header);
  buffer.resize(NLMSG_ALIGN(buffer.size()), '\0');
}

/// The errno of the first refusal among the answers in `bytes`, 0 when there is none; counts the answers.
int first_refusal(const char* bytes, std::size_t size, std::size_t& answers) {
  int remaining = static_cast<int>(size);
  for (auto* header = reinterpret_cast<const nlmsghdr*>(bytes); NLMSG_OK(header, static_cast<unsigned>(remaining));
       header = NLMSG_NEXT(header, remaining)) {
    if (header->nlmsg_type != NLMSG_ERROR) continue;
    ++answers;
    nlmsgerr answer{};
    std::memcpy(&answer, NLMSG_DATA(header), sizeof answer.error);
    if (answer.error != 0) return -answer.error;
  }
  return 0;
}

/// The kernel has queued every answer when sendmsg returns, so reading ends when nothing is left.
int read_answers(int fd, std::size_t& answers) {
  std::string buffer(1U << 16U, '\0');
  int refusal = 0;
  while (true) {
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    // Nothing more is queued. A recv that waits would wait for ever, since most messages of a batch get no answer.
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return refusal;
    if (size < 0) return errno;
    const int err = first_refusal(buffer.data(), static_cast<std::size_t>(size), answers);
    if (refusal == 0) refusal = err;
  }
}

void send_all(int fd, const std::string& bytes, std::string_view doing) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto* address = reinterpret_cast<const sockaddr*>(&kernel);
  ssize_t sent = 0;
  do {
    sent = ::sendto(fd, bytes.data(), bytes.size(), 0, address, sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return;
  const int err = errno;
  throw KernelError(err, fmt::format("{} failed: {}", doing, std::strerror(err)), "");
}

/// A big batch needs room: a socket's send buffer holds 208 KiB by default.
void make_room(int fd, std::size_t size) {
  const int wanted = static_cast<int>(size * 2);
  int have = 0;
  socklen_t length = sizeof have;
  if (::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &length) == 0 && have >= wanted) return;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
}

std::string why(int err) {
  if (err == ERESTART) return "the ruleset has changed meanwhile";  // NFNL_BATCH_GENID is past
  return std::strerror(err);
}

std::string hint_for(int err) {
  // ENOENT comes from a missing expression too: the module that has it could not be loaded.
  if (err == EOPNOTSUPP || err == ENOENT || err == EPROTONOSUPPORT)
    return "does this kernel have nf_tables with nat, masquerade and fib (CONFIG_NF_TABLES, NFT_NAT, NFT_MASQ, "
           "NFT_FIB)?";
  return {};
}

}  // namespace

NlMessage Batch::message(int type, int flags) const {
  NlMessage result(message_type(type), flags);
  result.header(family_header(table_.family));
  return result;
}

void Batch::add_table(const std::string& comment) {
  NlMessage change = message(NFT_MSG_NEWTABLE, NLM_F_CREATE);  // one that is there is as good
  change.put_string(NFTA_TABLE_NAME, table_.name);
  put_be32(change, NFTA_TABLE_FLAGS, 0);
  const std::string data = user_data(comment);
  change.put(NFTA_TABLE_USERDATA, data.data(), data.size());
  messages_.push_back(std::move(change));
}

void Batch::delete_table() {
  NlMessage change = message(NFT_MSG_DELTABLE, 0);
  change.put_string(NFTA_TABLE_NAME, table_.name);
  messages_.push_back(std::move(change));
}

void Batch::add_chain(const Chain& chain) {
  NlMessage change = message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  change.put_string(NFTA_CHAIN_TABLE, table_.name).put_string(NFTA_CHAIN_NAME, chain.name);
  if (chain.hook) {
    change.nest(NFTA_CHAIN_HOOK, [&](NlMessage& hook) {
      put_be32(hook, NFTA_HOOK_HOOKNUM, chain.hook->hook);
      put_be32(hook, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.hook->priority));
    });
    change.put_string(NFTA_CHAIN_TYPE, chain.hook->type);
    put_be32(change, NFTA_CHAIN_POLICY, NF_ACCEPT);  // what no rule names passes
  }
  if (!chain.comment.empty()) {
    const std::string data = user_data(chain.comment);
    change.put(NFTA_CHAIN_USERDATA, data.data(), data.size());
  }
  messages_.push_back(std::move(change));
}

void Batch::delete_chain(const std::string& chain) {
  NlMessage change = message(NFT_MSG_DELCHAIN, 0);
  change.put_string(NFTA_CHAIN_TABLE, table_.name).put_string(NFTA_CHAIN_NAME, chain);
  messages_.push_back(std::move(change));
}

void Batch::flush_chain(const std::string& chain) {
  NlMessage change = message(NFT_MSG_DELRULE, 0);  // without a handle: all of them
  change.put_string(NFTA_RULE_TABLE, table_.name).put_string(NFTA_RULE_CHAIN, chain);
  messages_.push_back(std::move(change));
}

void Batch::add_rule(const std::string& chain, const Rule& rule) {
  NlMessage change = message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  change.put_string(NFTA_RULE_TABLE, table_.name).put_string(NFTA_RULE_CHAIN, chain);
  rule.write(change);
  if (!rule.comment().empty()) {
    const std::string data = user_data(rule.comment());
    change.put(NFTA_RULE_USERDATA, data.data(), data.size());
  }
  messages_.push_back(std::move(change));
}

void Batch::delete_rule(const std::string& chain, std::uint64_t handle) {
  NlMessage change = message(NFT_MSG_DELRULE, 0);
  change.put_string(NFTA_RULE_TABLE, table_.name).put_string(NFTA_RULE_CHAIN, chain);
  change.put_u64(NFTA_RULE_HANDLE, htobe64(handle));
  messages_.push_back(std::move(change));
}

namespace {

/// Tells the nft command that the keys are in host byte order, without which it shows interface names as "". A
/// type-length-value triple, as user_data. Source: libnftnl udata.h, NFTNL_UDATA_SET_KEYBYTEORDER; nftables'
/// datatype.h.
std::string host_byte_order() {
  constexpr std::uint32_t kHostEndian = 1;
  std::string bytes = {'\0', sizeof kHostEndian};
  bytes.append(reinterpret_cast<const char*>(&kHostEndian), sizeof kHostEndian);
  return bytes;
}

}  // namespace

void Batch::add_set(const Set& set) {
  NlMessage change = message(NFT_MSG_NEWSET, NLM_F_CREATE);
  change.put_string(NFTA_SET_TABLE, table_.name).put_string(NFTA_SET_NAME, set.name);
  // An id is asked for although nothing refers to it; sets are found by name.
  put_be32(change, NFTA_SET_ID, static_cast<std::uint32_t>(messages_.size() + 1));
  put_be32(change, NFTA_SET_FLAGS, set.data.empty() ? 0 : NFT_SET_MAP);
  put_be32(change, NFTA_SET_KEY_TYPE, type_number(set.key));
  put_be32(change, NFTA_SET_KEY_LEN, padded_size(set.key));
  if (!set.data.empty()) {
    put_be32(change, NFTA_SET_DATA_TYPE, type_number(set.data));
    put_be32(change, NFTA_SET_DATA_LEN, padded_size(set.data));
  }
  if (set.key == std::vector{Type::ifname}) {
    const std::string data = host_byte_order();
    change.put(NFTA_SET_USERDATA, data.data(), data.size());
  }
  messages_.push_back(std::move(change));
}

void Batch::delete_set(const std::string& set) {
  NlMessage change = message(NFT_MSG_DELSET, 0);
  change.put_string(NFTA_SET_TABLE, table_.name).put_string(NFTA_SET_NAME, set);
  messages_.push_back(std::move(change));
}

namespace {

void put_elements(NlMessage& message, const Element& element, bool with_data) {
  message.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&](NlMessage& list) {
    list.nest(NFTA_LIST_ELEM, [&](NlMessage& one) {
      const std::string key = element.key.bytes();
      one.nest(NFTA_SET_ELEM_KEY, [&](NlMessage& data) { data.put(NFTA_DATA_VALUE, key.data(), key.size()); });
      if (!with_data) return;  // the key alone finds and deletes it
      const std::string datum = element.data.bytes();
      if (!datum.empty())
        one.nest(NFTA_SET_ELEM_DATA, [&](NlMessage& data) { data.put(NFTA_DATA_VALUE, datum.data(), datum.size()); });
      if (element.comment.empty()) return;
      const std::string comment = user_data(element.comment);
      one.put(NFTA_SET_ELEM_USERDATA, comment.data(), comment.size());
    });
  });
}

}  // namespace

void Batch::element(int type, int flags, const Element& element) {
  NlMessage change = message(type, flags);
  change.put_string(NFTA_SET_ELEM_LIST_TABLE, table_.name).put_string(NFTA_SET_ELEM_LIST_SET, element.set);
  put_elements(change, element, type == NFT_MSG_NEWSETELEM);
  messages_.push_back(std::move(change));
}

void Batch::add_element(const Element& element) {
  this->element(NFT_MSG_NEWSETELEM, NLM_F_CREATE, element);
}
void Batch::delete_element(const Element& element) {
  this->element(NFT_MSG_DELSETELEM, 0, element);
}

void Batch::commit(NlSocket& socket, std::string_view doing) {
  if (messages_.empty()) return;
  trace::Span span("nftables");
  span.set("barewire.what", doing);
  std::string bytes;
  std::uint32_t sequence = kBatchSequence;
  append(bytes, batch_border(NFNL_MSG_BATCH_BEGIN, generation_), sequence++, false);
  // Refusals are always answered; one ack at the end is enough to know that all was read, and never overruns the
  // socket.
  for (const NlMessage& change : messages_) append(bytes, change, sequence++, &change == &messages_.back());
  append(bytes, batch_border(NFNL_MSG_BATCH_END), sequence, false);
  const int fd = socket.fd();
  make_room(fd, bytes.size());
  send_all(fd, bytes, doing);
  std::size_t answers = 0;
  int err = read_answers(fd, answers);
  // No word at all, not even the last message's acknowledgement: nothing is known of the batch, which is no success.
  if (err == 0 && answers == 0) err = EPROTO;
  if (err != 0) throw KernelError(err, fmt::format("{} failed: {}", doing, why(err)), hint_for(err));
}

NlMessage question(int type, const Table& table, int flags) {
  NlMessage message(message_type(type), flags);
  message.header(family_header(table.family));
  return message;
}

namespace {

/// The 32-bit attribute `attribute` of an answer, in host byte order.
std::optional<std::uint32_t> attribute_u32(const nlmsghdr& header, int attribute) {
  auto* mutable_header = const_cast<nlmsghdr*>(&header);  // libnl's finders take it so, and only read
  const nlattr* found = nlmsg_find_attr(mutable_header, sizeof(nfgenmsg), attribute);
  if (found == nullptr) return std::nullopt;
  return ntohl(nla_get_u32(found));
}

}  // namespace

std::uint32_t generation(NlSocket& socket) {
  std::uint32_t number = 0;
  socket.get(question(NFT_MSG_GETGEN, Table{}), "reading the nftables generation",
             [&](const nlmsghdr& header) { number = attribute_u32(header, NFTA_GEN_ID).value_or(0); });
  return number;
}

std::optional<std::uint32_t> table_use(NlSocket& socket, const Table& table) {
  std::optional<std::uint32_t> use;
  NlMessage message = question(NFT_MSG_GETTABLE, table);
  message.put_string(NFTA_TABLE_NAME, table.name);
  socket.get(std::move(message), "reading nftables table " + table.name,
             [&](const nlmsghdr& header) { use = attribute_u32(header, NFTA_TABLE_USE); });
  return use;
}

std::optional<std::uint32_t> chain_use(NlSocket& socket, const Table& table, const std::string& chain) {
  std::optional<std::uint32_t> use;
  NlMessage message = question(NFT_MSG_GETCHAIN, table);
  message.put_string(NFTA_CHAIN_TABLE, table.name).put_string(NFTA_CHAIN_NAME, chain);
  socket.get(std::move(message), "reading nftables chain " + chain,
             [&](const nlmsghdr& header) { use = attribute_u32(header, NFTA_CHAIN_USE); });
  return use;
}

std::optional<std::uint32_t> chain_policy(NlSocket& socket, const Table& table, const std::string& chain) {
  std::optional<std::uint32_t> policy;
  NlMessage message = question(NFT_MSG_GETCHAIN, table);
  message.put_string(NFTA_CHAIN_TABLE, table.name).put_string(NFTA_CHAIN_NAME, chain);
  socket.get(std::move(message), "reading nftables chain " + chain,
             [&](const nlmsghdr& header) { policy = attribute_u32(header, NFTA_CHAIN_POLICY); });
  return policy;
}

bool has_element(NlSocket& socket, const Table& table, const Element& element) {
  NlMessage message = question(NFT_MSG_GETSETELEM, table);
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table.name).put_string(NFTA_SET_ELEM_LIST_SET, element.set);
  put_elements(message, element, false);
  return socket.get(std::move(message), "reading nftables set " + element.set, [](const nlmsghdr&) {});
}

std::string comment_of(std::string_view bytes) {
  constexpr std::size_t kHeader = 2;
  if (bytes.size() <= kHeader || bytes[0] != '\0') return {};
  const auto length = std::min<std::size_t>(static_cast<unsigned char>(bytes[1]), bytes.size() - kHeader);
  const std::string_view text = bytes.substr(kHeader, length);
  return std::string(text.substr(0, text.find('\0')));
}

std::optional<FoundElement> find_element(NlSocket& socket, const Table& table, const Element& element) {
  NlMessage message = question(NFT_MSG_GETSETELEM, table);
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table.name).put_string(NFTA_SET_ELEM_LIST_SET, element.set);
  put_elements(message, element, false);
  std::optional<FoundElement> found;
  socket.get(std::move(message), "reading nftables set " + element.set, [&](const nlmsghdr& header) {
    const NlAttributes list = NlAttributes(header, sizeof(nfgenmsg)).nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    const NlAttributes one = list.nest(NFTA_LIST_ELEM);
    found = FoundElement{std::string(one.nest(NFTA_SET_ELEM_DATA).bytes(NFTA_DATA_VALUE)),
                         comment_of(one.bytes(NFTA_SET_ELEM_USERDATA))};
  });
  return found;
}

namespace {

/// Whether one of the answers in `bytes` lists an element.
bool lists_element(const std::string& bytes) {
  int remaining = static_cast<int>(bytes.size());
  for (auto* header = reinterpret_cast<const nlmsghdr*>(bytes.data());
       NLMSG_OK(header, static_cast<unsigned>(remaining)); header = NLMSG_NEXT(header, remaining)) {
    if (header->nlmsg_type != message_type(NFT_MSG_NEWSETELEM)) continue;
    const nlattr* list = nlmsg_find_attr(const_cast<nlmsghdr*>(header), sizeof(nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS);
    if (list != nullptr && nla_len(list) > 0) return true;
  }
  return false;
}

}  // namespace

bool is_empty_set(const Table& table, const std::string& set) {
  NlSocket socket = open_socket();  // its own: the rest of the answer is left unread
  NlMessage message = question(NFT_MSG_GETSETELEM, table, NLM_F_DUMP);
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table.name).put_string(NFTA_SET_ELEM_LIST_SET, set);
  std::string bytes;
  append(bytes, message, kBatchSequence, false);
  const std::string doing = "reading nftables set " + set;
  const int fd = socket.fd();
  send_all(fd, bytes, doing);
  std::string answer(1U << 16U, '\0');
  const ssize_t size = ::recv(fd, answer.data(), answer.size(), MSG_DONTWAIT);  // the kernel has answered by now
  if (size < 0) throw sys_error("{}", doing);
  answer.resize(static_cast<std::size_t>(size));
  return !lists_element(answer);
}

}  // namespace barewire::kernel::nft
