// SPDX-License-Identifier: Apache-2.0
// A rate is a token bucket (tbf) on the way out. What comes in is redirected to an ifb device, to be limited on its way
// out there: the kernel can only delay what it sends.
#include "core/kernel/tc.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <string>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

constexpr std::uint32_t kRootHandle = 0x10000;        // 1:
constexpr std::uint32_t kIngressHandle = 0xffff0000;  // ffff:
// The number by which the one filter here is known; any would do.
constexpr std::uint32_t kPriority = 1;
constexpr std::uint64_t kNanosecondsPerTick = 64;  // include/net/pkt_sched.h, PSCHED_SHIFT
constexpr std::uint64_t kNanoseconds = 1000000000;

tcmsg qdisc_header(int index, std::uint32_t parent, std::uint32_t handle) {
  tcmsg header{};
  header.tcm_ifindex = index;
  header.tcm_parent = parent;
  header.tcm_handle = handle;
  return header;
}

tcmsg filter_header(int index) {
  tcmsg header = qdisc_header(index, kIngressHandle, 0);
  header.tcm_info = (kPriority << 16U) | htons(ETH_P_ALL);
  return header;
}

std::uint32_t at_most_32_bits(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

/// How long the burst takes at the rate: what the kernel keeps of it.
std::uint64_t ticks_of(const TokenBucket& bucket) {
  return bucket.burst * kNanoseconds / bucket.rate / kNanosecondsPerTick;
}

tc_tbf_qopt parameters_of(const TokenBucket& bucket) {
  tc_tbf_qopt parameters{};
  // A rate of 4 GiB a second and more goes in TCA_TBF_RATE64; here its highest value then stands for it.
  parameters.rate.rate = at_most_32_bits(bucket.rate);
  parameters.rate.linklayer = TC_LINKLAYER_ETHERNET;  // no rate table is needed then
  parameters.limit = bucket.limit;
  parameters.buffer = at_most_32_bits(ticks_of(bucket));
  return parameters;
}

NlMessage removal(int index, std::uint32_t parent, std::uint32_t handle) {
  NlMessage message(RTM_DELQDISC, 0);
  message.header(qdisc_header(index, parent, handle));
  return message;
}

/// A u32 selector with one key that compares nothing: every packet.
std::string match_all() {
  std::string bytes(sizeof(tc_u32_sel) + sizeof(tc_u32_key), '\0');
  auto* selector = reinterpret_cast<tc_u32_sel*>(bytes.data());
  selector->flags = TC_U32_TERMINAL;
  selector->nkeys = 1;
  return bytes;
}

void put_redirect(NlMessage& action, int to) {
  action.put_string(TCA_ACT_KIND, "mirred");
  action.nest(TCA_ACT_OPTIONS, [&](NlMessage& options) {
    tc_mirred redirect{};
    redirect.action = TC_ACT_STOLEN;
    redirect.eaction = TCA_EGRESS_REDIR;
    redirect.ifindex = static_cast<std::uint32_t>(to);
    options.put(TCA_MIRRED_PARMS, &redirect, sizeof redirect);
  });
}

bool redirects_to(const NlAttributes& filter, int to) {
  bool found = false;
  filter.nest(TCA_OPTIONS).nest(TCA_U32_ACT).each([&](const nlattr& action) {
    const auto redirect = NlAttributes(&action).nest(TCA_ACT_OPTIONS).value<tc_mirred>(TCA_MIRRED_PARMS);
    if (redirect && redirect->eaction == TCA_EGRESS_REDIR && redirect->ifindex == static_cast<std::uint32_t>(to))
      found = true;
  });
  return found;
}

/// A token bucket as the kernel tells of it.
struct Told {
  TokenBucket bucket;
  std::uint32_t ticks = 0;
};

/// The kernel tells 32 bits of the burst's time; a burst of 4 Gbit at a rate below 15 Mbit/s takes longer. Its division
/// by the rate is one multiplication, good to 31 bits. Source: net/sched/sch_tbf.c tbf_dump, psched_ratecfg_precompute.
bool is_alike(const TokenBucket& wanted, const Told& present) {
  constexpr unsigned kPrecision = 28;
  constexpr std::int64_t kRounding = 4;
  const std::uint64_t ticks = ticks_of(wanted);
  const auto difference = static_cast<std::int32_t>(static_cast<std::uint32_t>(ticks) - present.ticks);
  return wanted.rate == present.bucket.rate && wanted.limit == present.bucket.limit &&
         std::abs(std::int64_t{difference}) <= kRounding + static_cast<std::int64_t>(ticks >> kPrecision);
}

std::optional<Told> ask_token_bucket(NlSocket& socket, int index) {
  NlMessage message(RTM_GETQDISC, NLM_F_ECHO);  // without it the answer goes to listeners of the group alone
  message.header(qdisc_header(index, TC_H_ROOT, 0));
  std::optional<Told> told;
  socket.get(
      std::move(message), fmt::format("reading the rate of interface number {}", index), [&](const nlmsghdr& answer) {
        const NlAttributes attributes(answer, sizeof(tcmsg));
        if (attributes.text(TCA_KIND) != "tbf") return;
        const NlAttributes options = attributes.nest(TCA_OPTIONS);
        const auto parameters = options.value<tc_tbf_qopt>(TCA_TBF_PARMS);
        if (!parameters) return;
        told.emplace();
        told->ticks = parameters->buffer;
        told->bucket.rate = options.value_or<std::uint64_t>(TCA_TBF_RATE64, parameters->rate.rate);
        told->bucket.burst = at_most_32_bits(told->ticks * kNanosecondsPerTick * told->bucket.rate / kNanoseconds);
        told->bucket.limit = parameters->limit;
      });
  return told;
}

}  // namespace

TokenBucket make_token_bucket(std::uint64_t rate_bits, std::uint64_t burst_bits) {
  constexpr std::uint64_t kBitsPerByte = 8, kWaitPerSecond = 40;  // 25 ms
  const std::uint64_t rate = std::max<std::uint64_t>(rate_bits / kBitsPerByte, 1);
  const std::uint64_t burst = std::max<std::uint64_t>(burst_bits / kBitsPerByte, 1);
  return {.rate = rate, .burst = at_most_32_bits(burst), .limit = at_most_32_bits(rate / kWaitPerSecond + burst)};
}

void set_token_bucket(NlSocket& socket, int index, const TokenBucket& bucket) {
  NlMessage message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  message.header(qdisc_header(index, TC_H_ROOT, kRootHandle)).put_string(TCA_KIND, "tbf");
  message.nest(TCA_OPTIONS, [&](NlMessage& options) {
    const tc_tbf_qopt parameters = parameters_of(bucket);
    options.put(TCA_TBF_PARMS, &parameters, sizeof parameters);
    options.put_u32(TCA_TBF_BURST, bucket.burst);
    if (bucket.rate > std::numeric_limits<std::uint32_t>::max()) options.put_u64(TCA_TBF_RATE64, bucket.rate);
  });
  socket.request(std::move(message), fmt::format("setting the rate of interface number {}", index));
}

std::optional<TokenBucket> find_token_bucket(NlSocket& socket, int index) {
  const auto told = ask_token_bucket(socket, index);
  return told ? std::optional(told->bucket) : std::nullopt;
}

std::optional<std::string> explain_rate(NlSocket& socket, int index, const std::string& name,
                                        const TokenBucket& wanted) {
  const auto present = ask_token_bucket(socket, index);
  if (!present) return fmt::format("{} has no rate", name);
  if (is_alike(wanted, *present)) return std::nullopt;
  return fmt::format("the rate of {} is {} bytes per second with a burst of {}, not {} with {}", name,
                     present->bucket.rate, present->bucket.burst, wanted.rate, wanted.burst);
}

bool remove_root_qdisc(NlSocket& socket, int index) {
  return socket.request_unless(removal(index, TC_H_ROOT, 0),
                               fmt::format("removing the rate of interface number {}", index),
                               // ENOENT or EINVAL: there is nothing but the kernel's default qdisc, which cannot be
                               // removed.
                               {ENOENT, EINVAL, ENODEV});
}

void redirect_ingress(NlSocket& socket, int index, int to) {
  const std::string doing = fmt::format("redirecting what arrives on interface number {}", index);
  NlMessage qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
  // NLM_F_EXCL: an ingress qdisc that is there is another program's, with filters of its own.
  qdisc.header(qdisc_header(index, TC_H_INGRESS, kIngressHandle)).put_string(TCA_KIND, "ingress");
  socket.request(std::move(qdisc), doing);
  NlMessage filter(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
  filter.header(filter_header(index)).put_string(TCA_KIND, "u32");
  filter.nest(TCA_OPTIONS, [&](NlMessage& options) {
    const std::string match = match_all();
    options.put(TCA_U32_SEL, match.data(), match.size());
    options.nest(TCA_U32_ACT,
                 [&](NlMessage& actions) { actions.nest(1, [&](NlMessage& action) { put_redirect(action, to); }); });
  });
  socket.request(std::move(filter), doing);
}

bool is_ingress_redirected(NlSocket& socket, int index, int to) {
  NlMessage message(RTM_GETTFILTER, 0);
  message.header(qdisc_header(index, kIngressHandle, 0));
  bool found = false;
  socket.dump(std::move(message), fmt::format("reading the filters of interface number {}", index),
              [&](const nlmsghdr& answer) { found |= redirects_to(NlAttributes(answer, sizeof(tcmsg)), to); },
              {EINVAL, ENOENT, ENODEV});
  return found;
}

bool remove_ingress_qdisc(NlSocket& socket, int index) {
  return socket.request_unless(removal(index, TC_H_INGRESS, kIngressHandle),
                               fmt::format("no longer redirecting what arrives on interface number {}", index),
                               {ENOENT, EINVAL, ENODEV});
}

}  // namespace barewire::kernel
