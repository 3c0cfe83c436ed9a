// SPDX-License-Identifier: Apache-2.0
// A step throws what went wrong; what was done by then is undone from the record.
#include "sriov-plugin/steps.h"

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/zero_values.h"
#include "core/log.h"
#include "core/vf/apply.h"
#include "core/vf/device_info.h"
#include "core/vf/settings.h"

namespace barewire::sriov {

namespace {

/// Long enough for a link that comes up; an announcement without carrier reaches nobody.
constexpr std::chrono::milliseconds kCarrierWait{5000};

vf::PfPort pf_port(Work& work) {
  if (auto port = vf::find_pf_port(work.host, work.record.pf)) return *port;
  throw Error(Error::Code::device, fmt::format("PF {} has no netdev on the host any more", work.record.pf));
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
  try {
    if (!kernel::wait_for_carrier(socket, link.index, patience_for_carrier(work)))
      log_warning("{} has no carrier yet; its addresses are announced to nobody", link.name);
    cni::announce_addresses(work.pod, socket, link, result, 0);
  } catch (const Error& error) {
    log_warning("announcing the addresses of {} failed, ignoring: {}", link.name, error.what());
  }
}

std::uint32_t mtu_of_pf(Work& work) {
  const auto port = vf::find_pf_port(work.host, work.record.pf);
  const auto link = port ? kernel::find_link(work.host.socket, port->index) : std::nullopt;
  return link ? link->mtu : 0;
}

/// What the result tells of must be there: a pod that starts without it finds out late.
void require_present(const Work& work, const kernel::Link& link) {
  kernel::NlSocket socket = kernel::NlSocket::in(work.pod);
  const auto now = kernel::find_link(socket, work.request.ifname);
  if (now && now->index == link.index && now->is_up()) return;
  throw Error(Error::Code::device,
              fmt::format("attaching VF {} failed: {} is {} in {}", work.record.device, work.request.ifname,
                          now ? "not as it was made" : "missing", work.request.netns),
              "another program has moved, renamed or stopped it meanwhile");
}

}  // namespace

Work::Work(const cni::Request& from, Node& on)
    : request(from),
      node(on),
      config(Config::parse(from)),
      host(on),
      attachment(state::make_attachment(from, "sriov")),
      pod(from.pod_netns().again()) {
  if (config.device_info_file.empty()) return;
  device_info_ = boost::json::object{{"path", config.device_info_file}};
  // Kept as it was: the device plugin has written it, and DEL must give it back so.
  if (const auto before = cni::read_device_info(config.device_info_file)) (*device_info_)["before"] = *before;
}

void Work::save(const cni::Result* result) {
  attachment.data = vf::to_json(record);
  if (device_info_) attachment.data["deviceInfo"] = *device_info_;
  if (result != nullptr) attachment.data["result"] = result->to_json(cni::kLatestVersion);
  host.store.save(attachment);
}

void preflight(Work& work, const vf::Reservation& reservation) {
  const hw::Nic nic = hw::find_nic(work.node, reservation.target.pf);
  check_vf(nic, reservation.target, work.config.settings);
  // Cheap and before anything is touched. The kernel would say so too, after the VF is configured.
  kernel::NlSocket pod_socket = kernel::NlSocket::in(work.pod);
  if (kernel::find_link(pod_socket, work.request.ifname))
    throw Error(Error::Code::held,
                fmt::format("interface {} exists already in {}", work.request.ifname, work.request.netns),
                "every network of a pod needs an interface name of its own");
  probe_vf(work.host, nic, reservation.target, work.config.settings);
  work.habits = nic.habits;
}

void claim(Work& work, const vf::Reservation& reservation) {
  work.record = vf::capture(work.host, reservation.target, work.config.settings);
  // The record before the claim: a claim without one would be of a VF that nobody knows how to put back.
  work.save();
  vf::claim(work.host, work.attachment, work.record.device);
}

void configure(Work& work) {
  vf::configure_vf(work.host, work.record, work.habits);
}

std::optional<kernel::Link> move(Work& work) {
  return vf::enter_pod(work.host, work.record, work.pod, work.request.ifname, work.habits);
}

cni::Result address(Work& work, const std::optional<kernel::Link>& link) {
  cni::Result result = cni::ipam_add(work.request, work.node);  // when it fails it has released what it took
  work.addressed = true;
  result.interfaces = {describe(work, link, work.record)};
  if (!link) result.interfaces[0].mtu = mtu_of_pf(work);
  cni::assign_addresses_to(result, 0);
  if (cni::overrides_dns(work.request)) result.dns = work.request.conf.dns;
  if (!link) return result;
  kernel::NlSocket socket = kernel::NlSocket::in(work.pod);
  if (!result.ips.empty()) cni::configure_interface(work.pod, socket, *link, result, 0);
  tell_neighbours(work, socket, *link, result);
  return result;
}

void conclude(Work& work, const std::optional<kernel::Link>& link, const cni::Result& result) {
  const std::string& file = work.config.device_info_file;
  if (!file.empty()) vf::write_device_info(work.host.sysfs, file, cni::read_device_info(file), work.record);
  if (work.record.admin) {
    const vf::PfPort pf = pf_port(work);
    // Read back: drivers round rates and report some settings otherwise, and CHECK compares with what they report.
    work.record.expected = kernel::find_vf(work.host.socket, pf.index, work.record.id);
  }
  if (link) require_present(work, *link);
  if (link) work.record.pod_index = link->index;
  work.save(&result);
}

}  // namespace barewire::sriov
