// SPDX-License-Identifier: Apache-2.0
/// Traffic control: a rate for what leaves an interface, and handing what arrives on one to another. Works on a
/// NlSocket opened in the interface's netns. Source: tc(8), tc-tbf(8), tc-u32(8), tc-mirred(8);
/// include/uapi/linux/pkt_sched.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// A token bucket filter.
struct TokenBucket {
  std::uint64_t rate = 0;   ///< bytes per second
  std::uint32_t burst = 0;  ///< bytes that pass at once; a packet that is larger never does
  std::uint32_t limit = 0;  ///< bytes that wait
  friend bool operator==(const TokenBucket&, const TokenBucket&) = default;
};

/// Of bits per second and bits. What may wait is what passes in 25 ms, and the burst. Source: the reference plugin's
/// queue.
TokenBucket make_token_bucket(std::uint64_t rate_bits, std::uint64_t burst_bits);

/// Makes it the root qdisc, in place of what is there. Throws KernelError.
void set_token_bucket(NlSocket& socket, int index, const TokenBucket& bucket);
/// nullopt when the root qdisc is another. The burst is what the kernel tells of it: a few bytes less or more, and what
/// is left over 2^32 ticks of 64 ns where it takes longer than those at the rate.
std::optional<TokenBucket> find_token_bucket(NlSocket& socket, int index);
/// How the rate of interface `index` differs from `wanted`, for a message that calls it `name`; nullopt: it does not.
std::optional<std::string> explain_rate(NlSocket& socket, int index, const std::string& name,
                                        const TokenBucket& wanted);
/// False when the root qdisc was the default one.
bool remove_root_qdisc(NlSocket& socket, int index);

/// Everything that arrives on `index` goes out by `to` (an ifb device) first. Throws KernelError; EEXIST when the
/// interface has an ingress qdisc already.
void redirect_ingress(NlSocket& socket, int index, int to);
/// Whether it does.
bool is_ingress_redirected(NlSocket& socket, int index, int to);
/// False when there was no ingress qdisc. Its filters go with it.
bool remove_ingress_qdisc(NlSocket& socket, int index);

}  // namespace barewire::kernel
