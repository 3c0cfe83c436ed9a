// SPDX-License-Identifier: Apache-2.0
#include "sriov-plugin/steps.h"

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/kernel/announce.h"
#include "core/kernel/sysctl.h"
#include "core/log.h"
#include "core/vf/mac.h"
#include "core/vf/move.h"
#include "core/vf/restore.h"
#include "sriov-plugin/device_info.h"

namespace barewire::sriov {

namespace {

/// Long enough for a link that comes up; an announcement without carrier reaches nobody.
constexpr std::chrono::milliseconds kCarrierWait{5000};

vf::PfPort pf_port(Work& work) {
  if (auto port = vf::find_pf_port(work.host, work.record.pf)) return *port;
  throw Error(Error::Code::device, fmt::format("PF {} has no netdev on the host any more", work.record.pf));
}

/// An address that moved here must be believed by its neighbours at once. Source: ip-sysctl.rst (arp_notify,
/// ndisc_notify, optimistic_dad).
void set_sysctls(const kernel::NetNs& pod, const std::string& name) {
  for (const char* key :
       {"net/ipv4/conf/{}/arp_notify", "net/ipv6/conf/{}/ndisc_notify", "net/ipv6/conf/{}/optimistic_dad"}) {
    const std::string path = fmt::format(fmt::runtime(key), name);
    if (kernel::read_sysctl(pod, path)) kernel::write_sysctl(pod, path, "1");
  }
}

void apply_netdev_settings(kernel::NlSocket& socket, const kernel::Link& link, const vf::Settings& settings) {
  kernel::LinkChange change;
  if (settings.mtu && *settings.mtu != link.mtu) change.mtu = settings.mtu;
  if (settings.promisc && *settings.promisc != link.is_promiscuous()) change.promisc = settings.promisc;
  if (settings.allmulti && *settings.allmulti != link.is_allmulti()) change.allmulti = settings.allmulti;
  if (change.mtu) kernel::set_mtu(socket, link, *change.mtu);
  change.mtu.reset();
  if (change.promisc || change.allmulti)
    kernel::change_link(socket, link.index, change, fmt::format("setting promisc and allmulti of {}", link.name));
}

/// Moves the netdev in and brings it up. A PF that is still busy with the VF makes this fail for a moment.
kernel::Link enter_pod(Work& work, kernel::NlSocket& socket, kernel::Link link) {
  const kernel::Link moved = vf::move_in(work.host, std::move(link), work.pod, socket, work.request.ifname);
  set_sysctls(work.pod, moved.name);
  apply_netdev_settings(socket, moved, work.config.settings);
  vf::with_retries(work.habits, [&] { kernel::set_up(socket, moved); });
  return moved;
}

[[noreturn]] void refuse_mac(const Work& work, const std::string& now) {
  throw Error(Error::Code::kernel,
              fmt::format("setting MAC {} of VF {} failed: its netdev keeps {}", work.config.settings.mac->text(),
                          work.record.device, now),
              "the PF accepted it but the VF's driver does not take it; `\"trust\": \"on\"` helps with some NICs");
}

/// The last way to an effective MAC: the driver is bound afresh, which makes a new netdev on the host.
kernel::Link enter_pod_again(Work& work, kernel::NlSocket& socket) {
  const kernel::Link fresh = vf::rebind(work.host, work.record.device, work.record.driver);
  const kernel::Link moved = enter_pod(work, socket, fresh);
  if (vf::make_effective(socket, moved.index, *work.config.settings.mac, work.habits)) return moved;
  refuse_mac(work, fresh.hardware_address);
}

cni::Interface describe(const Work& work, const std::optional<kernel::Link>& link, const vf::VfRecord& record) {
  cni::Interface interface {
    .name = work.request.ifname, .mac = "", .mtu = 0, .sandbox = work.request.netns, .socket_path = "",
    .pci_id = record.device
  };
  if (link) {
    interface.mac = link->hardware_address;
    interface.mtu = link->mtu;
  } else if (work.config.settings.mac) {
    interface.mac = work.config.settings.mac->text();
  } else if (record.admin && record.admin->mac && !record.admin->mac->is_zero()) {
    interface.mac = record.admin->mac->text();
  }
  return interface;
}

/// A VF follows its PF, with some drivers only when they look next: igbvf does every two seconds. Where the PF has no
/// carrier, or the VF's link is switched off, there is nothing to wait for.
std::chrono::milliseconds patience_for_carrier(Work& work) {
  if (work.config.settings.link_state == kernel::VfLinkState::disable) return {};
  const auto port = vf::find_pf_port(work.host, work.record.pf);
  const auto pf = port ? kernel::find_link(work.host.socket, port->index) : std::nullopt;
  return pf && pf->carrier ? kCarrierWait : std::chrono::milliseconds{};
}

/// Best effort: an address that nobody was told of still works, once caches age.
void tell_neighbours(Work& work, kernel::NlSocket& socket, const kernel::Link& link, const cni::Result& result) {
  if (!link.mac || result.ips.empty()) return;
  std::vector<IpAddress> addresses;
  for (const cni::IpConfig& ip : result.ips) addresses.push_back(ip.address.address);
  try {
    if (!kernel::wait_for_carrier(socket, link.index, patience_for_carrier(work)))
      log_warning("{} has no carrier yet; its addresses are announced to nobody", link.name);
    kernel::announce(work.pod, link.index, *link.mac, addresses);
  } catch (const Error& error) {
    log_warning("announcing the addresses of {} failed, ignoring: {}", link.name, error.what());
  }
}

std::uint32_t mtu_of_pf(Work& work) {
  const auto port = vf::find_pf_port(work.host, work.record.pf);
  const auto link = port ? kernel::find_link(work.host.socket, port->index) : std::nullopt;
  return link ? link->mtu : 0;
}

}  // namespace

Work::Work(const cni::Request& from, Node& on)
    : request(from),
      node(on),
      config(Config::parse(from)),
      host(on),
      attachment(state::make_attachment(from, "sriov")),
      pod(kernel::NetNs::open(from.netns)) {
  if (config.device_info_file.empty()) return;
  device_info_ = boost::json::object{{"path", config.device_info_file}};
  if (const auto before = read_device_info(config.device_info_file)) (*device_info_)["before"] = *before;
}

void Work::save(const cni::Result* result) {
  attachment.data = vf::to_json(record);
  if (device_info_) attachment.data["deviceInfo"] = *device_info_;
  if (result != nullptr) attachment.data["result"] = result->to_json(cni::kLatestVersion);
  host.store.save(attachment);
}

void preflight(Work& work, const Reservation& reservation) {
  const Nic nic = find_nic(work.node, reservation.target.pf);
  check_vf(nic, reservation.target, work.config.settings);
  kernel::NlSocket pod_socket = kernel::NlSocket::in(work.pod);
  if (kernel::find_link(pod_socket, work.request.ifname))
    throw Error(Error::Code::held,
                fmt::format("interface {} exists already in {}", work.request.ifname, work.request.netns),
                "every network of a pod needs an interface name of its own");
  probe_vf(work.host, nic, reservation.target, work.config.settings);
  work.habits = nic.habits;
}

void claim(Work& work, const Reservation& reservation) {
  work.record = capture(work.host, reservation.target, work.config.settings);
  work.save();
  claim(work.host, work.attachment, work.record.device);
}

void configure(Work& work) {
  if (!work.record.admin) return;
  const vf::PfPort pf = pf_port(work);
  const vf::Settings& settings = work.config.settings;
  if (settings.mac) {
    const auto link = work.record.netdev ? kernel::find_link(work.host.socket, work.record.netdev->name) : std::nullopt;
    vf::set_mac(work.host, pf, work.record.id, &work.host.socket, link ? &*link : nullptr, *settings.mac, work.habits);
  }
  vf::apply_admin(work.host, pf, *work.record.admin, settings, work.habits);
}

std::optional<kernel::Link> move(Work& work) {
  if (!work.record.netdev) return std::nullopt;
  kernel::NlSocket socket = kernel::NlSocket::in(work.pod);
  const kernel::Link link = kernel::get_link(work.host.socket, work.record.netdev->name);
  kernel::Link moved = enter_pod(work, socket, link);
  const auto& mac = work.config.settings.mac;
  if (mac && !vf::make_effective(socket, moved.index, *mac, work.habits)) {
    if (!work.habits.uses(vf::MacAction::rebind)) refuse_mac(work, moved.hardware_address);
    moved = enter_pod_again(work, socket);
  }
  work.record.pod_index = moved.index;
  return kernel::find_link(socket, moved.index).value_or(moved);
}

cni::Result address(Work& work, const std::optional<kernel::Link>& link) {
  cni::Result result = cni::ipam_add(work.request, work.node);  // when it fails it has released what it took
  work.addressed = true;
  result.interfaces = {describe(work, link, work.record)};
  if (!link) result.interfaces[0].mtu = mtu_of_pf(work);
  cni::assign_addresses_to(result, 0);
  if (!work.request.conf.dns.empty()) result.dns = work.request.conf.dns;
  if (!link) return result;
  kernel::NlSocket socket = kernel::NlSocket::in(work.pod);
  if (!result.ips.empty()) cni::configure_interface(work.pod, socket, *link, result, 0);
  tell_neighbours(work, socket, *link, result);
  return result;
}

void conclude(Work& work, const std::optional<kernel::Link>& link, const cni::Result& result) {
  const std::string& file = work.config.device_info_file;
  if (!file.empty()) write_device_info(work.host.sysfs, file, read_device_info(file), work.record);
  if (work.record.admin) {
    const vf::PfPort pf = pf_port(work);
    work.record.expected = kernel::find_vf(work.host.socket, pf.index, work.record.id);
  }
  if (link) work.record.pod_index = link->index;
  work.save(&result);
}

}  // namespace barewire::sriov
