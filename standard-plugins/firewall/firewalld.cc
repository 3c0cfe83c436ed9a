// SPDX-License-Identifier: Apache-2.0
/// firewalld is spoken to on the system bus by busctl, which comes with systemd as firewalld's service does: no D-Bus
/// library links statically. Source: firewalld.dbus(5), interface org.fedoraproject.FirewallD1.zone; busctl(1).
#include "core/error.h"
#include "standard-plugins/common/command.h"
#include "standard-plugins/firewall/accept.h"

namespace barewire::standard {

namespace {

constexpr const char* kName = "org.fedoraproject.FirewallD1";
constexpr const char* kPath = "/org/fedoraproject/FirewallD1";
constexpr const char* kZones = "org.fedoraproject.FirewallD1.zone";

/// A method of something on the system bus, which is not started for it.
CommandAnswer call(const std::string& busctl, std::vector<std::string> words) {
  words.insert(words.begin(), {"--system", "--auto-start=no", "--timeout=20", "call"});
  return run_command(busctl, words);
}

std::string text_of(const IpAddress& address) {
  return IpPrefix{address, static_cast<std::uint8_t>(address.size() * 8)}.text();
}

/// A method that takes a zone and a source. Throws Error{kernel} unless it succeeds or its refusal holds `benign`.
std::string call_zone(const PodAccept& pod, const char* method, const IpAddress& address, std::string_view benign) {
  const auto busctl = find_command("busctl");
  if (!busctl)
    throw Error(Error::Code::config, "talking to firewalld failed: the busctl command is not on this node",
                "it is part of systemd");
  const CommandAnswer answer = call(*busctl, {kName, kPath, kZones, method, "ss", pod.config.zone, text_of(address)});
  if (answer.status == 0 || (!benign.empty() && answer.words.find(benign) != std::string::npos)) return answer.words;
  throw Error(Error::Code::kernel,
              fmt::format("calling firewalld's {} with zone {} and {} failed", method, pod.config.zone, address.text()),
              answer.words);
}

}  // namespace

/// The program is looked for first: most nodes have none, and the question costs a process.
bool is_firewalld_running() {
  if (!find_command("firewalld")) return false;
  const auto busctl = find_command("busctl");
  if (!busctl) return false;
  const char* bus = "org.freedesktop.DBus";
  const CommandAnswer answer = call(*busctl, {bus, "/org/freedesktop/DBus", bus, "NameHasOwner", "s", kName});
  return answer.status == 0 && answer.words.find("true") != std::string::npos;
}

void accept_with_firewalld(const PodAccept& pod) {
  for (const IpAddress& address : pod.addresses) call_zone(pod, "addSource", address, "ZONE_ALREADY_SET");
}

/// A firewalld that has ended, or is started anew, has forgotten what it was told over the bus.
void remove_from_firewalld(const PodAccept& pod) {
  if (!is_firewalld_running()) return;
  for (const IpAddress& address : pod.addresses) call_zone(pod, "removeSource", address, "UNKNOWN_SOURCE");
}

std::vector<std::string> compare_with_firewalld(const PodAccept& pod) {
  if (!is_firewalld_running()) return {"firewalld does not run any more"};
  std::vector<std::string> missing;
  for (const IpAddress& address : pod.addresses)
    if (call_zone(pod, "querySource", address, {}).find("true") == std::string::npos)
      missing.push_back(fmt::format("firewalld's zone {} does not have {}", pod.config.zone, address.text()));
  return missing;
}

}  // namespace barewire::standard
