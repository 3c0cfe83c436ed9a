// SPDX-License-Identifier: Apache-2.0
// Mappings through 127.0.0.1 need route_localnet on the interface towards the pod, which alone would open the node's
// own loopback to its network. So a rule comes first that drops 127.0.0.0/8 from every other interface, and goes last.
// Source: Documentation/networking/ip-sysctl.rst, route_localnet; CVE-2020-8558.
#include "standard-plugins/portmap/loopback.h"

#include <arpa/inet.h>  // before the kernel's headers, which define the same types anew
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <filesystem>

#include "core/directory.h"
#include "core/fd.h"
#include "core/kernel/attributes.h"
#include "core/kernel/link.h"
#include "core/kernel/nftables.h"
#include "core/kernel/sysctl.h"
#include "core/state/lock_names.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace nft = kernel::nft;
namespace fs = std::filesystem;

namespace {

constexpr int kRawPriority = -300;  // "raw", nft(8): what comes back is not translated yet
constexpr const char* kChain = "loopback";
constexpr const char* kPods = "loopback_pods";

nft::Table table() {
  return {nft::Family::inet, "barewire"};
}

nft::Rule from_elsewhere(bool source) {
  nft::Rule rule;
  rule.family_is(true).interface_is(true, "lo", false);
  return rule.address_in(*IpPrefix::parse("127.0.0.0/8"), source).counter().drop();
}

nft::Fixture fixture() {
  return {.table = table(),
          .sets = {{.name = kPods, .key = {nft::Type::ipv4_addr}, .data = {}, .comment = {}}},
          .chains = {{.name = kChain,
                      .hook = nft::Chain::Hook{"filter", NF_INET_PRE_ROUTING, kRawPriority},
                      .comment = "127.0.0.1 is the node's own, also with route_localnet",
                      .rules = {from_elsewhere(false), from_elsewhere(true)}}}};
}

std::vector<nft::Element> elements_of(const PortmapPlan& plan) {
  std::vector<nft::Element> elements;
  if (!plan.config.source_nat || plan.config.mappings.empty()) return elements;
  for (const IpPrefix& address : plan.addresses)
    if (address.address.is_v4())
      elements.push_back(
          {.set = kPods, .key = nft::Key().address(address.address), .data = {}, .comment = owner_text(plan.id)});
  return elements;
}

/// A file per interface whose route_localnet was off before.
std::string directory_of(const Node& node) {
  return node.run_dir + "/route_localnet";
}
std::string sysctl_of(const std::string& interface) {
  return fmt::format("net/ipv4/conf/{}/route_localnet", interface);
}

/// The guard goes with its last pod, and the switches with it.
state::FileLock lock_loopback(const Node& node) {
  return store_of(node).lock(state::lock_name::route_localnet(), "route_localnet of this node's interfaces");
}

/// The ifindex packets to `destination` leave by; nullopt when there is no route. Source: ip-route(8), "get".
std::optional<int> find_output_interface(kernel::NlSocket& host, const IpAddress& destination) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(destination.family());
  header.rtm_dst_len = static_cast<std::uint8_t>(destination.size() * 8);
  kernel::NlMessage message(RTM_GETROUTE, 0);
  message.header(header).put(RTA_DST, destination.data(), destination.size());
  std::optional<std::int32_t> index;
  const auto keep = [&](const nlmsghdr& answer) {
    index = kernel::NlAttributes(answer, sizeof(rtmsg)).value<std::int32_t>(RTA_OIF);
  };
  try {
    host.get(std::move(message), "looking for the route to " + destination.text(), keep);
  } catch (const kernel::KernelError& error) {
    if (error.err() != ENETUNREACH && error.err() != EHOSTUNREACH) throw;
  }
  return index;
}

void switch_on(const std::string& interface, const Node& node) {
  if (kernel::read_sysctl(sysctl_of(interface)) == "1") return;
  make_directories(directory_of(node));
  // The file before the switch: what was off before can be found again after a crash.
  write_file_atomically(directory_of(node) + "/" + interface, "", Durability::until_reboot);
  kernel::write_sysctl(sysctl_of(interface), "1");
}

void switch_all_off(const Node& node) {
  for (const std::string& interface : list_directory(directory_of(node))) {
    if (kernel::read_sysctl(sysctl_of(interface))) kernel::write_sysctl(sysctl_of(interface), "0");
    remove_file(directory_of(node) + "/" + interface);
  }
  std::error_code none;
  fs::remove(directory_of(node), none);
}

}  // namespace

void open_loopback(const PortmapPlan& plan, const Node& node) {
  const std::vector<nft::Element> elements = elements_of(plan);
  if (elements.empty()) return;
  const state::FileLock lock = lock_loopback(node);
  kernel::NlSocket rules = nft::open_socket();
  std::vector<nft::Part> parts = {{.fixture = fixture(), .elements = elements, .replaced = {}}};
  nft::replace_others(rules, parts);
  // The guard before the switches.
  nft::put(rules, parts, "guarding 127.0.0.1");
  kernel::NlSocket host;
  for (const IpPrefix& address : plan.addresses) {
    if (!address.address.is_v4()) continue;
    const auto index = find_output_interface(host, address.address);
    const auto link = index ? kernel::find_link(host, *index) : std::nullopt;
    if (link && !link->is_loopback()) switch_on(link->name, node);
  }
}

void close_loopback(const PortmapPlan& plan, const Node& node) {
  std::vector<nft::Part> parts = {{.fixture = fixture(), .elements = elements_of(plan), .replaced = {}}};
  if (parts.front().elements.empty()) return;
  const state::FileLock lock = lock_loopback(node);
  kernel::NlSocket rules = nft::open_socket();
  nft::keep_own(rules, parts);
  nft::Batch batch(table());
  for (const nft::Element& element : parts.front().elements) batch.delete_element(element);
  batch.commit(rules, "no longer guarding 127.0.0.1 for " + owner_text(plan.id));
  // Other pods still have mappings.
  if (!nft::is_empty_set(table(), kPods)) return;
  switch_all_off(node);  // never on without the guard
  nft::drop(rules, fixture(), {}, "no longer guarding 127.0.0.1");
}

std::vector<std::string> compare_loopback(const PortmapPlan& plan) {
  const std::vector<nft::Element> elements = elements_of(plan);
  if (elements.empty()) return {};
  kernel::NlSocket socket = nft::open_socket();
  return nft::compare(socket, fixture(), elements);
}

}  // namespace barewire::standard
