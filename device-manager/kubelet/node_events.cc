// SPDX-License-Identifier: Apache-2.0
/// inotify and the kernel's uevent socket.
/// Both only say when to look: events may be lost, and what they say is not believed.
#include "device-manager/kubelet/node_events.h"

#include <linux/netlink.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "core/error.h"

namespace barewire::kubelet {
namespace {

Fd open_uevents() {
  Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) throw sys_error("opening a socket for uevents");
  constexpr int kBuffer = 1 << 20;  // a PF that gets 127 VFs tells of each several times
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kBuffer, sizeof kBuffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  // udev sends its own in group 2, after its rules have run; on a node without udev there are none.
  address.nl_groups = 1;  // the kernel's own
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw sys_error("listening to uevents");
  return fd;
}

/// "bind@/devices/pci0000:00/…" and what follows, each ended by a zero.
bool is_about_devices(std::string_view message) {
  for (const std::string_view subsystem : {"SUBSYSTEM=pci", "SUBSYSTEM=net", "SUBSYSTEM=vfio", "SUBSYSTEM=infiniband",
                                           "SUBSYSTEM=vdpa", "SUBSYSTEM=auxiliary", "SUBSYSTEM=uio"})
    if (message.find(subsystem) != std::string_view::npos) return true;
  return false;
}

}  // namespace

NodeEvents::NodeEvents() : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), uevents_(open_uevents()) {
  if (!inotify_) throw sys_error("watching kubelet's directories");
}

void NodeEvents::watch(const std::vector<std::string>& directories) {
  // Besides what appears and goes: a file that was written in place, as an editor may do with the pools' file.
  constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR;
  // Failures are passed over: a directory that is not there yet is tried again at the next look. Source:
  // inotify_add_watch(2), which keeps the one watch of a directory that has it.
  for (const std::string& directory : directories) ::inotify_add_watch(inotify_.get(), directory.c_str(), kEvents);
}

bool NodeEvents::drain() {
  alignas(inotify_event) std::array<char, 8192> buffer{};
  bool relevant = false;
  // Every event of a watched directory counts; of devices only those of these subsystems.
  while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) relevant = true;
  while (true) {
    const ssize_t size = ::recv(uevents_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == ENOBUFS) relevant = true;  // some were lost
    if (size < 0 && errno != ENOBUFS) return relevant;
    if (size > 0) relevant |= is_about_devices({buffer.data(), static_cast<std::size_t>(size)});
  }
}

}  // namespace barewire::kubelet
