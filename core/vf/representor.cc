// SPDX-License-Identifier: Apache-2.0
// Two sources, since old drivers have no devlink ports. Two candidates that cannot be told apart are none: the wrong
// one would give a pod another's traffic.
#include "core/vf/representor.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace barewire::vf {

namespace {

using kernel::DevlinkPort;

/// Takes `prefix` and the number after it off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  std::uint32_t number = 0;
  const char* begin = text.data() + prefix.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number);
  if (error != std::errc() || end == begin) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// Ports of another controller are VFs of another host: a SmartNIC's processor sees both.
bool is_of_this_host(const DevlinkPort& port) {
  return port.controller.value_or(0) == 0;
}

std::optional<Representor> find_by_devlink(const kernel::DevlinkHandle& handle, std::uint16_t pf_number,
                                           std::uint32_t vf) {
  std::vector<DevlinkPort> found = kernel::list_devlink_ports(handle);
  std::erase_if(found, [&](const DevlinkPort& port) {
    return port.flavour != "pcivf" || port.vf != vf || port.netdev.empty() || !is_of_this_host(port);
  });
  // The PF's number decides between several only: a port that alone fits is the one, however its firmware counts PFs.
  if (found.size() > 1) std::erase_if(found, [&](const DevlinkPort& port) { return port.pf && *port.pf != pf_number; });
  if (found.size() != 1) return std::nullopt;
  return Representor{found.front().netdev, Representor::FoundBy::devlink_port};
}

std::optional<Representor> find_by_port_name(const kernel::Sysfs& sysfs, const std::string& uplink,
                                             std::uint16_t pf_number, std::uint32_t vf) {
  // Representors of one card's PFs may have the same port names; the switch they belong to tells them apart.
  const auto own_switch = sysfs.read(fmt::format("class/net/{}/phys_switch_id", uplink));
  if (!own_switch || own_switch->empty()) return std::nullopt;
  std::optional<Representor> found;
  for (const std::string& netdev : sysfs.list("class/net")) {
    if (netdev == uplink || sysfs.read(fmt::format("class/net/{}/phys_switch_id", netdev)) != own_switch) continue;
    const auto name = sysfs.read(fmt::format("class/net/{}/phys_port_name", netdev));
    if (!name || parse_vf_port_name(*name, pf_number) != vf) continue;
    // Two of them: neither can be trusted.
    if (found) return std::nullopt;
    found = Representor{netdev, Representor::FoundBy::phys_port_name};
  }
  return found;
}

}  // namespace

std::optional<std::uint32_t> parse_vf_port_name(std::string_view text, std::uint16_t pf_number) {
  std::string_view rest = text;
  if (const auto plain = take_number(rest, ""); plain && rest.empty()) return plain;
  rest = text;
  // "3" of older drivers, "pf0vf3", "c1pf0vf3". Source: net/devlink/port.c __devlink_port_phys_port_name_get.
  if (text.starts_with("c") && take_number(rest, "c") != 0U) return std::nullopt;
  const auto pf = take_number(rest, "pf");
  const auto vf = pf ? take_number(rest, "vf") : std::nullopt;
  if (!vf || !rest.empty() || *pf != pf_number) return std::nullopt;
  return vf;
}

std::optional<Representor> find_representor(const kernel::Sysfs& sysfs, const kernel::DevlinkHandle& handle,
                                            const std::string& uplink, std::uint16_t pf_number, std::uint32_t vf) {
  if (auto found = find_by_devlink(handle, pf_number, vf)) return found;
  return find_by_port_name(sysfs, uplink, pf_number, vf);
}

}  // namespace barewire::vf
