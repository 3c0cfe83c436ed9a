// SPDX-License-Identifier: Apache-2.0
/// firewalld is spoken to on the system bus, where it is whatever program, or container, it is. Source:
/// firewalld.dbus(5), interface org.fedoraproject.FirewallD1.zone.
#include "core/error.h"
#include "standard-plugins/firewall/accept.h"
#include "standard-plugins/firewall/system_bus.h"

namespace barewire::standard {

namespace {

constexpr const char* kName = "org.fedoraproject.FirewallD1";
constexpr const char* kPath = "/org/fedoraproject/FirewallD1";
constexpr const char* kZones = "org.fedoraproject.FirewallD1.zone";
constexpr const char* kBus = "org.freedesktop.DBus";

std::string text_of(const IpAddress& address) {
  return IpPrefix{address, static_cast<std::uint8_t>(address.size() * 8)}.text();
}

bool has_owner(SystemBus& bus) {
  // NameHasOwner, because a call to firewalld itself would have systemd start it.
  return bus
      .call({.destination = kBus,
             .path = "/org/freedesktop/DBus",
             .interface = kBus,
             .member = "NameHasOwner",
             .arguments = {kName}})
      .truth;
}

/// The bus with firewalld on it; nullopt when it does not run.
std::optional<SystemBus> find_firewalld() {
  auto bus = SystemBus::open();
  if (!bus || !has_owner(*bus)) return std::nullopt;
  return bus;
}

/// A method that takes a zone and a source. Throws Error{kernel} unless it succeeds or its refusal holds `benign`.
BusAnswer call_zone(SystemBus& bus, const PodAccept& pod, const char* method, const IpAddress& address,
                    std::string_view benign) {
  BusAnswer answer = bus.call({.destination = kName,
                               .path = kPath,
                               .interface = kZones,
                               .member = method,
                               .arguments = {pod.config.zone, text_of(address)}});
  if (!answer.is_error || (!benign.empty() && answer.text.find(benign) != std::string::npos)) return answer;
  throw Error(Error::Code::kernel,
              fmt::format("calling firewalld's {} with zone {} and {} failed", method, pod.config.zone, address.text()),
              fmt::format("{}: {}", answer.error, answer.text));
}

}  // namespace

bool is_firewalld_running() {
  return find_firewalld().has_value();
}

void accept_with_firewalld(const PodAccept& pod) {
  auto bus = find_firewalld();
  if (!bus) throw Error(Error::Code::kernel, "telling firewalld of the pod failed: it does not run any more");
  // Not permanently: what is told so is forgotten with the boot, as the pod is.
  for (const IpAddress& address : pod.addresses) call_zone(*bus, pod, "addSource", address, "ZONE_ALREADY_SET");
}

/// A firewalld that has ended, or is started anew, has forgotten what it was told over the bus.
void remove_from_firewalld(const PodAccept& pod) {
  auto bus = find_firewalld();
  if (!bus) return;
  for (const IpAddress& address : pod.addresses) call_zone(*bus, pod, "removeSource", address, "UNKNOWN_SOURCE");
}

std::vector<std::string> compare_with_firewalld(const PodAccept& pod) {
  auto bus = find_firewalld();
  if (!bus) return {"firewalld does not run any more"};
  std::vector<std::string> missing;
  for (const IpAddress& address : pod.addresses)
    if (!call_zone(*bus, pod, "querySource", address, {}).truth)
      missing.push_back(fmt::format("firewalld's zone {} does not have {}", pod.config.zone, address.text()));
  return missing;
}

}  // namespace barewire::standard
