// SPDX-License-Identifier: Apache-2.0
// An admin MAC reaches the netdev in a different way with every driver, and some say yes and do nothing: what counts is
// the address that can be read back.
#include "core/vf/mac.h"

#include "core/log.h"
#include "core/trace.h"

namespace barewire::vf {

namespace {

// By rtnetlink each time: a Link that was read before says what the address was then.
bool has_mac(kernel::NlSocket& socket, int index, const MacAddress& mac) {
  const auto link = kernel::find_link(socket, index);
  return link && link->mac == mac;
}

/// Drivers take a new address at once or some time later; the pauses are those the profile gives.
bool wait_for_mac(kernel::NlSocket& socket, int index, const MacAddress& mac, const Habits& habits) {
  const trace::Span span("kernel wait", "MAC");
  for (int left = habits.retries; left > 0; --left) {
    if (has_mac(socket, index, mac)) return true;
    std::this_thread::sleep_for(habits.pause);
  }
  return has_mac(socket, index, mac);
}

/// False when the driver refuses: what happens then is the next action's business.
bool try_own(kernel::NlSocket& socket, int index, const MacAddress& mac, const Habits& habits) {
  const auto link = kernel::find_link(socket, index);
  if (!link) return false;
  if (link->mac == mac) return true;
  try {
    with_retries(habits, [&] { kernel::set_mac(socket, *link, mac); });
  } catch (const kernel::KernelError& error) {
    log_debug("the VF does not take the address itself: {}", error.what());
    return false;
  }
  return has_mac(socket, index, mac);
}

void reopen(kernel::NlSocket& socket, int index, const Habits& habits) {
  const auto link = kernel::find_link(socket, index);
  if (!link) return;
  const bool was_up = link->is_up();
  const auto up = [&] { with_retries(habits, [&] { kernel::set_up(socket, *link); }); };
  // Opened and closed, or closed and opened: either way the driver passes through both, and the link ends as it was.
  if (!was_up) up();  // some drivers (igbvf) ask the PF for the address when they are closed
  kernel::set_down(socket, *link);
  if (was_up) up();
}

/// The last action of the list may take its time; before it, only what the list says waits.
bool act(MacAction action, kernel::NlSocket& socket, int index, const MacAddress& mac, const Habits& habits) {
  switch (action) {
    case MacAction::vf_follows:
      return wait_for_mac(socket, index, mac, habits);
    case MacAction::set_own:
      return try_own(socket, index, mac, habits);
    case MacAction::reopen:
      reopen(socket, index, habits);
      return has_mac(socket, index, mac);
    case MacAction::rebind:
      return false;
  }
  return false;
}

void set_admin(Host& host, const PfPort& pf, std::uint32_t id, const MacAddress& mac, const Habits& habits) {
  kernel::VfChange change;
  change.mac = mac;
  with_retries(habits, [&] { kernel::change_vf(host.socket, pf.index, pf.name, id, change); });
}

/// Takes the admin MAC away, so that the VF's own counts again. A driver without that keeps the VF working instead.
void clear_admin(Host& host, const PfPort& pf, std::uint32_t id, const std::optional<MacAddress>& own,
                 const Habits& habits) {
  if (habits.zero_mac_resets) {
    try {
      return set_admin(host, pf, id, MacAddress(), habits);
    } catch (const kernel::KernelError& error) {
      if (!own) throw;
      log_info("taking the admin MAC of {} vf {} away failed, setting its original address instead: {}", pf.name, id,
               error.what());
    }
  }
  if (own) set_admin(host, pf, id, *own, habits);
}

/// Did the VF give itself the address that the PF reported for it? Then only clearing gives that freedom back.
bool mac_was_own(const VfRecord& record) {
  return record.netdev && record.netdev->mac_is_own && record.netdev->mac == record.admin->mac;
}

void restore_admin_mac(Host& host, const PfPort& pf, const VfRecord& record, const Habits& habits) {
  const MacAddress original = record.admin->mac.value_or(MacAddress());
  const auto own = record.netdev ? record.netdev->mac : std::nullopt;
  if (original.is_zero() || mac_was_own(record)) return clear_admin(host, pf, record.id, own, habits);
  set_admin(host, pf, record.id, original, habits);
}

}  // namespace

void set_mac(Host& host, const PfPort& pf, std::uint32_t id, kernel::NlSocket* socket, const kernel::Link* link,
             const MacAddress& mac, const Habits& habits) {
  // The VF first, while it may still choose: once the PF has pinned an address, many drivers refuse the VF its own.
  if (link != nullptr) try_own(*socket, link->index, mac, habits);
  set_admin(host, pf, id, mac, habits);
}

bool make_effective(kernel::NlSocket& socket, int index, const MacAddress& mac, const Habits& habits) {
  if (has_mac(socket, index, mac)) return true;
  for (const MacAction action : habits.mac_actions)
    if (act(action, socket, index, mac, habits)) return true;
  return false;
}

bool restore_mac(Host& host, const PfPort& pf, const VfRecord& record, kernel::NlSocket* socket,
                 const kernel::Link* link, const Habits& habits) {
  if (!record.admin) return true;
  const auto now = kernel::find_vf(host.socket, pf.index, record.id);
  if (!now) return true;  // the VF is gone
  const auto own = record.netdev ? record.netdev->mac : std::nullopt;
  const bool effective = link == nullptr || !own || link->mac == own;
  // Some PFs repeat the VF's own address; then it does not show that ADD set the same.
  const bool pinned = record.settings.mac == record.admin->mac && mac_was_own(record);
  if (now->mac == record.admin->mac && effective && !pinned) return true;
  restore_admin_mac(host, pf, record, habits);
  if (link == nullptr || !own) return true;
  // The PF forgets it when it is cleared and learns it from the VF again: as it is set or, since the kernel passes on
  // no address that the netdev has already, as it is opened. Source: net/core/dev.c dev_set_mac_address.
  if (link->mac == own) {
    if (mac_was_own(record) && habits.uses(MacAction::reopen)) reopen(*socket, link->index, habits);
    return true;
  }
  try {
    kernel::set_mac(*socket, *link, *own);
  } catch (const kernel::KernelError& error) {
    log_debug("the VF does not take its original address itself: {}", error.what());
  }
  return has_mac(*socket, link->index, *own);
}

}  // namespace barewire::vf
