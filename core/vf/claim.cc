// SPDX-License-Identifier: Apache-2.0
// The PF's lock is held from the look at a VF to the claim: two ADDs of one pool would find the same one free.
#include "core/vf/claim.h"

#include "core/cni/fallback.h"
#include "core/regular_file.h"
#include "core/vf/settings.h"

namespace barewire::vf {

namespace {

/// The netns that sriov-cni recorded as the VF's, if that still lives.
std::optional<std::string> find_peer_claim(const Host& host, const std::string& device) {
  const auto netns = read_roots_file(fmt::format("{}/pci/{}", host.peer_state_dir, device));
  // A path that leads to no netns is left over from a pod that is gone: sriov-cni takes such a VF too.
  if (!netns || !kernel::NetNs::try_open(*netns)) return std::nullopt;
  return netns;
}

void refuse_held(const Host& host, const std::string& device) {
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw cni::LackError(cni::Lack::free_vf, Error(Error::Code::held, what, hint));
  };
  if (const auto holder = host.store.holding(device))
    refuse(fmt::format("VF {} is held by attachment {}", device, holder->text()),
           "the runtime has to DEL that attachment first; `barewire list` shows who holds what");
  if (const auto netns = find_peer_claim(host, device))
    refuse(fmt::format("pci address {} is already allocated: sriov-cni moved it into {}", device, *netns),
           fmt::format("DEL the attachment that was made with sriov-cni; its record is in {}", host.peer_state_dir));
}

[[noreturn]] void refuse_unknown(const std::string& device) {
  throw cni::LackError(cni::Lack::device, Error(Error::Code::device, fmt::format("{} is not a VF of this node", device),
                                                "no PF lists it in sysfs; `barewire list` shows the VFs there are"));
}

/// A PCI address under one of the keys it may come by; an empty string is as good as none.
std::optional<std::string> find_device(const std::optional<JsonView>& key) {
  if (!key || key->string().empty()) return std::nullopt;
  const auto address = kernel::normalise_pci_address(key->string());
  if (!address) key->reject("the PCI address of a VF, as 0000:01:10.0");
  return address;
}

}  // namespace

VfOfPf require_vf(Host& host, const std::string& device) {
  if (auto target = find_vf(host.sysfs, host.socket, device)) return std::move(*target);
  refuse_unknown(device);
}

VfOfPf find_free_device(Host& host, const std::string& device) {
  refuse_held(host, device);
  return require_vf(host, device);
}

Reservation reserve_device(Host& host, const std::string& device) {
  const auto place = kernel::find_vf_place(host.sysfs, device);
  if (!place) refuse_unknown(device);
  // What was seen before the lock counts for nothing: the VF's place is asked only for the name of the lock.
  state::FileLock lock = lock_pf(host, place->pf_address);
  return {std::move(lock), find_free_device(host, device)};
}

void require_available(const VfOfPf& target) {
  const kernel::PciFunction& pci = target.vf.pci;
  if (pci.driver.empty())
    throw Error(Error::Code::device, fmt::format("VF {} has no driver", pci.address),
                "bind its kernel driver, or vfio-pci for DPDK");
  if (kernel::is_userspace_driver(pci.driver)) return;
  if (!target.vf.link)
    throw Error(
        Error::Code::device, fmt::format("the netdev of VF {} is not on the host", pci.address),
        fmt::format("driver {} is bound to it, so its netdev is in another netns, or the driver failed to make one",
                    pci.driver));
  // A port of a bridge or bond would take the host's connection along when it is moved.
  if (target.vf.link->master != 0)
    throw Error(Error::Code::held,
                fmt::format("VF {} belongs to the host: its netdev {} is part of a bridge or bond", pci.address,
                            target.vf.link->name),
                "take it out of there first");
}

VfRecord capture(Host& host, const VfOfPf& target, const Settings& settings) {
  VfRecord record;
  record.device = target.vf.pci.address;
  record.pf = target.pf.pci.address;
  record.pf_name = target.pf.link ? target.pf.link->name : record.pf;
  record.id = target.vf.id;
  record.driver = target.vf.pci.driver;
  record.userspace = kernel::is_userspace_driver(record.driver);
  if (target.vf.link) record.netdev = capture_netdev(host, *target.vf.link);
  record.admin = target.vf.info;
  record.settings = settings;
  return record;
}

void claim(Host& host, const state::Attachment& attachment, const std::string& device) {
  if (host.store.claim(device, attachment.id)) return;
  // Our record was written before the claim, as DEL needs it, and would tell of a VF that is another's.
  host.store.remove(attachment.id);
  refuse_held(host, device);
  throw Error(Error::Code::held, fmt::format("VF {} is held by another attachment", device), "try again");
}

std::optional<std::string> requested_device(const cni::Request& request) {
  const JsonView root = request.conf.root();
  std::optional<std::string> device;
  std::string from;
  // Three keys for one thing: the runtime's, and the two that Multus fills in, for sriov-cni and for host-device. Two
  // that differ are a mistake.
  for (const auto& key : {request.conf.runtime_config("deviceID"), root.find("deviceID"), root.find("pciBusID")}) {
    const auto found = find_device(key);
    if (!found) continue;
    if (device && device != found) key->reject(fmt::format("\"{}\", as \"{}\" says", *device, from));
    device = found;
    from = key->path();
  }
  return device;
}

}  // namespace barewire::vf
