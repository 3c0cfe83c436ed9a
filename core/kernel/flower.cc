// SPDX-License-Identifier: Apache-2.0
// Only the flags are read. The matches of a filter take most of the message, and nobody here asks for them.
#include "core/kernel/flower.h"

#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <optional>

namespace barewire::kernel {

namespace {

/// nullopt: a filter of another kind, or the chain head that every priority has (handle 0).
std::optional<FlowerFilter> parse_filter(const nlmsghdr& message) {
  auto* header = const_cast<nlmsghdr*>(&message);  // libnl's readers are not const
  const auto* tc = static_cast<const tcmsg*>(nlmsg_data(header));
  std::array<nlattr*, TCA_MAX + 1> attributes{};
  if (tc->tcm_handle == 0 || nlmsg_parse(header, sizeof *tc, attributes.data(), TCA_MAX, nullptr) < 0)
    return std::nullopt;
  if (!attributes[TCA_KIND] || std::string_view(nla_get_string(attributes[TCA_KIND])) != "flower") return std::nullopt;
  FlowerFilter filter;
  filter.handle = tc->tcm_handle;
  filter.priority = static_cast<std::uint16_t>(TC_H_MAJ(tc->tcm_info) >> 16U);
  std::array<nlattr*, TCA_FLOWER_MAX + 1> options{};
  if (!attributes[TCA_OPTIONS] ||
      nla_parse_nested(options.data(), TCA_FLOWER_MAX, attributes[TCA_OPTIONS], nullptr) < 0)
    return filter;
  const std::uint32_t flags = options[TCA_FLOWER_FLAGS] ? nla_get_u32(options[TCA_FLOWER_FLAGS]) : 0;
  filter.in_hardware = (flags & TCA_CLS_FLAGS_IN_HW) != 0;
  filter.not_in_hardware = (flags & TCA_CLS_FLAGS_NOT_IN_HW) != 0;
  filter.skip_hardware = (flags & TCA_CLS_FLAGS_SKIP_HW) != 0;
  return filter;
}

}  // namespace

std::vector<FlowerFilter> list_flower_filters(NlSocket& socket, int index) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = index;
  // The parent under which Open vSwitch adds its filters. Source: lib/tc.h of Open vSwitch, TC_INGRESS_PARENT.
  header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
  NlMessage message(RTM_GETTFILTER, 0);
  message.header(header);
  std::vector<FlowerFilter> filters;
  socket.dump(std::move(message), fmt::format("listing the filters of link {}", index),
              [&](const nlmsghdr& answer) {
                if (const auto filter = parse_filter(answer)) filters.push_back(*filter);
              },
              // No queueing discipline on ingress, or no such link any more: it has no filters.
              {EINVAL, ENODEV, ENOENT});
  return filters;
}

}  // namespace barewire::kernel
