// SPDX-License-Identifier: Apache-2.0
// The PF's settings first, then the move, then the MAC: the order that most drivers accept. What differs by family
// comes from its profile.
#include "core/vf/apply.h"

#include "core/kernel/sysctl.h"
#include "core/vf/mac.h"
#include "core/vf/move.h"
#include "core/vf/restore.h"

namespace barewire::vf {

namespace {

using kernel::Link;
using kernel::NlSocket;

/// An address that moved here must be believed by its neighbours at once. Source: ip-sysctl.rst (arp_notify,
/// ndisc_notify, optimistic_dad).
void set_sysctls(const kernel::NetNs& pod, const std::string& name) {
  for (const char* key :
       {"net/ipv4/conf/{}/arp_notify", "net/ipv6/conf/{}/ndisc_notify", "net/ipv6/conf/{}/optimistic_dad"}) {
    const std::string path = fmt::format(fmt::runtime(key), name);
    // A kernel without IPv6, or without optimistic DAD, has no such file.
    if (kernel::read_sysctl(pod, path)) kernel::write_sysctl(pod, path, "1");
  }
}

void apply_netdev_settings(NlSocket& socket, const Link& link, const Settings& settings) {
  kernel::LinkChange change;
  if (settings.promisc && *settings.promisc != link.is_promiscuous()) change.promisc = settings.promisc;
  if (settings.allmulti && *settings.allmulti != link.is_allmulti()) change.allmulti = settings.allmulti;
  if (settings.mtu && *settings.mtu != link.mtu) kernel::set_mtu(socket, link, *settings.mtu);
  if (change.promisc || change.allmulti)
    kernel::change_link(socket, link.index, change, fmt::format("setting promisc and allmulti of {}", link.name));
}

/// One VF on its way into one pod.
struct Entry {
  Host& host;
  const VfRecord& record;
  const kernel::NetNs& pod;
  const std::string& name;
  const Habits& habits;
  NlSocket socket = NlSocket::in(pod);

  /// Moves the netdev in and brings it up. A PF that is still busy with the VF makes this fail for a moment.
  Link enter(Link link) {
    const Link moved = move_in(host, std::move(link), pod, socket, name);
    set_sysctls(pod, moved.name);
    apply_netdev_settings(socket, moved, record.settings);
    // Up before the MAC is looked at: some drivers take the PF's address only as they are opened.
    with_retries(habits, [&] { kernel::set_up(socket, moved); });
    return moved;
  }

  bool takes_mac(const Link& link) {
    const auto& mac = record.settings.mac;
    return !mac || make_effective(socket, link.index, *mac, habits);
  }

  [[noreturn]] void refuse_mac(const std::string& now) const {
    throw Error(Error::Code::kernel,
                fmt::format("setting MAC {} of VF {} failed: its netdev keeps {}", record.settings.mac->text(),
                            record.device, now),
                "the PF accepted it but the VF's driver does not take it; `\"trust\": \"on\"` helps with some NICs");
  }

  Link run() {
    const Link moved = enter(kernel::get_link(host.socket, record.netdev->name));
    if (takes_mac(moved)) return moved;
    if (!habits.uses(MacAction::rebind)) refuse_mac(moved.hardware_address);
    // The last way to an effective MAC: the driver is bound afresh, which makes a new netdev on the host.
    const Link fresh = rebind(host, record.device, record.driver);
    const Link again = enter(fresh);
    if (!takes_mac(again)) refuse_mac(fresh.hardware_address);
    return again;
  }
};

}  // namespace

void configure_vf(Host& host, const VfRecord& record, const Habits& habits) {
  // The PF tells nothing of its VFs: what was before could not be put back.
  if (!record.admin) return;
  const auto pf = find_pf_port(host, record.pf);
  if (!pf) throw Error(Error::Code::device, fmt::format("PF {} has no netdev on the host any more", record.pf));
  // MAC first: some PFs reset the VF for it (i40e), and what is set afterwards cannot be lost by that.
  if (record.settings.mac) {
    const auto link = record.netdev ? kernel::find_link(host.socket, record.netdev->name) : std::nullopt;
    set_mac(host, *pf, record.id, &host.socket, link ? &*link : nullptr, *record.settings.mac, habits);
  }
  apply_admin(host, *pf, *record.admin, record.settings, habits);
}

std::optional<kernel::Link> enter_pod(Host& host, VfRecord& record, const kernel::NetNs& pod, const std::string& name,
                                      const Habits& habits) {
  if (!record.netdev) return std::nullopt;
  Entry entry{host, record, pod, name, habits};
  const Link moved = entry.run();
  record.pod_index = moved.index;
  // Read anew: MAC, MTU and flags are others than when it moved, and the result tells of them.
  return kernel::find_link(entry.socket, moved.index).value_or(moved);
}

}  // namespace barewire::vf
