// SPDX-License-Identifier: Apache-2.0
// A PF answers for all its VFs in one message, of which each VF's part says only what the driver can report.
#include "core/kernel/vf.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

/// Drivers leave all bits set in what they cannot report. Source: net/core/rtnetlink.c rtnl_fill_vfinfo.
constexpr std::uint32_t kNotReported = 0xffffffff;

std::optional<bool> parse_switch(const NlAttributes& vf, int attribute) {
  const auto value = vf.value<ifla_vf_spoofchk>(attribute);  // trust and query_rss have the same shape: vf, setting
  static_assert(sizeof(ifla_vf_spoofchk) == sizeof(ifla_vf_trust));
  static_assert(sizeof(ifla_vf_spoofchk) == sizeof(ifla_vf_rss_query_en));
  if (!value || value->setting == kNotReported) return std::nullopt;
  return value->setting != 0;
}

void parse_vlan(VfInfo& info, const NlAttributes& vf) {
  if (const auto vlan = vf.value<ifla_vf_vlan>(IFLA_VF_VLAN)) {
    info.vlan = static_cast<std::uint16_t>(vlan->vlan);
    info.qos = static_cast<std::uint8_t>(vlan->qos);
  }
  // The list holds the protocol too, in network byte order, and one entry in every driver so far.
  const auto entry = vf.nest(IFLA_VF_VLAN_LIST).value<ifla_vf_vlan_info>(IFLA_VF_VLAN_INFO);
  if (!entry) return;
  info.vlan = static_cast<std::uint16_t>(entry->vlan);
  info.qos = static_cast<std::uint8_t>(entry->qos);
  if (ntohs(entry->vlan_proto) == static_cast<std::uint16_t>(VlanProto::dot1ad)) info.vlan_proto = VlanProto::dot1ad;
}

void parse_rates(VfInfo& info, const NlAttributes& vf) {
  // The older attribute has the upper rate alone; kernels send both.
  if (const auto rate = vf.value<ifla_vf_rate>(IFLA_VF_RATE)) {
    info.min_tx_rate = rate->min_tx_rate;
    info.max_tx_rate = rate->max_tx_rate;
  } else if (const auto max_rate = vf.value<ifla_vf_tx_rate>(IFLA_VF_TX_RATE)) {
    info.max_tx_rate = max_rate->rate;
  }
}

/// nullopt when the entry has no number. Every attribute of a VF carries it; IFLA_VF_MAC is always there.
std::optional<VfInfo> parse_vf(const nlattr& entry, bool ethernet) {
  const NlAttributes vf(&entry);
  // The place in the list is not the number: drivers leave out VFs they cannot tell of.
  const auto mac = vf.value<ifla_vf_mac>(IFLA_VF_MAC);
  if (!mac) return std::nullopt;
  VfInfo info;
  info.id = mac->vf;
  std::array<std::uint8_t, 6> bytes{};
  std::copy_n(mac->mac, bytes.size(), bytes.begin());
  // InfiniBand's addresses have 20 bytes, and six of them are none.
  if (ethernet) info.mac = MacAddress(bytes);
  parse_vlan(info, vf);
  parse_rates(info, vf);
  info.spoof_check = parse_switch(vf, IFLA_VF_SPOOFCHK);
  info.trust = parse_switch(vf, IFLA_VF_TRUST);
  info.query_rss = parse_switch(vf, IFLA_VF_RSS_QUERY_EN);
  if (const auto state = vf.value<ifla_vf_link_state>(IFLA_VF_LINK_STATE))
    // A state that is newer than this code could not be put back.
    if (state->link_state <= static_cast<std::uint32_t>(VfLinkState::disable))
      info.link_state = static_cast<VfLinkState>(state->link_state);
  return info;
}

ifinfomsg pf_header(int pf_index) {
  ifinfomsg header{};
  header.ifi_index = pf_index;
  return header;
}

/// One VF of one PF, attribute by attribute.
class Setter {
 public:
  Setter(NlSocket& socket, int pf_index, const std::string& pf_name, std::uint32_t id)
      : socket_(socket), pf_index_(pf_index), pf_name_(pf_name), id_(id) {}

  void set(std::string_view what, const std::function<void(NlMessage&)>& fill) {
    NlMessage message(RTM_SETLINK, 0);
    message.header(pf_header(pf_index_)).nest(IFLA_VFINFO_LIST, [&](NlMessage& list) {
      list.nest(IFLA_VF_INFO, fill);
    });
    socket_.request(std::move(message), fmt::format("setting {} of {} vf {}", what, pf_name_, id_));
  }

  template <typename Value>
  void set_value(std::string_view what, int attribute, const Value& value) {
    set(what, [&](NlMessage& vf) { vf.put(attribute, &value, sizeof value); });
  }

  void set_mac(const MacAddress& mac) {
    ifla_vf_mac value{};
    value.vf = id_;
    std::copy(mac.bytes().begin(), mac.bytes().end(), value.mac);
    set_value(fmt::format("MAC address {}", mac.text()), IFLA_VF_MAC, value);
  }

  /// 802.1Q goes in the attribute that every kernel and driver knows, 802.1ad in the list (Linux 4.9).
  void set_vlan(const VfChange::Vlan& vlan) {
    if (vlan.proto == VlanProto::dot1q)
      return set_value(fmt::format("VLAN {} qos {}", vlan.id, vlan.qos), IFLA_VF_VLAN,
                       ifla_vf_vlan{id_, vlan.id, vlan.qos});
    const ifla_vf_vlan_info entry{id_, vlan.id, vlan.qos, htons(static_cast<std::uint16_t>(vlan.proto))};
    set(fmt::format("802.1ad VLAN {} qos {}", vlan.id, vlan.qos), [&](NlMessage& vf) {
      vf.nest(IFLA_VF_VLAN_LIST, [&](NlMessage& list) { list.put(IFLA_VF_VLAN_INFO, &entry, sizeof entry); });
    });
  }

  void set_rates(std::optional<std::uint32_t> min_rate, std::optional<std::uint32_t> max_rate) {
    // One attribute carries both rates, so the one not asked for is sent as it is. Source: net/core/rtnetlink.c
    // do_setvfinfo.
    if (!min_rate || !max_rate) {
      const auto current = find_vf(socket_, pf_index_, id_);
      if (!current) throw Error(Error::Code::device, fmt::format("{} reports no vf {}", pf_name_, id_));
      if (!min_rate) min_rate = current->min_tx_rate;
      if (!max_rate) max_rate = current->max_tx_rate;
    }
    set_value(fmt::format("transmit rate (min {} max {} Mb/s)", *min_rate, *max_rate), IFLA_VF_RATE,
              ifla_vf_rate{id_, *min_rate, *max_rate});
  }

  void set_switch(std::string_view what, int attribute, bool on) {
    set_value(fmt::format("{} {}", what, on ? "on" : "off"), attribute, ifla_vf_spoofchk{id_, on ? 1U : 0U});
  }

  void set_link_state(VfLinkState state) {
    const char* word = state == VfLinkState::automatic ? "auto" : state == VfLinkState::enable ? "enable" : "disable";
    set_value(fmt::format("link state {}", word), IFLA_VF_LINK_STATE,
              ifla_vf_link_state{id_, static_cast<std::uint32_t>(state)});
  }

 private:
  NlSocket& socket_;
  int pf_index_;
  const std::string& pf_name_;
  std::uint32_t id_;
};

}  // namespace

std::vector<VfInfo> parse_vfs(const nlmsghdr& message) {
  std::vector<VfInfo> vfs;
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(ifinfomsg)) return vfs;
  ifinfomsg header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  const bool ethernet = header.ifi_type == ARPHRD_ETHER;
  NlAttributes(message, sizeof header).nest(IFLA_VFINFO_LIST).each([&](const nlattr& entry) {
    if (nla_type(&entry) != IFLA_VF_INFO) return;
    if (auto vf = parse_vf(entry, ethernet)) vfs.push_back(*vf);
  });
  std::sort(vfs.begin(), vfs.end(), [](const VfInfo& a, const VfInfo& b) { return a.id < b.id; });
  return vfs;
}

std::vector<VfInfo> list_vfs(NlSocket& socket, int pf_index) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(pf_header(pf_index)).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
  std::vector<VfInfo> vfs;
  const std::string doing = fmt::format("listing the VFs of interface number {}", pf_index);
  const bool found = socket.get(std::move(message), doing, [&](const nlmsghdr& answer) { vfs = parse_vfs(answer); });
  if (!found) throw KernelError(ENODEV, fmt::format("{} failed: {}", doing, std::strerror(ENODEV)), {});
  return vfs;
}

std::optional<VfInfo> find_vf(NlSocket& socket, int pf_index, std::uint32_t id) {
  for (const VfInfo& vf : list_vfs(socket, pf_index))
    if (vf.id == id) return vf;
  return std::nullopt;
}

void change_vf(NlSocket& socket, int pf_index, const std::string& pf_name, std::uint32_t id, const VfChange& change) {
  Setter vf(socket, pf_index, pf_name, id);
  if (change.mac) vf.set_mac(*change.mac);
  if (change.vlan) vf.set_vlan(*change.vlan);
  if (change.spoof_check) vf.set_switch("spoof check", IFLA_VF_SPOOFCHK, *change.spoof_check);
  if (change.trust) vf.set_switch("trust", IFLA_VF_TRUST, *change.trust);
  if (change.min_tx_rate || change.max_tx_rate) vf.set_rates(change.min_tx_rate, change.max_tx_rate);
  if (change.link_state) vf.set_link_state(*change.link_state);
  if (change.query_rss) vf.set_switch("RSS query", IFLA_VF_RSS_QUERY_EN, *change.query_rss);
}

}  // namespace barewire::kernel
