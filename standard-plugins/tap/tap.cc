// SPDX-License-Identifier: Apache-2.0
/// The tap plugin: a persistent TAP device in the pod, for a virtual machine or another user-space network stack to
/// open.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cstring>

#include "core/fd.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/tap/labelled.h"

namespace barewire::standard {

namespace {

constexpr PodLinkKind kKind{.plugin = "tap", .kind = "tun", .has_carrier = false};

struct Config {
  TapSettings tap;
  std::uint32_t mtu = 0;  ///< 0 = the kernel's
  std::optional<MacAddress> mac;
  std::string bridge;           ///< of the pod; empty = none
  std::string selinux_context;  ///< empty = the plugin's own
};

std::optional<std::uint32_t> parse_id(const JsonView& root, std::string_view key) {
  const auto value = root.find(key);
  if (!value) return std::nullopt;
  return static_cast<std::uint32_t>(value->integer(0, std::int64_t{UINT32_MAX}, "a numeric user or group id"));
}

Config parse_config(const cni::Request& request) {
  constexpr std::int64_t kLargestMtu = 65521;  // drivers/net/tun.c: 65535 without an Ethernet header
  const JsonView root = request.conf.root();
  Config config;
  config.tap.name = request.ifname;
  config.tap.multi_queue = root.boolean_or("multiQueue", false);
  config.tap.owner = parse_id(root, "owner");
  config.tap.group = parse_id(root, "group");
  config.mtu =
      static_cast<std::uint32_t>(root.integer_or("mtu", 0, kLargestMtu, "an MTU in bytes, 0 for the default", 0));
  config.mac = cni::requested_mac(request);
  config.bridge = root.string_or("bridge", "");
  config.selinux_context = root.string_or("selinuxContext", "");
  return config;
}

void set_or_throw(int device, unsigned long request, unsigned long value, const char* what, const std::string& name) {
  if (::ioctl(device, request, value) != 0) throw sys_error("setting the {} of TAP device {}", what, name);
}

/// In the calling thread's netns. The device is gone with the process until it is persistent. Source:
/// Documentation/networking/tuntap.rst; drivers/net/tun.c.
void open_tap(const TapSettings& settings) {
  const Fd device = open_file("/dev/net/tun", O_RDWR);
  ifreq request{};
  std::strncpy(request.ifr_name, settings.name.c_str(), IFNAMSIZ - 1);
  // IFF_TUN_EXCL: an existing device is never taken over.
  const unsigned flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (settings.multi_queue ? IFF_MULTI_QUEUE : 0U);
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(device.get(), TUNSETIFF, &request) != 0) throw sys_error("creating TAP device {}", settings.name);
  if (settings.owner) set_or_throw(device.get(), TUNSETOWNER, *settings.owner, "owner", settings.name);
  if (settings.group) set_or_throw(device.get(), TUNSETGROUP, *settings.group, "group", settings.name);
  // Last: a device whose owner could not be set goes with this descriptor.
  set_or_throw(device.get(), TUNSETPERSIST, 1, "persistence", settings.name);
}

int bridge_index(kernel::NlSocket& inside, const std::string& name) {
  const auto bridge = kernel::find_link(inside, name);
  if (!bridge || bridge->kind != "bridge")
    throw Error(Error::Code::config,
                fmt::format("config key \"bridge\" is \"{}\"; expected the name of a bridge in the pod", name));
  return bridge->index;
}

void create(const Config& config, const cni::Request&, const kernel::NetNs& netns, kernel::NlSocket& inside) {
  kernel::LinkChange change;
  if (!config.bridge.empty()) change.master = bridge_index(inside, config.bridge);
  netns.run([&] {
    if (config.selinux_context.empty())
      open_tap(config.tap);
    else
      create_labelled_tap(config.tap, config.selinux_context);
  });
  change.mac = config.mac;
  if (config.mtu != 0) change.mtu = config.mtu;
  const kernel::Link link = kernel::get_link(inside, config.tap.name);
  if (change.mac || change.mtu || change.master)
    kernel::change_link(inside, link.index, change, "setting up TAP device " + link.name);
}

std::vector<std::string> compare(const Config& config, const cni::Request&, kernel::NlSocket& inside,
                                 const kernel::Link& link) {
  std::vector<std::string> clauses;
  if (config.mtu != 0 && link.mtu != config.mtu)
    clauses.push_back(fmt::format("its MTU is {}, not {}", link.mtu, config.mtu));
  if (!config.bridge.empty() && link.master != bridge_index(inside, config.bridge))
    clauses.push_back("it is no port of " + config.bridge);
  return clauses;
}

}  // namespace

const cni::Plugin kTap =
    pod_link_plugin<kKind, parse_config, create, compare>("gives the pod a TAP device for a user-space network stack");

}  // namespace barewire::standard
