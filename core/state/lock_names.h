// SPDX-License-Identifier: Apache-2.0
/// The name of every lock between processes, so that all who touch one thing take one lock. Files in
/// Node::run_dir/locks; state/store.h makes them. Order, where several are held: attachment, device, the rest.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace barewire::state::lock_name {

/// Of one plugin's part in one attachment, so that its calls follow each other: a DEL waits for the ADD that it undoes.
inline std::string attachment(std::string_view network, std::string_view container_id, std::string_view ifname,
                              std::string_view plugin) {
  return fmt::format("attachment-{}@{}@{}.{}", network, container_id, ifname, plugin);
}
/// Of whatever is one device for all plugins, under its PCI address: a PF with its VFs has one lock. A netdev without
/// bus address goes by what its claim is called.
inline std::string device(std::string_view address) {
  return fmt::format("device-{}", address);
}
/// Who looks for a rule of the iptables commands and makes or removes it then.
inline std::string iptables() {
  return "iptables";
}
/// `route_localnet` of this node's interfaces, which portmap sets with the first pod and back with the last.
inline std::string route_localnet() {
  return "route-localnet";
}
/// The claims in Node::run_dir/devices: held while one is made, taken over or given up.
inline std::string claims() {
  return "claims";
}
/// The routing tables and rules that sbr chooses in a pod; `netns` as a short name.
inline std::string routing(std::string_view netns) {
  return fmt::format("sbr-{}", netns);
}
/// The VRFs of a pod; `netns` as a short name.
inline std::string vrf(std::string_view netns) {
  return fmt::format("vrf-{}", netns);
}

}  // namespace barewire::state::lock_name
